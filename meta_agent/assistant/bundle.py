"""An agent as a folder that stands on its own: program, pinned model, settings, score card, lineage, and our code.

``releases/NUMBER-ID`` holds each agent that was deployed to the folder, and ``current`` names the one that is served.
Deploying again, and rolling back, change that one word.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archive import Program
from meta_agent.assistant.agents import Agent
from meta_agent.assistant.wheel import write_wheel
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from archive import Archive

FORMAT = "adas-agent"
VERSION = 1
_RUN = """#!/bin/sh
# Serves this agent; the first call makes an environment for it, here.
set -e
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -x "$here/env/bin/adas" ]; then
  "${PYTHON:-python3}" -m venv "$here/env"
  "$here/env/bin/pip" install -q "$(ls "$here"/*.whl)[serve]"
fi
exec "$here/env/bin/adas" serve "$here" "$@"
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a deployed agent works, unless the command says otherwise."""

    calls: int = 20
    """Model calls a request."""
    tokens: int = 60_000
    """Tokens a request."""
    sandbox: str = "process"
    engine: str = "auto"


@dataclass(frozen=True, slots=True)
class Release:
    """One agent in the folder."""

    name: str
    """Of its folder: a number and the beginning of the program's id."""
    agent: Agent
    settings: Settings
    about: dict[str, Any]
    """The manifest."""


def deploy(folder: Path, agent: Agent, settings: Settings, archive: Archive | None) -> Release:
    """Add an agent to a folder, which is made if need be, and make it the current one.

    Raises:
        UserError: the folder holds something else, or cannot be written; or the model's file is not here.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "current").is_file():
        raise UserError(f"{folder} holds something else: name a new folder, or one that `adas deploy` made")
    try:
        (folder / "releases").mkdir(parents=True, exist_ok=True)
        name = f"{len(_releases(folder)) + 1:03}-{agent.program.id[:8]}"
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            place = Path(scratch) / name
            place.mkdir()
            _write_release(place, agent, settings, archive)
            place.replace(folder / "releases" / name)
        for old in folder.glob("*.whl"):
            old.unlink()
        write_wheel(folder)
        (folder / "run").write_text(_RUN)
        (folder / "run").chmod(0o755)
        _make_current(folder, name, "deployed")
    except OSError as error:
        raise UserError(f"cannot deploy to {folder}: {error.strerror or error}") from None
    return load(folder)


def rollback(folder: Path) -> Release:
    """Make the release before the current one the current one.

    Raises:
        UserError: it is no such folder, or there is none before.
    """
    current = load(folder)
    earlier = [name for name in _releases(folder) if name < current.name]
    if not earlier:
        raise UserError(f"{folder} has no release before {current.name}: there is nothing to roll back to")
    _make_current(folder, earlier[-1], "rolled back")
    return load(folder)


def load(folder: Path) -> Release:
    """Return the current release of a folder.

    Raises:
        UserError: it is no such folder, a part is missing or was changed, or the model is not the pinned one.
    """
    try:
        name = (folder / "current").read_text().strip()
        place = folder / "releases" / Path(name).name
        about = json.loads((place / "agent.json").read_text())
        source = (place / "program.py").read_text()
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} is no folder of `adas deploy`: {error}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise UserError(f'{place / "agent.json"}: expected "format": "{FORMAT}"')
    if about.get("version") != VERSION:
        raise UserError(
            f"{place}: format version {about.get('version')}, this program reads {VERSION}: upgrade it"
        )
    try:
        program = Program(source=source, name=about["name"], thought=about["thought"], origin=about["origin"])
        agent = Agent(about["agent"], program, about["model"]["name"])
        release = Release(name, agent, Settings(**about["settings"]), about)
    except (KeyError, TypeError) as error:
        raise UserError(f"{place / 'agent.json'} is broken: {error}") from None
    if program.id != about["program"]:
        raise UserError(f"{place / 'program.py'} was changed: its id is {program.id}, not {about['program']}")
    return release


def check_model(release: Release) -> None:
    """See that the model is the one that was deployed.

    Raises:
        UserError: its file has another digest.
    """
    pinned = release.about["model"]
    digests = _digests(release.agent.model)
    if pinned["sha256"] and digests != pinned["sha256"]:
        raise UserError(
            f"{release.agent.model} is not the model that was deployed: expected SHA-256 {pinned['sha256']}, it has "
            f"{digests}; deploy again with the model that you want"
        )


def is_bundle(name: str) -> bool:
    """Tell whether a name is that of a folder that was deployed to."""
    return (Path(name) / "current").is_file()


def _releases(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "releases").iterdir() if path.is_dir())


def _make_current(folder: Path, name: str, what: str) -> None:
    current = folder / "current.new"
    current.write_text(f"{name}\n")
    current.replace(folder / "current")
    with (folder / "history.jsonl").open("a") as history:
        history.write(json.dumps({"time": time.time(), "what": what, "release": name}) + "\n")
    shutil.copyfile(folder / "releases" / name / "README.md", folder / "README.md")


def _write_release(place: Path, agent: Agent, settings: Settings, archive: Archive | None) -> None:
    from importlib import metadata

    from meta_agent.assistant import provenance

    known = archive is not None and agent.standing is not None
    card = provenance.score_card(archive, agent.program.id) if archive and known else None
    lineage = provenance.ancestry(archive, agent.program.id) if archive and known else []
    about = {
        "format": FORMAT,
        "version": VERSION,
        "agent": agent.name,
        "program": agent.program.id,
        "name": agent.program.name,
        "thought": agent.program.thought,
        "origin": agent.program.origin,
        "model": {"name": agent.model, "sha256": _digests(agent.model)},
        "settings": asdict(settings),
        "made_by": f"meta-agent-search {metadata.version('meta-agent-search')}",
        "created": time.time(),
    }
    lines = provenance.lines(card) if card else ["nothing was measured of it"]
    (place / "program.py").write_text(agent.program.source)
    for name, value in (("agent", about), ("score_card", card), ("lineage", lineage)):
        (place / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n")
    (place / "README.md").write_text(_readme(about, lines, lineage))


def _digests(model: str) -> dict[str, str]:
    """Return the SHA-256 of each file that makes up a local model; nothing for one that its provider keeps."""
    from meta_agent.llm.catalogue import find
    from meta_agent.llm.learned import find_learned

    if not model.startswith("local/"):
        return {}
    if model.endswith(".gguf"):
        return {Path(model).name: _sha256(Path(model.removeprefix("local/")).expanduser())}
    if learned := find_learned(model):
        own = {learned.adapter.name: _sha256(learned.adapter)} if learned.adapter else {}
        own = own or {learned.weights.name: _sha256(learned.weights)}
        return {**own, **(_digests(learned.base) if learned.adapter else {})}
    return {find(model).name: find(model).sha256}


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"no model file {file}: {error.strerror}") from None


def _readme(about: dict[str, Any], lines: list[str], lineage: list[dict[str, Any]]) -> str:
    descent = " -> ".join(one["name"] for one in lineage) or "hand-designed"
    digests = "".join(
        f"\n  - {name}: SHA-256 `{digest}`" for name, digest in about["model"]["sha256"].items()
    )
    pinned = digests or "\n  - its provider decides what the name stands for"
    measured = "\n".join(f"- {line}" for line in lines)
    return f"""# {about["name"]}

{about["thought"].strip()}

An agent program that works in a sandbox, made by {about["made_by"]}. `releases/` has its source (`program.py`, id
`{about["program"]}`), its settings and the pinned model (`agent.json`), `score_card.json` and `lineage.json`.

## Run it

```sh
./run                      # an OpenAI-compatible server on http://127.0.0.1:8000/v1, model adas/best
./run --port 9000 --keys keys.toml
adas serve .               # where meta-agent-search is installed already
adas deploy --rollback --to .
```

## What was measured

{measured}

## Where it comes from

- program: {descent}
- model: `{about["model"]["name"]}`{pinned}
- settings: {", ".join(f"{key} {value}" for key, value in about["settings"].items())}
"""
