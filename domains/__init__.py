"""Domains: tasks, splits and honest scoring."""

from __future__ import annotations

import inspect
import re
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from domains.domain import Domain, DomainError, Kind, Score, SplitName, Task
from domains.splits import EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "BENCHMARKS",
    "EVERY",
    "Domain",
    "DomainError",
    "Kind",
    "Score",
    "SplitName",
    "Task",
    "load_domain",
]

BENCHMARKS: Mapping[str, str] = {
    "humaneval": "domains.humaneval:humaneval",
    "mbpp": "domains.mbpp:mbpp",
    "gsm8k": "domains.gsm8k:gsm8k",
    "mgsm": "domains.mgsm:mgsm",
    "reasoning-gym": "domains.reasoning_gym:reasoning_gym",
    "repair": "domains.repair:repair",
}
"""Short name to the function that loads the benchmark."""


def load_domain(spec: str, *, sizes: Mapping[SplitName, int] | None = None, seed: int = 0) -> Domain:
    """Load a domain by name.

    Args:
        spec: ``humaneval``, ``mbpp``, ``gsm8k``, ``mgsm`` or ``mgsm:LANGUAGE``, ``reasoning-gym:TASK``,
            ``repair`` or ``repair:TASKS.jsonl``, a path to a ``.jsonl`` file, or ``dotted.path:Class`` of anything
            that is called with ``sizes`` and ``seed`` and returns a :class:`Domain`.
        sizes: tasks per split; a split left out has its default size, :data:`EVERY` takes all that belong to it.
        seed: decides which tasks go to which split, and their order.

    Raises:
        DomainError: an unknown name, data that cannot be had, a broken file, or sizes that are too large.

    """
    name, _, variant = spec.partition(":")
    if name in BENCHMARKS:
        return _make(spec, _resolve(BENCHMARKS[name]), *filter(None, [variant]), sizes=sizes, seed=seed)
    if spec.endswith(".jsonl"):
        from domains.jsonl import jsonl

        return jsonl(Path(spec), sizes=sizes, seed=seed)
    if _DOTTED.fullmatch(spec):
        if str(Path.cwd()) not in sys.path:  # a command's path has no current folder
            sys.path.append(str(Path.cwd()))
        return _make(spec, _resolve(spec), sizes=sizes, seed=seed)
    raise DomainError(_unknown(spec))


_DOTTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _resolve(path: str) -> Callable[..., Domain]:
    module, _, attribute = path.partition(":")
    try:
        return cast("Callable[..., Domain]", getattr(import_module(module), attribute))
    except ModuleNotFoundError as error:
        missing = error.name or module
        reason = (
            _unknown(path)
            if module.startswith(missing)
            else f"{path!r} needs {missing!r}, which is not installed"
        )
        raise DomainError(reason) from error
    except AttributeError:
        raise DomainError(f"module {module!r} has no {attribute!r}") from None


def _make(spec: str, factory: Callable[..., Domain], *arguments: str, **settings: object) -> Domain:
    try:
        inspect.signature(factory).bind(*arguments, **settings)
    except TypeError as error:
        raise DomainError(
            f"{spec!r} cannot be made with {', '.join([*arguments, *settings])}: {error}"
        ) from None
    domain = factory(*arguments, **settings)
    lacking = [name for name in _MEMBERS if not hasattr(domain, name)]
    if lacking:
        raise DomainError(f"{spec!r} is not a domain: it has no {', '.join(lacking)}")
    return domain


_MEMBERS = ("name", "version", "scorer", "description", "tasks", "score", "key")


def _unknown(spec: str) -> str:
    names = (
        "humaneval, mbpp, gsm8k, mgsm[:LANGUAGE], reasoning-gym:TASK, repair[:TASKS.jsonl], PATH.jsonl, "
        "dotted.path:Class"
    )
    close = get_close_matches(spec.partition(":")[0], BENCHMARKS, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown domain {spec!r}: {hint}There are {names}"
