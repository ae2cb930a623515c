from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import (
    Alarm,
    Archive,
    ArchiveError,
    Call,
    Claim,
    Drop,
    Evaluation,
    Failure,
    Member,
    Opening,
    Program,
    Remark,
    Rollout,
    Run,
)
from archive.exchange import export_archive, import_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archive.archive import Record

words = st.text(st.characters(), max_size=12)
counts = st.integers(0, 2**40)
reals = st.floats(0, 1e9)
times = st.floats(1, 2e9)
costs = st.none() | reals
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
objects: st.SearchStrategy[dict[str, object]] = st.dictionaries(words, values, max_size=3)


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Return the records of one archive, in an order in which they can be added."""

    def of(names: list[str]) -> str:
        return draw(st.sampled_from(names))

    def some(names: list[str]) -> tuple[str, ...]:
        return tuple(draw(st.lists(st.sampled_from(names), max_size=2))) if names else ()

    runs = [
        Run(f"r{i}", "search", draw(words), draw(words), draw(objects), "paused", draw(times))
        for i in range(draw(st.integers(1, 2)))
    ]
    sources = draw(st.lists(words, min_size=1, max_size=4, unique_by=lambda s: Program(s, "").id))
    programs = [Program(s, draw(words), draw(words), "hand", created=draw(times)) for s in sources]
    ids = [program.id for program in programs]
    members = [
        Member(
            run.id, one, draw(st.integers(0, 3)), slot, some(ids[:slot]), draw(words), draw(st.integers(0, 3))
        )
        for run in runs
        for slot, one in enumerate(ids)
    ]
    shares = st.none() | st.floats(0, 1)
    claims = [
        Claim(run.id, number, draw(words), of(ids), draw(words), draw(shares), draw(shares), draw(shares))
        for run in runs
        for number in range(draw(st.integers(0, 2)))
    ]
    openings = [Opening(run.id, "test", tuple(sorted(ids)), draw(times)) for run in runs]
    evaluations = [
        Evaluation(
            of([run.id for run in runs]), of(ids), draw(words), draw(words), draw(st.sampled_from(["search", "test"])),
            draw(words), seed, draw(words), draw(counts), created=draw(times),
        )
        for seed in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    rollouts = [
        Rollout(
            e.id, task, draw(st.floats(0, 1)), draw(words), draw(words), draw(words), draw(counts), draw(counts),
            draw(counts), draw(costs), draw(reals), draw(reals), tuple(draw(st.lists(objects, max_size=2))),
            draw(times),
        )
        for e in evaluations
        for task in draw(st.lists(words, unique=True, max_size=3))
    ]  # fmt: skip
    bounds = st.floats(-1, 1)
    drops = [
        Drop(
            e.id, draw(counts), draw(bounds), draw(bounds), draw(bounds), draw(st.floats(0, 1)), draw(words),
            draw(counts), draw(times),
        )
        for e in evaluations[:1]
    ]  # fmt: skip
    alarms = [
        Alarm(
            of([run.id for run in runs]),
            "canary",
            f"{number} {draw(words)}",
            of(ids),
            draw(words),
            draw(times),
        )
        for number in range(draw(st.integers(0, 2)))
    ]
    failures = [
        Failure(of([run.id for run in runs]), number, 0, 0, "try", draw(words), draw(words), draw(times))
        for number in range(draw(st.integers(0, 2)))
    ]
    remarks = [
        Remark(of([run.id for run in runs]), of(ids), "note", draw(words), number + 1.0)
        for number in range(draw(st.integers(0, 2)))
    ]
    calls = [
        Call(
            of([run.id for run in runs]), draw(words), draw(words), draw(words), draw(st.booleans()), draw(counts),
            draw(counts), draw(costs), draw(reals), number + 1.0, draw(words) * 20, draw(words),
        )
        for number in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    first = [*runs, *programs, *members, *claims, *openings, *evaluations]
    return [*first, *rollouts, *drops, *failures, *alarms, *remarks, *calls]


def contents(archive: Archive) -> list[Any]:
    return [
        archive.runs(), archive.programs(), archive.members(), archive.claims(), archive.openings(), archive.evaluations(),
        [archive.rollouts(e.id) for e in archive.evaluations()], archive.drops(), archive.failures(), archive.alarms(),
        archive.remarks(),
        archive.calls(),
    ]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records())
def test_import_brings_back_an_equal_archive(
    tmp_path_factory: pytest.TempPathFactory, held: list[Record]
) -> None:
    folder = tmp_path_factory.mktemp("x")
    with Archive(folder / "a.db") as archive, Archive(folder / "b.db") as other:
        archive.add_all(held)
        written = export_archive(archive, folder / "out")
        assert sum(written.values()) == len(held)
        for _ in range(2):  # the second time changes nothing
            assert import_folder(other, folder / "out") == written
            assert contents(other) == contents(archive)
        export_archive(other, folder / "again")
    files = sorted(path.relative_to(folder / "out") for path in (folder / "out").rglob("*") if path.is_file())
    for file in files:
        assert (folder / "out" / file).read_bytes() == (folder / "again" / file).read_bytes()


def test_export_import_export_is_byte_identical(attacked: Archive, tmp_path: Path) -> None:
    written = export_archive(attacked, tmp_path / "out")
    assert all(written.values()), written
    with Archive(tmp_path / "b.db") as other:
        assert import_folder(other, tmp_path / "out") == written
        assert contents(other) == contents(attacked)
        export_archive(other, tmp_path / "again")
    files = sorted(
        path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    assert len(files) == 15
    for file in files:
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_programs_are_readable_files(filled: Archive, tmp_path: Path) -> None:
    export_archive(filled, tmp_path / "out")
    plan = filled.program("plan")
    assert (tmp_path / "out" / "programs" / f"{plan.id}_plan.py").read_text() == plan.source
    rows = [json.loads(line) for line in (tmp_path / "out" / "programs.jsonl").read_text().splitlines()]
    assert [row["thought"] for row in rows] == ["idea 0", "idea 1", "idea 2", "idea 3"]


def test_one_run_is_carried_into_another_archive(filled: Archive, tmp_path: Path) -> None:
    filled.add_run(Run("other", "evaluate", "quiz", "v1"))
    filled.add_program(Program("z = 1", "elsewhere"))
    counts = export_archive(filled, tmp_path / "out", "r")
    assert counts["runs"] == 1
    assert counts["programs"] == 4
    with Archive(tmp_path / "b.db") as other:
        other.add_run(Run("mine", "search", "quiz", "v1"))
        import_folder(other, tmp_path / "out")
        assert [run.id for run in other.runs()] == ["r", "mine"]
        assert other.members("r") == filled.members("r")
        assert other.spent("r") == filled.spent("r")
        assert [s.mean for s in other.standings(run="r")] == [s.mean for s in filled.standings(run="r")]


def test_export_needs_an_empty_folder(filled: Archive, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    with pytest.raises(ArchiveError, match="not empty"):
        export_archive(filled, tmp_path / "out")
    with pytest.raises(ArchiveError, match=r"letter\.txt"):
        export_archive(filled, tmp_path / "out" / "letter.txt")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]


def edit(folder: Path, table: str, line: int, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / f"{table}.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[line - 1])
    changed = change(row)
    lines[line - 1] = changed if isinstance(changed, str) else json.dumps(row if changed is None else changed)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("table", "line", "change", "reason"),
    [
        ("rollouts", 7, lambda _: '{"evaluation": "x', "not JSON"),
        ("rollouts", 40, lambda _: "[1, 2]", "expected an object, got list"),
        ("rollouts", 3, lambda row: {**row, "colour": 1}, "unknown field 'colour'"),
        ("rollouts", 3, lambda row: row.pop("score") * 0 or row, "field 'score' is missing"),
        ("rollouts", 3, lambda row: {**row, "score": "1"}, "field 'score': expected float, got \"1\""),
        ("rollouts", 3, lambda row: {**row, "calls": True}, "field 'calls': expected int, got true"),
        ("rollouts", 3, lambda row: {**row, "calls": 1.5}, "field 'calls': expected int, got 1.5"),
        ("rollouts", 3, lambda row: {**row, "trace": {}}, "field 'trace': expected"),
        ("calls", 2, lambda row: {**row, "cost_usd": "free"}, "field 'cost_usd': expected float | None"),
        (
            "runs",
            1,
            lambda row: {**row, "state": "odd"},
            "field 'state': expected 'running' or 'paused' or 'done'",
        ),
        ("members", 4, lambda row: {**row, "parents": [1]}, "field 'parents': expected tuple"),
        ("programs", 2, lambda row: {**row, "file": "../../secret"}, "without a folder"),
        ("programs", 2, lambda row: {**row, "file": "gone.py"}, "No such file"),
        ("programs", 2, lambda row: {**row, "file": 3}, "name of a file"),
    ],
)
def test_a_broken_line_is_named_and_nothing_imported(
    filled: Archive,
    tmp_path: Path,
    table: str,
    line: int,
    change: Callable[[dict[str, Any]], object],
    reason: str,
) -> None:
    export_archive(filled, tmp_path / "out")
    edit(tmp_path / "out", table, line, change)
    with Archive(tmp_path / "b.db") as other:
        with pytest.raises(ArchiveError) as caught:
            import_folder(other, tmp_path / "out")
        assert f"{table}.jsonl, line {line}: " in str(caught.value)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not any(contents(other))


def test_a_contradiction_is_refused_and_nothing_imported(filled: Archive, tmp_path: Path) -> None:
    export_archive(filled, tmp_path / "out")
    edit(tmp_path / "out", "rollouts", 5, lambda row: {**row, "score": 0.5})
    before = contents(filled)
    with pytest.raises(ArchiveError, match="another score"):
        import_folder(filled, tmp_path / "out")
    assert contents(filled) == before


def test_an_edited_program_is_noticed(filled: Archive, tmp_path: Path) -> None:
    export_archive(filled, tmp_path / "out")
    (path,) = (tmp_path / "out" / "programs").glob("*_plan.py")
    path.write_text("def forward(task, kit): return 'better'\n")
    with Archive(tmp_path / "b.db") as other, pytest.raises(ArchiveError, match="was changed"):
        import_folder(other, tmp_path / "out")


def test_a_shortened_file_is_noticed(filled: Archive, tmp_path: Path) -> None:
    export_archive(filled, tmp_path / "out")
    path = tmp_path / "out" / "rollouts.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with (
        Archive(tmp_path / "b.db") as other,
        pytest.raises(ArchiveError, match=r"39 records, but manifest\.json promises 40"),
    ):
        import_folder(other, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "expected a folder that"),
        ("{", "not JSON"),
        ("[]", 'expected "format"'),
        ('{"format": "adas-archive", "version": 5}', "format version 5"),
        ('{"format": "adas-archive", "version": 0}', "format version 0"),
        ('{"format": "adas-archive", "version": 1, "records": {"runs": 1}}', "a number for each"),
        ('{"format": "adas-archive", "version": 1}', "a number for each"),
    ],
)
def test_a_broken_manifest_is_refused(filled: Archive, tmp_path: Path, text: str | None, reason: str) -> None:
    export_archive(filled, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    path.unlink() if text is None else path.write_text(text)
    with Archive(tmp_path / "b.db") as other, pytest.raises(ArchiveError, match=reason):
        import_folder(other, tmp_path / "out")


@pytest.mark.parametrize(
    ("version", "later"),
    [(1, ["claims", "drops", "alarms", "remarks"]), (2, ["drops", "alarms", "remarks"]), (3, ["remarks"])],
)
def test_a_folder_of_an_older_version_lacks_what_came_later(
    filled: Archive, tmp_path: Path, version: int, later: list[str]
) -> None:
    export_archive(filled, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    for table in later:
        (tmp_path / "out" / f"{table}.jsonl").unlink()
        del manifest["records"][table]
    path.write_text(json.dumps({**manifest, "version": version}))
    with Archive(tmp_path / "b.db") as other:
        assert import_folder(other, tmp_path / "out") == manifest["records"]
        assert contents(other) == contents(filled)
