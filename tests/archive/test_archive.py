from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import archive.archive as module
from archive import (
    Alarm,
    Archive,
    ArchiveError,
    Call,
    Drop,
    Evaluation,
    Failure,
    Member,
    Program,
    Remark,
    Rollout,
    Run,
    default_path,
)
from archive.statistics import mean_interval

ROOT = Path(__file__).parents[2]


def evaluation_of(archive: Archive, name: str) -> Evaluation:
    (evaluation,) = archive.evaluations(program=archive.program(name).id)
    return evaluation


# Keys


def test_adding_everything_again_changes_nothing(filled: Archive) -> None:
    def everything() -> list[object]:
        held: list[object] = [
            filled.runs(),
            filled.programs(),
            filled.members(),
            filled.failures(),
            filled.openings(),
        ]
        return [
            *held,
            filled.evaluations(),
            [filled.rollouts(e.id) for e in filled.evaluations()],
            filled.calls(),
        ]

    before = everything()
    again: list[module.Record] = [
        *filled.runs(),
        *filled.programs(),
        *filled.members(),
        *filled.openings(),
        *filled.evaluations(),
    ]
    filled.add_all(again)
    for evaluation in filled.evaluations():
        for rollout in filled.rollouts(evaluation.id):
            filled.add_rollout(replace(rollout, created=0.0, seconds=9.9, trace=()))
    for failure in filled.failures():
        filled.add_failure(replace(failure, created=0.0))
    for call in filled.calls():
        filled.add_call(call)
    assert everything() == before


@pytest.mark.parametrize(
    "change",
    [
        {"score": 0.0},
        {"answer": "other"},
        {"failure": "boom"},
        {"calls": 99},
        {"prompt_tokens": 1},
        {"cost_usd": None},
    ],
)
def test_another_rollout_under_the_same_key_is_refused(filled: Archive, change: dict[str, object]) -> None:
    rollout = filled.rollouts(evaluation_of(filled, "repair").id)[1]
    with pytest.raises(ArchiveError, match=f"another {next(iter(change))}"):
        filled.add_rollout(replace(rollout, **change))  # type: ignore[arg-type]
    assert filled.rollouts(rollout.evaluation)[1] == rollout


def test_another_run_or_member_under_the_same_key_is_refused(filled: Archive) -> None:
    with pytest.raises(ArchiveError, match="another config"):
        filled.add_run(Run("r", "search", "quiz", "v1", {"workers": 3}))
    member = filled.members("r")[2]
    with pytest.raises(ArchiveError, match="another generation"):
        filled.add_member(replace(member, generation=5))
    other = filled.add_program(Program("def forward(task, kit): return 'other'", "other"))
    with pytest.raises(ArchiveError, match="taken by another program"):
        filled.add_member(replace(member, program=other.id))
    assert len(filled.members("r")) == 4


def test_config_compares_as_json(archive: Archive) -> None:
    archive.add_run(Run("r", "search", "d", "1", {"a": (1, 2), "b": None}))
    archive.add_run(Run("r", "search", "d", "1", {"b": None, "a": [1, 2]}, state="done"))
    assert archive.run("r").config == {"a": [1, 2], "b": None}
    assert archive.run("r").state == "running"


def test_program_is_its_code(archive: Archive) -> None:
    first = archive.add_program(Program("def forward(task, kit):\n    return 1\n", "one", "why"))
    second = archive.add_program(Program("def forward(task, kit):   \r\n    return 1", "two"))
    assert second == first
    assert first.created > 0
    with pytest.raises(ArchiveError, match="not that of its source"):
        archive.add_program(Program("x = 1", "bad", id=first.id))


def test_evaluation_may_grow(filled: Archive) -> None:
    evaluation = evaluation_of(filled, "direct")
    filled.add_evaluation(replace(evaluation, tasks=20))
    filled.add_evaluation(replace(evaluation, tasks=5))
    assert evaluation_of(filled, "direct").tasks == 20


def test_failures_that_differ_are_all_kept(archive: Archive) -> None:
    archive.add_run(Run("r", "search", "d", "1"))
    for reason in ("a", "b", "a"):
        archive.add_failure(Failure("r", 1, 0, 0, "try", reason))
    assert [failure.reason for failure in archive.failures("r")] == ["a", "b"]


def test_equal_calls_are_different_calls(archive: Archive) -> None:
    archive.add_run(Run("r", "search", "d", "1"))
    for _ in range(100):
        archive.add_call(Call("r", "agent", "m", "key", False, 2, 3, 0.0, 0.0))
    assert archive.spent("r") == (100, 200, 300, 0.0)
    times = [call.created for call in archive.calls("r")]
    assert times == sorted(set(times))


def test_what_a_record_names_must_be_there(archive: Archive) -> None:
    program = archive.add_program(Program("x", "x"))
    for add in (
        lambda: archive.add_member(Member("nowhere", program.id, 0)),
        lambda: archive.add_failure(Failure("nowhere", 0, 0, 0, "try", "")),
        lambda: archive.add_evaluation(Evaluation("nowhere", program.id, "d", "1", "search", "m", 0, "s", 1)),
        lambda: archive.add_rollout(Rollout("nowhere", "t", 1.0)),
        lambda: archive.add_call(Call("nowhere", "meta", "m", "k", False, 1, 1, None, 0.0)),
        lambda: archive.set_run_state("nowhere", "done"),
        lambda: archive.open_split("nowhere", "test", []),
    ):
        with pytest.raises(ArchiveError):
            add()
    archive.add_run(Run("r", "search", "d", "1"))
    with pytest.raises(ArchiveError, match="parents"):
        archive.add_member(Member("r", program.id, 0, parents=("unknown",)))
    with pytest.raises(ArchiveError, match="own parent"):
        archive.add_member(Member("r", program.id, 0, parents=(program.id,)))


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf])
def test_score_outside_0_to_1_is_refused(filled: Archive, score: float) -> None:
    with pytest.raises(ArchiveError, match="expected 0 to 1"):
        filled.add_rollout(Rollout(evaluation_of(filled, "direct").id, "new", score))


def test_add_all_is_one_transaction(archive: Archive) -> None:
    run = Run("r", "search", "d", "1")
    with pytest.raises(ArchiveError):
        archive.add_all([run, Program("x", "x"), Member("r", "unknown", 0)])
    assert archive.runs() == []
    assert archive.programs() == []


# The seal


def test_test_split_opens_once(filled: Archive) -> None:
    direct, repair, vote = (filled.program(name).id for name in ("direct", "repair", "vote"))
    first = filled.openings("r")[0]
    assert filled.open_split("r", "test", [repair, direct, direct]) == first
    for programs in ([direct], [direct, repair, vote], []):
        with pytest.raises(ArchiveError, match="opened once"):
            filled.open_split("r", "test", programs)
    filled.open_split("r", "search", [vote])
    filled.open_split("r", "search", [direct])
    assert len(filled.openings("r")) == 3


def test_test_evaluations_need_the_opening(filled: Archive) -> None:
    opened, sealed = (evaluation_of(filled, name) for name in ("direct", "vote"))
    filled.add_evaluation(replace(opened, split="test", id=""))
    with pytest.raises(ArchiveError, match="did not open"):
        filled.add_evaluation(replace(sealed, split="test", id=""))


# Reading


def test_program_by_id_name_or_beginning(filled: Archive) -> None:
    plan = filled.program("plan")
    assert filled.program(plan.id) == filled.program(plan.id[:12]) == plan
    filled.add_program(Program("y = 2", "plan"))
    with pytest.raises(ArchiveError, match=f"2 programs fit 'plan': .*{plan.id}"):
        filled.program("plan")
    with pytest.raises(ArchiveError, match="no program '%'"):
        filled.program("%")
    with pytest.raises(ArchiveError, match="no run 'x'"):
        filled.run("x")


def test_listings_filter(filled: Archive) -> None:
    filled.add_run(Run("other", "evaluate", "quiz", "v1"))
    assert [run.id for run in filled.runs()] == ["r", "other"]
    assert [*filled.programs("other"), *filled.members("other"), *filled.calls("other")] == []
    assert [program.name for program in filled.programs("r")] == ["direct", "vote", "plan", "repair"]
    assert filled.evaluations(split="test") == filled.evaluations(run="other") == []
    assert len(filled.evaluations(run="r", split="search")) == 4
    filled.set_run_state("other", "done")
    assert filled.run("oth").state == "done"


def test_spent_counts_uncached_calls_and_says_unknown_prices(filled: Archive) -> None:
    assert filled.spent("r") == (1, 100, 20, 0.5)
    filled.add_call(Call("r", "agent", "free", "k2", False, 1, 2, None, 0.0))
    assert filled.spent("r") == (2, 101, 22, None)
    filled.add_run(Run("empty", "search", "d", "1"))
    assert filled.spent("empty") == (0, 0, 0, 0.0)


def test_matrix_holds_the_scores(filled: Archive) -> None:
    direct, repair = evaluation_of(filled, "direct"), evaluation_of(filled, "repair")
    filled.add_rollout(Rollout(repair.id, "extra", 0.5))
    matrix = filled.matrix([repair, direct])
    assert matrix.tasks == ("extra", *(f"t{i}" for i in range(10)))
    assert matrix.scores[0] == (0.5, *(float(i < 8) for i in range(10)))
    assert matrix.scores[1] == (None, *(float(i < 2) for i in range(10)))
    assert matrix.row(direct.id) == {f"t{i}": float(i < 2) for i in range(10)}
    assert matrix.paired(repair.id, direct.id) == (
        [float(i < 8) for i in range(10)],
        [float(i < 2) for i in range(10)],
    )
    with pytest.raises(KeyError):
        matrix.row("unknown")


def test_matrix_refuses_what_does_not_compare(filled: Archive) -> None:
    direct = evaluation_of(filled, "direct")
    changed = replace(direct, scorer="another", id="")
    filled.add_evaluation(changed)
    with pytest.raises(ArchiveError, match="do not compare"):
        filled.matrix([direct, changed])


def test_best_ranks_by_the_lower_end(filled: Archive) -> None:
    lucky = filled.add_program(Program("lucky = 1", "lucky"))
    evaluation = Evaluation("r", lucky.id, "quiz", "v1", "search", "local/tiny", 7, "exact", 10)
    filled.add_evaluation(evaluation)
    filled.add_rollout(Rollout(evaluation.id, "t0", 1.0))
    ranked = filled.best(run="r", domain="quiz")
    assert [standing.name for standing in ranked] == ["repair", "plan", "lucky", "vote", "direct"]
    assert ranked == sorted(ranked, key=lambda s: -s.low)
    best = ranked[0]
    assert (best.n, best.mean, best.calls, best.prompt_tokens, best.completion_tokens) == (
        10,
        0.8,
        40,
        100,
        50,
    )
    assert best.cost_usd == pytest.approx(1.0)
    assert best.seconds == pytest.approx(20.0)
    assert ranked[2].cost_usd is None
    assert filled.best(limit=2) == ranked[:2]
    assert filled.best(split="selection") == filled.best(domain="unknown") == filled.best(run="unknown") == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=1, max_size=30))
def test_standing_equals_the_interval_of_its_scores(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float]
) -> None:
    with Archive(tmp_path_factory.mktemp("a") / "a.db") as archive:
        archive.add_run(Run("r", "search", "d", "1"))
        program = archive.add_program(Program("x", "x"))
        evaluation = Evaluation("r", program.id, "d", "1", "search", "m", 0, "s", len(scores))
        archive.add_evaluation(evaluation)
        for i, score in enumerate(scores):
            archive.add_rollout(Rollout(evaluation.id, str(i), score))
        (standing,) = archive.standings()
        expected = mean_interval(scores)
    assert (standing.mean, standing.low, standing.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), abs=1e-6
    )


# Strange strings


@settings(max_examples=30, deadline=None)
@example("\ud83d\ude00", "\ud83d\ude00\0", "\x1a")  # two halves of a character are not the character
@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters(), min_size=1))
def test_any_string_comes_back(tmp_path_factory: pytest.TempPathFactory, a: str, b: str, task: str) -> None:
    with Archive(tmp_path_factory.mktemp("a") / "a.db") as archive:
        archive.add_run(Run("r", "search", "d", "1", {b: a}))
        program = Program(a, b, a + b, created=1.0)
        assert archive.add_program(program) == program
        assert archive.program(program.id) == program
        evaluation = Evaluation("r", program.id, b, a, "search", "m", 0, "s", 1, created=1.0)
        archive.add_evaluation(evaluation)
        rollout = Rollout(
            evaluation.id, task, 1.0, a, b, a, trace=({a: [b, None, 1.5, {b: True}]},), created=1.0
        )
        archive.add_rollout(rollout)
        call = Call("r", a, b, a, False, 1, 2, None, 0.0, 1.0, b * 50, a * 50)
        archive.add_call(call)
        assert archive.evaluations(program=program.id) == [evaluation]
        assert archive.rollouts(evaluation.id) == [rollout]
        assert archive.calls("r") == [call]


def test_a_trace_that_is_not_json_fails_where_it_is_added(filled: Archive) -> None:
    with pytest.raises(TypeError):
        filled.add_rollout(Rollout(evaluation_of(filled, "direct").id, "new", 1.0, trace=({"x": object()},)))
    filled.flush()


# Buffer, threads, processes


def test_a_rollout_is_visible_at_once_and_stored_soon(filled: Archive) -> None:
    evaluation = evaluation_of(filled, "direct").id
    filled.flush()
    with Archive(filled.name) as other:
        filled.add_rollout(Rollout(evaluation, "new", 1.0))
        deadline = time.monotonic() + 20 * module.FLUSH_SECONDS
        while "new" not in {r.task for r in other.rollouts(evaluation)}:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    filled.add_rollout(Rollout(evaluation, "newer", 1.0))
    assert "newer" in {r.task for r in filled.rollouts(evaluation)}


def test_a_normal_exit_without_close_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    script = f"""
from archive import *
a = Archive({str(path)!r})
a.add_run(Run("r", "search", "d", "1"))
a.add_call(Call("r", "meta", "m", "k", False, 1, 1, None, 0.0))
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)
    with Archive(path) as archive:
        assert len(archive.calls("r")) == 1


def test_threads_lose_and_double_nothing(archive: Archive) -> None:
    archive.add_run(Run("r", "search", "d", "1"))
    evaluations = []
    for i in range(32):
        program = archive.add_program(Program(f"x = {i}", f"p{i}"))
        evaluations.append(Evaluation("r", program.id, "d", "1", "search", "m", 0, "s", 40))
        archive.add_evaluation(evaluations[-1])
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(40):  # two threads an evaluation, both with the same tasks
                evaluation = evaluations[number % 32].id
                archive.add_rollout(Rollout(evaluation, f"t{(i + number) % 40}", 1.0, trace=({"i": i},)))
                archive.add_call(Call("r", "agent", "m", "k", False, 1, 1, 0.0, 0.0))
                if i == 20 + number % 7:
                    assert f"t{(i + number) % 40}" in {r.task for r in archive.rollouts(evaluation)}
                    assert archive.best(limit=1)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(i,)) for i in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for evaluation in evaluations:
        assert sorted(r.task for r in archive.rollouts(evaluation.id)) == sorted(f"t{i}" for i in range(40))
    assert archive.spent("r").calls == 2560


def test_a_contradiction_from_another_process_is_said(filled: Archive) -> None:
    evaluation = evaluation_of(filled, "direct").id
    filled.flush()
    with Archive(filled.name) as other:
        filled.add_rollout(Rollout(evaluation, "new", 1.0))
        filled.add_rollout(Rollout(evaluation, "mine", 1.0))
        with sqlite3.connect(filled.name) as connection:  # before the buffer is written
            connection.execute(
                "INSERT INTO rollouts SELECT evaluation, 'new', 0.25, answer, failure, reason, calls, prompt_tokens, "
                "completion_tokens, cost_usd, seconds, cpu_seconds, trace, created FROM rollouts LIMIT 1"
            )
        connection.close()
        with pytest.raises(ArchiveError, match="another score"):
            filled.flush()
        assert {"new": 0.25, "mine": 1.0}.items() <= {
            r.task: r.score for r in other.rollouts(evaluation)
        }.items()


WRITER = """
import sys
from archive import *
archive = Archive(sys.argv[1])
archive.add_run(Run("r", "search", "d", "1"))
program = archive.add_program(Program("x", "x"))
evaluation = Evaluation("r", program.id, "d", "1", "search", "m", 0, "s", 3000)
archive.add_evaluation(evaluation)
for i in range(3000):
    archive.add_rollout(Rollout(evaluation.id, f"t{i}", i % 2, trace=({"text": "some words " * 30},)))
    if i % 100 == 99:
        archive.flush()
        print(i + 1, flush=True)
"""


def test_kill_9_loses_at_most_the_buffer(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for lines in (2, 5, 11):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            stored = [int(writer.stdout.readline()) for _ in range(lines)][-1]
            os.kill(writer.pid, signal.SIGKILL)
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        with Archive(path) as archive:
            assert len(archive.rollouts(archive.evaluations()[0].id)) >= stored
    subprocess.run([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, check=True, capture_output=True)
    with Archive(path) as archive:
        rollouts = archive.rollouts(archive.evaluations()[0].id)
    assert sorted(r.task for r in rollouts) == sorted(f"t{i}" for i in range(3000))


FULL_DISK = """
import os, subprocess, sys
from pathlib import Path
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(folder)], check=True)
from archive import *
ballast = folder / "ballast"
ballast.write_bytes(bytes(4_000_000))
archive = Archive(folder / "a.db")
archive.add_run(Run("r", "search", "d", "1"))
program = archive.add_program(Program("x", "x"))
evaluation = Evaluation("r", program.id, "d", "1", "search", "m", 0, "s", 9)
archive.add_evaluation(evaluation)
added, full = [], ""
for i in range(5000):
    try:
        archive.add_rollout(Rollout(evaluation.id, f"t{i}", 1.0, answer=os.urandom(200).hex()))
    except ArchiveError as error:
        full = str(error)
        break
    added.append(f"t{i}")
try:
    archive.flush()
except ArchiveError as error:
    print(error)
ballast.unlink()
archive.close()
with Archive(folder / "a.db") as archive:
    kept = {rollout.task for rollout in archive.rollouts(evaluation.id)}
print(full)
print(len(added) > 0, set(added) <= kept)
"""


def test_full_disk_is_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    inside = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run(
        [*inside, "mount", "-t", "tmpfs", "none", str(tmp_path)], capture_output=True
    ).returncode:
        pytest.skip("this machine lets no user mount a small file system")
    done = subprocess.run(
        [*inside, sys.executable, "-c", FULL_DISK, str(tmp_path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    again, first, kept = done.stdout.splitlines()
    for line in (again, first):
        assert line.endswith("a.db: the disk is full; free some space and resume (what was stored is safe)")
    assert kept == "True True"


# Opening


def test_opening_what_is_no_archive(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello " * 1000)
    with pytest.raises(ArchiveError, match="not an archive"):
        Archive(text)
    assert text.read_text() == "hello " * 1000
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(ArchiveError, match="not an archive"):
        Archive(foreign)
    with pytest.raises(ArchiveError, match=r"notes\.txt"):
        Archive(text / "below" / "a.db")
    with pytest.raises(ArchiveError):
        Archive(tmp_path)
    for url in ("sqlite://", ":memory:", "nonsense://x", "://", "oracle+nonsense://u:secret@h/x"):
        with pytest.raises(ArchiveError) as caught:
            Archive(url)
        assert "secret" not in str(caught.value)


def test_close_is_idempotent_and_context_closes(tmp_path: Path) -> None:
    with Archive(str(tmp_path / "deep" / "er" / "a.db")) as archive:
        archive.add_run(Run("r", "search", "d", "1"))
        archive.add_call(Call("r", "meta", "m", "k", False, 1, 1, None, 0.0))
    archive.close()
    assert sorted(p.name for p in (tmp_path / "deep" / "er").iterdir()) == ["a.db"]


def test_default_path_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAS_ARCHIVE", "/somewhere/else.db")
    assert default_path() == "/somewhere/else.db"
    monkeypatch.delenv("ADAS_ARCHIVE")
    assert default_path().endswith("adas/archive.db")


def test_the_package_is_light() -> None:
    script = "import sys, archive; archive.ArchiveError; print('sqlalchemy' in sys.modules, 'networkx' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_drops_and_alarms_are_kept_once_and_found_by_run_and_program(filled: Archive) -> None:
    first, second, *_ = filled.evaluations()
    drop = Drop(first.id, 8, -0.5, -0.8, -0.1, 0.05, "behind", 12)
    alarm = Alarm("r", "no calls", "solved without asking the model", first.program, "t0")
    for _ in range(2):
        filled.add_drop(drop)
        filled.add_alarm(alarm)
    assert [replace(d, created=0.0) for d in filled.drops("r", first.program)] == [drop]
    assert [replace(a, created=0.0) for a in filled.alarms("r", first.program)] == [alarm]
    assert filled.drops("r", second.program) == filled.alarms("r", second.program) == []
    assert filled.drops("x") == filled.alarms("x") == []
    with pytest.raises(ArchiveError, match="another tasks"):
        filled.add_drop(replace(drop, tasks=9))
    with pytest.raises(ArchiveError, match="not there"):
        filled.add_drop(replace(drop, evaluation="x"))


def test_remarks_are_all_kept_in_their_order(filled: Archive) -> None:
    program = filled.program("plan").id
    said = [Remark("r", program, kind, "good") for kind in ("tag", "untag", "tag")]
    for remark in said:
        filled.add_remark(remark)
    assert [replace(held, created=0.0) for held in filled.remarks("r", program)] == said
    assert filled.remarks("r", "x") == filled.remarks("x") == []
    with pytest.raises(ArchiveError, match="not there"):
        filled.add_remark(Remark("r", "x", "pin"))
