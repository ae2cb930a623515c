"""One run as a single HTML file to mail: no script, nothing fetched, readable without the archive.

It has the look of the viewer (``archive/web``) and its charts. Texts that models wrote are escaped, made inert and cut.
"""

from __future__ import annotations

import json
import time
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from archive import lineage, report
from archive.views import by_split
from archive.web import charts, text
from archive.web.templates import HERE, templates

if TYPE_CHECKING:
    from archive.archive import Archive

_SHOWN = 10
"""Programs that are shown with their code."""
_LISTED = 100
_LONGEST_TREE = 50_000


def html(archive: Archive, run: str) -> str:
    """Return the report of a run.

    Args:
        archive: Where it is.
        run: Its full id.

    Raises:
        ArchiveError: There is no such run.
    """
    members = archive.members(run)
    programs = {program.id: program for program in archive.programs()}
    split_standings = by_split(archive, run)
    best = archive.best(run=run, limit=_SHOWN)
    tested = sorted(split_standings["test"].values(), key=lambda s: -s.mean)
    place = {member.program: member for member in members}
    failures = report.failure_rows(archive, run)
    template = templates(Path(__file__).parent).get_template("page.html")
    return template.render(
        css=(HERE / "static" / "viewer.css").read_text(encoding="utf-8"),
        run=archive.run(run),
        settings=json.dumps(archive.run(run).config, indent=2, sort_keys=True),
        now=time.time(),
        spent=archive.spent(run),
        members=members[:_LISTED],
        kept=len(members),
        by_split=split_standings,
        splits=[split for split in report.SPLITS if split_standings[split]],
        programs=programs,
        tested=tested,
        pairs=[
            (a.name, b.name, row)
            for a, b in combinations(tested[:4], 2)
            for row in report.comparison_rows(archive, a.evaluation.program, b.evaluation.program, run)
            if row["split"] == "test"
        ],
        over_time=charts.over_time(members, split_standings["search"]),
        against_cost=charts.against_cost(list(split_standings["search"].values()), "tokens"),
        tree=lineage.tree(lineage.graph(members, programs.values()))[:_LONGEST_TREE],
        shown=[(one, programs[one.evaluation.program], place.get(one.evaluation.program)) for one in best],
        failed=len(failures),
        failure_line=report.failure_line(failures) if failures else "",
        alarms=archive.alarms(run)[:_LISTED],
        drops=len(archive.drops(run)),
        diff=text.difference,
    )
