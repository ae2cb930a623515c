"""A user's own file: good rows work, broken ones are named by file, line and reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from domains import Domain, DomainError, load_domain
from domains.splits import NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from sandboxes import ProcessSandbox

CAPITALS = [
    {"prompt": f"Capital of {country}?", "answer": city}
    for country, city in (("France", "Paris"), ("Italy", "Rome"), ("Japan", "Tokyo"), ("Peru", "Lima"))
]
DOUBLE = {"prompt": "Write double(n).", "tests": ["assert double(2) == 4", "assert double(-1) == -2"]}


def write(path: Path, rows: list) -> str:
    path.write_text(
        "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8"
    )
    return str(path)


def tasks_of(domain: Domain) -> list:
    return [task for name in NAMES for task in domain.tasks(name)]


def test_answers(tmp_path: Path) -> None:
    rows = [
        *CAPITALS,
        {"id": 7, "prompt": "2 + 2?", "answer": 4},
        {"id": "x", "prompt": "Price?", "answer": "1,200"},
    ]
    domain = load_domain(write(tmp_path / "mine.jsonl", rows))
    tasks = {task.prompt: task for task in tasks_of(domain)}
    assert len(tasks) == 6
    assert [len(domain.tasks(name)) for name in NAMES] == [2, 1, 3]
    assert tasks["2 + 2?"].id == "7"
    assert tasks["Capital of Peru?"].id == "mine/4"
    assert domain.score(tasks["Capital of Peru?"], "lima.", None).value == 1
    assert domain.score(tasks["Capital of Peru?"], "Cusco", None).value == 0
    assert domain.score(tasks["2 + 2?"], "It is 4.0", None).value == 1
    assert domain.score(tasks["Price?"], "$1200", None).value == 1
    assert "answer" in domain.description
    assert "Python" not in domain.description


def test_metadata_reaches_the_agent(tmp_path: Path) -> None:
    extra = {"examples": [{"input": "Capital of Chad?", "output": "N'Djamena"}]}
    rows = [{**CAPITALS[0], "metadata": extra}, {**DOUBLE, "metadata": {"environment": "x = 1"}}, CAPITALS[1]]
    shown = {
        task.prompt: task.public()["metadata"]
        for task in tasks_of(load_domain(write(tmp_path / "m.jsonl", rows)))
    }
    assert shown == {
        "Capital of France?": extra,
        "Write double(n).": {"environment": "x = 1"},
        "Capital of Italy?": {},
    }
    with pytest.raises(DomainError, match="line 1: 'metadata' must be an object, not 3"):
        load_domain(write(tmp_path / "m.jsonl", [{**DOUBLE, "metadata": 3}, *CAPITALS]))


def test_code(tmp_path: Path, sandbox: ProcessSandbox) -> None:
    rows = [
        DOUBLE,
        {
            "prompt": "Write area(r).",
            "tests": "assert math.isclose(area(1), math.pi)",
            "setup": "import math",
            "visible_tests": ["assert area(0) == 0"],
        },
        {"prompt": "Write a Stack and a Queue.", "tests": ["assert Stack() is not Queue()"]},
        {"prompt": "Write f.", "entry_point": "f", "tests": ["def case(x):\n    assert f(x) == x\ncase(3)"]},
    ]
    domain = load_domain(write(tmp_path / "mine.jsonl", rows))
    tasks = {task.prompt: task for task in tasks_of(domain)}
    assert {task.entry_point for task in tasks.values()} == {"double", "area", "", "f"}
    assert tasks["Write area(r)."].visible_tests == ("assert area(0) == 0",)
    assert tasks["Write double(n)."].visible_tests == ()
    right = {
        "Write double(n).": "def double(n): return 2 * n",
        "Write area(r).": "def area(r): return 3.141592653589793 * r * r",
        "Write a Stack and a Queue.": "class Stack: pass\nclass Queue: pass",
        "Write f.": "f = lambda x: x",
    }
    for prompt, code in right.items():
        assert domain.score(tasks[prompt], code, sandbox).value == 1
        assert domain.score(tasks[prompt], "x = 1", sandbox).value == 0
    assert domain.key("x = 1 # one") == domain.key("x=1")


def test_both_kinds_in_one_file(tmp_path: Path, sandbox: ProcessSandbox) -> None:
    domain = load_domain(write(tmp_path / "mine.jsonl", [*CAPITALS, DOUBLE]))
    kinds = {task.prompt: task.kind for task in tasks_of(domain)}
    assert kinds["Write double(n)."] == "code"
    assert kinds["Capital of Peru?"] == "answer"
    assert domain.key("Lima.") == domain.key("lima")
    assert domain.key("def f(): pass  # x") == domain.key("def f(): pass")


def test_the_version_is_that_of_the_content(tmp_path: Path) -> None:
    one = load_domain(write(tmp_path / "one.jsonl", CAPITALS))
    (tmp_path / "sub").mkdir()
    same = load_domain(write(tmp_path / "sub/one.jsonl", ["", *CAPITALS[:2], *CAPITALS[2:]][1:]))
    other = load_domain(
        write(tmp_path / "sub/two.jsonl", [*CAPITALS[:3], {"prompt": "Capital of Peru?", "answer": "Cusco"}])
    )
    assert one.version == same.version != other.version


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"prompt": "a", ', "not JSON: Expecting"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "expected a JSON object"),
        ({"answer": "x"}, "'prompt' is missing or empty"),
        ({"prompt": "  ", "answer": "x"}, "'prompt' is missing or empty"),
        ({"prompt": 3, "answer": "x"}, "'prompt' must be a text, not 3"),
        ({"prompt": "p"}, "give either 'answer' or 'tests'"),
        ({"prompt": "p", "answer": "x", "tests": ["assert f()"]}, "give either 'answer' or 'tests'"),
        ({"prompt": "p", "answer": None}, "'answer' must be a text, a number or a truth value, not null"),
        ({"prompt": "p", "answer": ""}, "'answer' must be a text"),
        ({"prompt": "p", "answer": "x", "setup": "y = 1"}, "'setup' belongs to rows with 'tests'"),
        ({"prompt": "p", "tests": []}, "'tests' holds no test"),
        ({"prompt": "p", "tests": [" "]}, "'tests' holds no test"),
        ({"prompt": "p", "tests": [1]}, "'tests' must be a list of texts or one text"),
        ({"prompt": "p", "tests": ["assert f( == 2"]}, "'tests' is not Python"),
        (
            {"prompt": "p", "tests": ["assert f()"], "visible_tests": "assert ("},
            "'visible_tests' is not Python",
        ),
        ({"prompt": "p", "tests": ["assert f()"], "setup": "import"}, "'setup' is not Python"),
        (
            {"prompt": "p", "tests": ["assert f()"], "entry_point": "f()"},
            "'entry_point' must be the name of a function",
        ),
        ({"prompt": "p", "answer": "x", "id": None}, "'id' must be a text or a number, not null"),
        ({"prompt": "p", "answer": "x", "promt": "y"}, "unknown key 'promt'"),
        ({"prompt": "Capital of Italy?", "answer": "x"}, "the prompt is that of line 2"),
        ({"id": "mine/3", "prompt": "p", "answer": "x"}, "the id is that of line 3"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, row: object, reason: str) -> None:
    path = write(tmp_path / "mine.jsonl", [*CAPITALS, "", row])
    with pytest.raises(DomainError) as caught:
        load_domain(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 6: {reason}")
    assert "\n" not in message
    assert len(message) < 300 + len(path)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="no such file"):
        load_domain(str(tmp_path / "none.jsonl"))
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(DomainError, match="cannot be read"):
        load_domain(str(tmp_path / "folder.jsonl"))
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DomainError, match="cannot be read"):
        load_domain(str(tmp_path / "bytes.jsonl"))
    for rows in ([], CAPITALS[:2]):
        with pytest.raises(DomainError, match="expected at least 3 rows, one for each split"):
            load_domain(write(tmp_path / "small.jsonl", rows))
    with pytest.raises(DomainError, match=r"too few tasks: asked for search 9, there are 4"):
        load_domain(write(tmp_path / "mine.jsonl", CAPITALS), sizes={"search": 9})


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, CAPITALS)).encode())
    assert len(tasks_of(load_domain(str(path)))) == 4
