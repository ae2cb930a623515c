"""Templates, and what they may say of figures and texts."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from archive.report import printable
from archive.views import cost_a_task
from archive.web import figures, text

HERE = Path(__file__).parent


def templates(*folders: Path) -> Environment:
    """Return the viewer's templates, which escape all they are given, after those of other folders."""
    found = Environment(
        loader=FileSystemLoader([*folders, HERE / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(figures.FILTERS, inert=printable, clip=text.clip, code=text.code)
    found.globals.update(cost_a_task=cost_a_task)
    return found
