"""Writes rows as a folder that TRL and Hugging Face ``datasets`` read, with a card that says what is in it.

```
DATA/README.md         the card, for people and for ``datasets.load_dataset(DATA, "sft")``
DATA/card.json         the same figures, for programs
DATA/sft.jsonl         one file a kind, one row a line
```
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from archive.diversity import profile
from meta_agent.errors import UserError
from meta_agent.learning.rows import KINDS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from meta_agent.learning.harvest import Harvest

PROFILED = 1000
"""Rows of a kind that are compared with each other for the card."""


def write(harvest: Harvest, folder: Path, about: dict[str, object]) -> dict[str, Any]:
    """Write a harvest and return its card. The folder appears when it is complete, in the place of an older one.

    Args:
        harvest: what to write.
        folder: where.
        about: what the card says of the way it was made.

    Raises:
        UserError: The folder holds something else.
    """
    if folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / "card.json").is_file())
    ):
        raise UserError(f"{folder} is there and holds no data of ours: choose another folder")
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    digest = hashlib.sha256()
    for kind in KINDS:
        rows = [row for row in harvest.rows if row.kind == kind]
        lines = "".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n" for row in rows)
        if rows:
            (scratch / f"{kind}.jsonl").write_text(lines, encoding="utf-8")
        digest.update(lines.encode("utf-8", "surrogatepass"))
    card = {"format": 1, "digest": digest.hexdigest()[:16], **about, **figures(harvest)}
    (scratch / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (scratch / "README.md").write_text(readme(card))
    shutil.rmtree(folder, ignore_errors=True)
    scratch.replace(folder)
    return card


def figures(harvest: Harvest) -> dict[str, Any]:
    """Return the counts of a harvest, and the quality, diversity and complexity of each kind of row."""
    kinds: dict[str, Any] = {}
    for kind in KINDS:
        rows = [row for row in harvest.rows if row.kind == kind]
        if rows:
            kinds[kind] = {
                "rows": len(rows),
                "tasks": len({(row.domain, row.task) for row in rows}),
                "domains": dict(Counter(row.domain for row in rows)),
                "forms": dict(Counter(row.form for row in rows)),
                "profile": asdict(_profile(rows, harvest)),
            }
    marks = [mark for row in harvest.outcomes.values() for mark in row]
    return {
        "counts": harvest.counts,
        "kinds": kinds,
        "tasks": {
            "seen": len(harvest.outcomes),
            "solved": sum(any(row) for row in harvest.outcomes.values()),
            "different answers": len(marks),
            "right answers": fmean(marks) if marks else 0.0,
        },
    }


def _profile(rows: Sequence[Row], harvest: Harvest) -> Any:
    shown = rows[:PROFILED]
    outcomes = [list(harvest.outcomes.get(row.task) or (1.0,)) for row in shown]
    texts = [_code(row) for row in shown]
    return profile(texts, outcomes, [True] * len(shown))


def _code(row: Row) -> str:
    from meta_agent.agents.kit import extract_code

    return extract_code(row.answer or row.prompt[-1].content)


def readme(card: dict[str, Any]) -> str:
    """Return the card as Markdown, with the header by which ``datasets`` finds the files."""
    configs = "".join(
        f"- config_name: {kind}\n  data_files: {kind}.jsonl\n  default: {str(i == 0).lower()}\n"
        for i, kind in enumerate(card["kinds"])
    )
    rows = "".join(_line(kind, one) for kind, one in card["kinds"].items())
    counts = "".join(f"| {what} | {count:,} |\n" for what, count in card["counts"].items())
    made = "".join(f"- {key}: {value}\n" for key, value in card.items() if key in _ABOUT)
    header = f"---\nconfigs:\n{configs}---\n" if configs else ""
    return header + _README.format(
        made=made, rows=rows, counts=counts, tasks=card["tasks"], digest=card["digest"]
    )


_ABOUT = ("command", "archives", "seed", "heldout", "base")


def _line(kind: str, one: dict[str, Any]) -> str:
    p = one["profile"]
    nodes = f"{p['nodes']:.0f}" if p["nodes"] is not None else ""
    branching = f"{p['branching']:.1f}" if p["branching"] is not None else ""
    forms = ", ".join(f"{count} {form}" for form, count in one["forms"].items())
    return (
        f"| {kind} | {one['rows']} | {one['tasks']} | {forms} | {p['duplicates']:.0%} | {p['distinct_2']:.2f} | "
        f"{p['vendi']:.1f} | {p['tokens']:.0f} | {nodes} | {branching} | {p['difficulty']:.2f} |\n"
    )


_README = """\
# Verified lessons from an archive

{made}- digest: {digest}

Every row was executed twice: when it was found, and again before it was written. No row is about a task of a
selection or test split.

| kind | rows | tasks | forms | same text | distinct-2 | Vendi | tokens | nodes | branching | difficulty |
|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|
{rows}
Vendi is the effective number of different answers; nodes and branching are of their syntax; difficulty is the share
of wrong ones among the different answers to a row's task. Tasks seen: {tasks[seen]}, of which {tasks[solved]} were
solved by some answer; {tasks[different answers]} different answers, {tasks[right answers]:.0%} of them right.

| what was looked at, and what each filter removed | |
|---|--:|
{counts}
Columns: `prompt` and `completion` (or `chosen` and `rejected`, or `messages`) are chats as TRL reads them; `past` is
the earlier code inside a prompt, `wrong` the chance that a preference is the wrong way round, `train` says which
messages of a splice are learned, `source` is where a row comes from, as JSON.
"""
