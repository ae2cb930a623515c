"""The configuration of a search: a preset, then a file, then ``key=value`` pairs, merged left to right.

The final configuration is stored with the run, so any run can be repeated from its archive.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meta_agent.agents import SEEDS
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from domains import SplitName

Settings = TypeVar("Settings", bound=BaseModel)

ProposerName = Literal[
    "composition",
    "composition-mcts",
    "composition-tpe",
    "reflective",
    "mutation",
    "crossover",
    "tree",
    "tuning",
]


class SearchConfig(BaseModel):
    """Everything that decides a search; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: str = "humaneval"
    model: str = "local/qwen2.5-coder-0.5b"
    """The model that executes agent programs."""
    meta_model: str = "local/qwen2.5-coder-1.5b"
    """The model that writes them."""
    engine: Literal["auto", "llamacpp", "vllm"] = "auto"
    """Engine for ``local/*`` models: ``auto``, ``llamacpp`` or ``vllm``."""
    sandbox: str = "process"
    """Where programs run, as for :func:`sandboxes.open_sandbox`: ``process``, ``bwrap``, ``docker:IMAGE``, ..."""
    environment: str = ""
    """A virtual environment whose packages programs may import; empty: the standard library only."""
    agents: tuple[str, ...] = SEEDS
    """Hand-designed agents (names or ``.py`` paths) that open the archive."""
    proposers: tuple[ProposerName, ...] = Field(("composition", "reflective", "tuning"), min_length=1)
    """Who writes programs, see ``docs/proposers.md``; several share the slots by what each has made so far."""
    generations: int = Field(8, ge=0)
    width: int = Field(4, ge=1)
    """Candidates a generation; all of them are in flight at once and see the archive as it was before."""
    reflections: int = Field(2, ge=0, le=2)
    repairs: int = Field(3, ge=0)
    workers: int = Field(0, ge=0)
    """Rollouts in flight; 0 takes what the model's engine wants."""
    search_tasks: int = Field(32, ge=1)
    selection_tasks: int = Field(32, ge=1)
    test_tasks: int = Field(100, ge=1)
    race_risk: float = Field(0.05, ge=0.0, lt=1.0)
    """Probability of dropping, before its last search task, a program that is as good as any; 0 drops nobody."""
    race_block: int = Field(8, ge=1)
    """Search tasks that a candidate runs side by side before the next look at whether it is dropped."""
    finalists: int = Field(3, ge=1)
    """Discovered programs whose rollouts on all selection tasks are paid for; more may share them."""
    budget: str = ""
    """For example ``20k-tokens``, ``300-calls``, ``15m``, ``$0.50``, or several separated by commas; empty: none."""
    finish_share: float = Field(0.4, ge=0.0, le=0.9)
    """Share of the budget kept for the selection and the sealed test."""
    calls_per_task: int = Field(12, ge=1)
    tokens_per_task: int = Field(12_000, ge=1)
    seconds_per_task: float = Field(60.0, gt=0)
    """Seconds of a program's own on one task, model waits not counted."""
    seed: int = 0

    @property
    def sizes(self) -> dict[SplitName, int]:
        """Tasks of each split."""
        return {"search": self.search_tasks, "selection": self.selection_tasks, "test": self.test_tasks}


LISTS = ("agents", "proposers")
"""Settings that take several values, separated by commas."""

PRESETS: dict[str, dict[str, Any]] = {
    # laptop: a first result without a key in less than twenty minutes, and more generations for a longer budget; smoke:
    # minutes; adas: the paper's generations
    "laptop": {
        "search_tasks": 12,
        "selection_tasks": 12,
        "test_tasks": 80,
        "generations": 20,
        "width": 8,
        "finalists": 2,
        "finish_share": 0.5,
        "calls_per_task": 8,
        "budget": "19m",
    },
    "smoke": {
        "search_tasks": 3,
        "selection_tasks": 2,
        "test_tasks": 3,
        "generations": 1,
        "width": 2,
        "finalists": 1,
        "agents": ("direct", "self_consistency"),
        "calls_per_task": 6,
    },
    "adas": {
        "proposers": ("reflective",),
        "search_tasks": 48,
        "selection_tasks": 360,
        "test_tasks": 200,
        "generations": 30,
        "width": 1,
    },
}


def load_config(
    preset: str = "laptop", file: Path | None = None, pairs: Sequence[str] = (), **given: object
) -> SearchConfig:
    """Return the merged configuration.

    Args:
        preset: a name in :data:`PRESETS`.
        file: a TOML file with top-level keys of :class:`SearchConfig`.
        pairs: ``key=value`` texts.
        given: values of command-line options; None means not given.

    Raises:
        UserError: unknown preset, unreadable file, unknown key or bad value.
    """
    if preset not in PRESETS:
        raise UserError(f"unknown preset {preset!r}: expected one of {', '.join(PRESETS)}")
    merged: dict[str, Any] = {**PRESETS[preset], **(_read(file) if file else {})}
    for key, value in read_pairs(pairs, "width=2").items():
        merged[key] = tuple(value.split(",")) if key in LISTS else value
    merged |= {key: value for key, value in given.items() if value is not None}
    return validate(merged)


def read_pairs(pairs: Sequence[str], example: str) -> dict[str, str]:
    """Return ``key=value`` texts as a dictionary; a later one wins.

    Raises:
        UserError: one is of another form; ``example`` shows how to write it.
    """
    given = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"cannot read {pair!r}: expected key=value, for example {example}")
        given[key.strip()] = value
    return given


def validate(fields: Mapping[str, object]) -> SearchConfig:
    """Return the configuration with these fields; raises as :func:`validated`."""
    return validated(SearchConfig, fields)


def validated(settings: type[Settings], fields: Mapping[str, object]) -> Settings:
    """Return settings with these fields; the first thing wrong becomes one line.

    Raises:
        UserError: an unknown key or a bad value.
    """
    try:
        return settings.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UserError(
                f"unknown setting {key!r}: expected one of {', '.join(settings.model_fields)}"
            ) from None
        raise UserError(f"setting {key}={first['input']!r}: {first['msg']}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{file} is not TOML: {error}") from None
