"""The copy of a repository that an agent searches, edits and tests."""

from __future__ import annotations

import ast
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from domains import Task
from domains.repository import RepositoryTests, repository_task
from meta_agent.agents import kit_source, load_agent
from meta_agent.agents.kit import edit_blocks, functions_in
from meta_agent.assistant.conversation import Meanings
from meta_agent.broker import Broker
from meta_agent.definitions import definitions
from meta_agent.llm import FREE, Backend, Gateway, ScriptedLLM
from meta_agent.repository import EditError, Repository
from sandboxes.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meta_agent.llm import Request
    from sandboxes import ProcessSandbox

SHAPES = '''
import math

def area(r): return math.pi * r ** 2

@decorated
@another(1)
class Shape(Base, metaclass=Meta):
    """A shape."""

    class Inner:
        def area(self) -> float:
            def local(): return 1
            return local()

    @property
    def name(self): return "shape"

    async def load(self, *paths: str, deep=False):
        return paths

if True:
    def late(): pass
'''
TESTS = """
from pkg.sums import add, twice

def test_add(): assert add(1, 2) == 3
def test_negative(): assert add(-1, 1) == 0
def test_twice(): assert twice(2) == 4
"""
SUMS = "def add(a, b):\n    return a - b\n\n\ndef twice(n):\n    return n * 2\n"
FILES = {
    "pkg/__init__.py": b"",
    "pkg/shapes.py": SHAPES.encode(),
    "pkg/sums.py": SUMS.encode(),
    "pkg/windows.py": b"x = 1\r\ny = 2\r\n",
    "tests/test_sums.py": TESTS.encode(),
    "broken.py": b"def (:\n",
    "logo.png": b"\x89PNG\0\1",
    "README.md": b"# Sums\nadd and twice",
}


@pytest.fixture
def repository(sandbox: ProcessSandbox) -> Repository:
    return Repository(Snapshot(FILES, left_outside={"vendored": "another repository (a submodule)"}), sandbox)


def test_an_index_of_nested_and_decorated_definitions() -> None:
    (rows, broken) = definitions([SHAPES, "def (:"])
    assert broken == []
    assert [row[:5] for row in rows] == [
        ["function", "area", "", 4, 4],
        ["class", "Shape", "", 6, 20],
        ["class", "Inner", "Shape", 11, 14],
        ["method", "area", "Shape.Inner", 12, 14],
        ["function", "local", "Shape.Inner.area", 13, 13],
        ["method", "name", "Shape", 16, 17],
        ["method", "load", "Shape", 19, 20],
        ["function", "late", "", 23, 23],
    ]
    assert rows[1][5] == "class Shape(Base, metaclass=Meta):"
    assert rows[3][5] == "def area(self) -> float:"
    assert rows[6][5] == "async def load(self, *paths: str, deep=False):"
    lines = SHAPES.split("\n")
    for kind, name, _, first, last, _signature in rows:
        (node,) = ast.parse(textwrap.dedent("\n".join(lines[first - 1 : last]))).body  # type: ignore[operator,misc]
        assert node.name == name, kind  # type: ignore[attr-defined]


def test_searching(repository: Repository) -> None:
    assert repository.search_class("Shape") == (
        "1 found for class 'Shape'.\n\npkg/shapes.py, lines 6-20\n```\nclass Shape(Base, metaclass=Meta):\n"
        "    def name(self):\n    async def load(self, *paths: str, deep=False):\n```"
    )
    found = repository.search_method("area")
    assert "2 found" in found
    assert "pkg/shapes.py, lines 12-14, in Shape.Inner\n```\n        def area(self) -> float:" in found
    assert "1 found" in repository.search_method("area", inside="Inner")
    assert repository.search_method("test_add") == "There is no method 'test_add'."
    assert "1 found" in repository.search_method("test_add", path="tests/test_sums.py")
    assert "README.md, lines 1-2" in repository.search_code("add and twice")
    assert repository.search_code("nowhere") == "Nothing holds 'nowhere'."
    assert repository.outline("pkg/sums.py") == "def add(a, b):\ndef twice(n):"
    assert (
        repository.around("pkg/sums.py", 2, 1)
        == "pkg/sums.py, lines 1-3\n```\ndef add(a, b):\n    return a - b\n\n```"
    )
    assert repository.read("pkg/sums.py", 5, 6) == "def twice(n):\n    return n * 2"
    assert "logo.png" not in repository.paths()


def test_many_places_are_named_only(sandbox: ProcessSandbox) -> None:
    files = {f"m{n}.py": b"def same():\n    pass\n" for n in range(6)}
    found = Repository(Snapshot(files), sandbox).search_method("same")
    assert found.count("```") == 6
    assert found.endswith("Also in: m3.py, line 1; m4.py, line 1; m5.py, line 1")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda r: r.read("nowhere.py"), "nowhere.py is not there"),
        (lambda r: r.read("other/sums.py"), "is it pkg/sums.py?"),
        (lambda r: r.read("logo.png"), "binary"),
        (lambda r: r.search_class("a b"), "no name"),
        (lambda r: r.around("pkg/sums.py", 99), "there is no line 99"),
        (lambda r: r.search_code(" "), "needs some text"),
    ],
)
def test_what_is_not_there_is_told(
    repository: Repository, ask: Callable[[Repository], Any], words: str
) -> None:
    with pytest.raises(EditError, match=words):
        ask(repository)


def test_an_edit_changes_what_it_names_and_no_other_byte(repository: Repository) -> None:
    repository.edit("pkg/sums.py", "    return a - b\n", "    return a + b\n")
    repository.edit("pkg/windows.py", "y = 2\n", "y = 3\nz = 4\n")
    repository.edit("README.md", "add and twice\n", "more\n")
    repository.edit("new/file.txt", "", "hello\n")
    files = repository.current.files
    assert files["pkg/sums.py"] == SUMS.replace("a - b", "a + b").encode()
    assert files["pkg/windows.py"] == b"x = 1\r\ny = 3\r\nz = 4\r\n"
    assert files["README.md"] == b"# Sums\nmore"
    assert repository.base.files == FILES
    patch = repository.patch()
    assert "-    return a - b\n+    return a + b\n" in patch
    assert "--- /dev/null\n+++ b/new/file.txt" in patch
    repository.reset()
    assert repository.patch() == ""


@pytest.mark.parametrize(
    ("path", "search", "words"),
    [
        ("pkg/sums.py", "    return a -  b\n", "not there: copy it from the file"),
        ("pkg/sums.py", "\treturn a - b", "differs from the file, which has there:\n    return a - b"),
        ("pkg/sums.py", "return", "2 times"),
        ("nowhere.py", "x", "not there"),
        ("logo.png", "P", "binary"),
        ("pkg/sums.py", "", "is there already"),
        ("../evil", "", "leads elsewhere"),
        ("/etc/passwd", "", "leads elsewhere"),
        (".git/hooks/pre-commit", "", "ignored"),
        ("vendored/x.py", "", "another repository"),
        (".env", "", "secrets"),
        ("README.md/x", "", "through a file"),
    ],
)
def test_an_edit_that_does_not_match_is_refused(
    repository: Repository, path: str, search: str, words: str
) -> None:
    with pytest.raises(EditError, match=words):
        repository.edit(path, search, "x")
    assert repository.patch() == ""


def test_an_edit_that_changes_nothing_is_refused(repository: Repository) -> None:
    with pytest.raises(EditError, match="the same as before"):
        repository.edit("pkg/windows.py", "y = 2\n", "y = 2\n")
    with pytest.raises(EditError, match="twice is the same as before"):
        repository.rewrite("twice", "\ndef twice(n):\n    return n * 2\n\n")
    assert repository.patch() == ""


def test_a_function_is_rewritten_where_it_stands(repository: Repository) -> None:
    repository.rewrite("add", "def add(a, b):\n    # more\n    return a + b\n\n")
    assert repository.read("pkg/sums.py") == SUMS.replace("    return a - b", "    # more\n    return a + b")
    repository.rewrite("Inner.area", "def area(self):\n    return 1.0", "pkg/shapes.py")
    repository.rewrite("Shape.name", '@property\ndef name(self): return "form"')
    shapes = repository.read("pkg/shapes.py")
    assert "class Inner:\n        def area(self):\n            return 1.0\n\n" in shapes
    assert '    @property\n    def name(self): return "form"\n' in shapes
    repository.rewrite("area", "def area(r): return 3 * r * r", "pkg/shapes.py")
    assert "\ndef area(r): return 3 * r * r\n" in repository.read("pkg/shapes.py")
    assert ast.parse(repository.read("pkg/shapes.py"))


def test_line_ends_of_a_rewritten_function_are_those_of_its_file(repository: Repository) -> None:
    repository.edit("new.py", "", "def f():\r\n    return 1\r\nx = 2\r\n")
    repository.rewrite("f", "def f():\n    return 2\n")
    assert repository.current.files["new.py"] == b"def f():\r\n    return 2\r\nx = 2\r\n"


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("missing", "", "no function missing to rewrite"),
        ("Other.area", "", "no function Other.area to rewrite"),
        ("test_add", "", "no function test_add to rewrite"),
        ("a b", "", "no name"),
        ("add", "nowhere.py", "not there"),
    ],
)
def test_a_function_that_is_not_there_once_is_not_rewritten(
    repository: Repository, name: str, path: str, words: str
) -> None:
    with pytest.raises(EditError, match=words):
        repository.rewrite(name, "def f(): pass", path)
    assert repository.patch() == ""


def test_tests_run_on_the_copy_and_lead_to_the_bug(repository: Repository) -> None:
    found, run = repository.suspects()
    assert run.named("failed") == ["tests/test_sums.py::test_add", "tests/test_sums.py::test_negative"]
    assert [(one.definition.path, one.definition.title) for one in found] == [("pkg/sums.py", "add")]
    assert found[0].score == pytest.approx(1.0)
    repository.edit("pkg/sums.py", "a - b", "a + b")
    assert repository.test().passed
    assert repository.cpu_s > 0


REPLY = """The sign is wrong.

`pkg/sums.py`
```python
<<<<<<< SEARCH
    return a - b
=======
    return a + b
>>>>>>> REPLACE
```
And a note:
NOTES.md
<<<<<<< SEARCH
=======
Fixed.
>>>>>>> REPLACE

Answer: done
"""


def test_edit_blocks_are_read() -> None:
    assert edit_blocks(REPLY) == [
        ("pkg/sums.py", "    return a - b\n", "    return a + b\n"),
        ("NOTES.md", "", "Fixed.\n"),
    ]
    twice = (
        "a.py\n<<<<<<< SEARCH\n1\n=======\n2\n>>>>>>> REPLACE\n<<<<<<< SEARCH\n3\n=======\n>>>>>>> REPLACE"
    )
    assert edit_blocks(twice) == [("a.py", "1\n", "2\n"), ("a.py", "3\n", "")]
    assert edit_blocks("nothing") == []


def test_functions_of_a_reply_are_read() -> None:
    reply = (
        "It was:\n```python\ndef f(x):\n    return x\n```\nNow:\n```python\nimport math\n\n@cached\ndef f(x):\n"
        "    return -x\n\nclass A:\n    y = 1\n    async def g(self): pass\n```\n```\n$ python f.py\n```\n"
        "```python\ndef cut(x):\n    return (x"
    )
    assert functions_in(reply) == {
        "f": "@cached\ndef f(x):\n    return -x",
        "A.g": "    async def g(self): pass",
    }
    assert functions_in("def f(): pass") == {}


@pytest.fixture
def work(sandbox: ProcessSandbox) -> Iterator[Callable[..., tuple[Any, Broker]]]:
    """Return what runs a program on the repository."""
    gateways = []

    def run(program: str, reply: Callable[[Request], str] = lambda _: REPLY) -> tuple[Any, Broker]:
        gateway = Gateway(lambda _: Backend(ScriptedLLM(reply), None, FREE))
        gateways.append(gateway)
        snapshot = Snapshot(FILES)
        task = repository_task("t", "add subtracts", snapshot)
        broker = Broker(
            task=task,
            domain=Meanings(),
            gateway=gateway,
            sandbox=sandbox,
            model="m",
            repository=Repository(snapshot, sandbox),
        )
        return sandbox.session(program, task.public(), broker, kit=kit_source()), broker

    yield run
    for gateway in gateways:
        gateway.close()


def test_the_kit_reaches_the_repository(work: Callable[..., tuple[Any, Broker]]) -> None:
    program = """
def forward(task, kit):
    repo = kit.repo
    seen = [repo.paths(), repo.read("pkg/sums.py", 1, 2), repo.outline("pkg/sums.py"), repo.search_class("Shape")[:7],
            repo.search_method("add", path="pkg/sums.py")[:7], repo.search_code("math.pi")[:7], repo.around("README.md", 1, 0)]
    before = repo.test()
    suspect = repo.suspects()[0]
    repo.edit(suspect.path, suspect.code, suspect.code.replace("-", "+"))
    after = repo.test(before.failed)
    return [seen, before.passed, before.failed, suspect.name, suspect.score, after.passed, after.score, repo.patch()]
"""
    outcome, broker = work(program)
    assert outcome.ok, outcome.error
    seen, *rest, patch = outcome.value
    assert seen[1:] == [
        "def add(a, b):\n    return a - b",
        "def add(a, b):\ndef twice(n):",
        "1 found",
        "1 found",
        "1 lines",
        "README.md, lines 1-1\n```\n# Sums\n```",
    ]
    failed = ["tests/test_sums.py::test_add", "tests/test_sums.py::test_negative"]
    assert rest == [False, failed, "add", 1.0, True, 1.0]
    assert patch == broker.repository.patch()  # type: ignore[union-attr]
    assert [step["do"] for step in broker.trace][-5:] == ["test", "suspects", "edit", "test", "patch"]


def test_refusals_are_told_to_the_program(work: Callable[..., tuple[Any, Broker]]) -> None:
    program = """
def forward(task, kit):
    said = [kit.repo.apply("nothing"), kit.repo.apply("x.py\\n<<<<<<< SEARCH\\n1\\n=======\\n2\\n>>>>>>> REPLACE")]
    for ask in (lambda: kit.repo.read("x.py"), lambda: kit._ask("repo", do="nonsense"), lambda: kit._call({"op": "repo", "do": [1], "self": 2})["error"],
                lambda: kit._ask("repo", do="read", path=7), lambda: kit._ask("repo", do="around", path="README.md", line=-1)):
        try: said.append(str(ask()))
        except Exception as error: said.append(str(error))
    return said
"""
    outcome, _ = work(program)
    assert outcome.ok, outcome.error
    expected = ["no edit of the form", "x.py is not there", "x.py is not there", "expected one of", "expected one of",
                "path: expected text", "line: expected a number"]  # fmt: skip
    assert all(words in said for words, said in zip(expected, outcome.value, strict=True)), outcome.value


def test_functions_of_a_reply_take_the_place_of_the_old_ones(
    work: Callable[..., tuple[Any, Broker]],
) -> None:
    reply = (
        "The sign.\n```python\ndef add(a, b):\n    return a + b\n\ndef helper():\n    pass\n```\n"
        "README.md\n<<<<<<< SEARCH\nadd and twice\n=======\nadd, twice\n>>>>>>> REPLACE\n"
    )
    program = """
def forward(task, kit):
    return [kit.repo.apply(kit.llm("?")), kit.extract(kit.llm("?"))]
"""
    outcome, broker = work(program, lambda _: reply)
    assert outcome.ok, outcome.error
    refused, patch = outcome.value
    assert refused == "there is no function helper to rewrite: add it with an edit"
    assert "-    return a - b\n+    return a + b\n" in patch
    assert "+add, twice\n" in patch
    assert patch == broker.repository.patch()  # type: ignore[union-attr]
    assert broker.repository.refused == [refused]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["direct", "chain_of_thought", "self_consistency", "self_refine", "step_back", "roles"]
)
def test_agents_that_know_nothing_of_repositories_make_patches(
    work: Callable[..., tuple[Any, Broker]], sandbox: ProcessSandbox, name: str
) -> None:
    outcome, broker = work(load_agent(name).source)
    assert outcome.ok, outcome.error
    assert outcome.value.startswith("diff --git ")
    asked = [str(step["prompt"]) for step in broker.trace if step["op"] == "llm"]
    assert any("pkg/sums.py\n```\ndef add" in prompt and "<<<<<<< SEARCH" in prompt for prompt in asked)


def test_a_task_without_a_repository_says_so(sandbox: ProcessSandbox) -> None:
    task = Task("t", "p", "code")
    broker = Broker(task=task, domain=Meanings(), gateway=None, sandbox=sandbox, model="m")  # type: ignore[arg-type]
    assert "no repository" in str(broker({"op": "repo", "do": "paths"})["error"])


def test_equal_patches_mean_the_same() -> None:
    assert RepositoryTests.key("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b \n") == "--- a/f\n+++ b/f\n-a\n+b"
