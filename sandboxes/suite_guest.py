"""The side of a test run that is in the sandbox: finds the repository's tests, runs them, tells of each as it ends.

Loaded there as the kit of a session in a workspace. pytest runs the tests where it can be imported, which takes an
environment that has it; elsewhere unittest's cases and plain functions ``test*`` without parameters are run.
Standard library only.
"""

# ruff: noqa: BLE001, N802, N815, S307
# It runs untrusted code, inside the jail; unittest and pytest name their own methods.

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import linecache
import os
import signal
import sys
import threading
import traceback
import unittest
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[[dict[str, Any]], dict[str, Any]]

_MESSAGE = 1500
_COMPARED = 400
_LINES = 20_000
"""Covered lines that are told of one test."""
_SLOW = 3
"""So many tests that take too long end the run."""


class _OvertimeError(BaseException):
    """A test has used its processor time."""


class _EnoughError(BaseException):
    """Too many tests took too long."""


def build(task: dict[str, Any], call: Call) -> tuple[dict[str, Any], Callable[[], Any]]:
    """Return the task and what to call to run the tests."""
    return task, lambda: _Run(task, call).run()


class _Run:
    def __init__(self, task: dict[str, Any], call: Call) -> None:
        self.place = str(Path.cwd())
        self.select: list[str] = task["select"]
        self.coverage: bool = task["coverage"]
        self.seconds: float = task["seconds"]
        self.call = call
        self.slow = 0

    def run(self) -> dict[str, Any]:
        """Run the tests; return which runner did."""
        sys.dont_write_bytecode = True
        signal.signal(signal.SIGVTALRM, _overtime)
        for folder in ("src", "lib"):
            if Path(folder).is_dir():
                sys.path.insert(1, str(Path(folder).absolute()))
        try:
            import pytest
        except ImportError:
            return self._plainly()
        return _with_pytest(self, pytest)

    def tell(
        self, test: str, outcome: str, message: str = "", lines: dict[str, list[int]] | None = None
    ) -> None:
        """Tell the host of one test."""
        self.call({"test": test, "outcome": outcome, "message": message[-_MESSAGE:], "lines": lines or {}})

    @contextlib.contextmanager
    def watching(self, lines: dict[str, set[int]]) -> Iterator[None]:
        """Note the lines of the repository that run, and stop what takes too long."""
        trace = _tracer(self.place, lines) if self.coverage else None
        signal.setitimer(signal.ITIMER_VIRTUAL, self.seconds)
        try:
            if trace:
                threading.settrace(trace)
                sys.settrace(trace)
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def one(self, test: str, function: Callable[[], Any]) -> None:
        """Run a plain function as a test."""
        lines: dict[str, set[int]] = {}
        ended = _Ended()
        try:
            with self.watching(lines):
                function()
        except BaseException:
            ended.take(sys.exc_info(), self)
        self.end(test, ended, lines)

    def end(self, test: str, ended: _Ended, lines: dict[str, set[int]]) -> None:
        """Tell of a test that has ended; raises :class:`_EnoughError` when too many took too long."""
        self.tell(test, ended.outcome, ended.message, _bounded(lines))
        self.slow += ended.slow
        if self.slow >= _SLOW:
            raise _EnoughError

    def wants(self, test: str) -> bool:
        """Return whether a test was selected."""
        return not self.select or any(test == one or test.startswith(f"{one}::") for one in self.select)

    def explain(self, raised: Any) -> str:
        """Return the traceback of an exception, with the repository's own frames only."""
        kind, error, trace = raised
        try:
            frames = [f for f in traceback.extract_tb(trace) if f.filename.startswith(self.place)]
            for frame in frames:
                frame.filename = os.path.relpath(frame.filename, self.place)
            shown = traceback.format_list(frames[-3:]) + traceback.format_exception_only(kind, error)
            return "".join([*shown, self._compared(error, trace)]).rstrip()
        except BaseException:
            return "an exception that cannot be shown"

    def _compared(self, error: Any, trace: Any) -> str:
        """Return what the left side of a failed comparison was, as pytest would tell; it is evaluated once more."""
        if not isinstance(error, AssertionError) or error.args:
            return ""
        while trace.tb_next:
            trace = trace.tb_next
        frame = trace.tb_frame
        try:
            (node,) = ast.parse(linecache.getline(frame.f_code.co_filename, trace.tb_lineno).strip()).body
            if not isinstance(node, ast.Assert) or not isinstance(node.test, ast.Compare):
                return ""
            left = ast.unparse(node.test.left)
            with self.watching({}):
                return f"{left} is {eval(left, frame.f_globals, frame.f_locals)!r}"[:_COMPARED]
        except BaseException:
            return ""

    def _plainly(self) -> dict[str, Any]:
        files = sorted({name.partition("::")[0] for name in self.select}) or _test_files()
        with contextlib.suppress(_EnoughError):
            for file in files:
                self._file(file)
        return {"runner": "unittest", "cut": self.slow >= _SLOW}

    def _file(self, file: str) -> None:
        try:
            with self.watching({}):
                module = _import(file)
        except BaseException:
            self.tell(file, "failed", f"cannot be imported:\n{self.explain(sys.exc_info())}")
            return
        for name, value in list(vars(module).items()):
            if inspect.isclass(value) and issubclass(value, unittest.TestCase):
                cases = unittest.defaultTestLoader.loadTestsFromTestCase(value)
                result = _Result(self, f"{file}::{name}")
                unittest.TestSuite(case for case in cases if self.wants(result.name_of(case))).run(result)
            elif (
                inspect.isfunction(value) and name.startswith("test") and value.__module__ == module.__name__
            ):
                needed = [
                    p.name for p in inspect.signature(value).parameters.values() if p.default is p.empty
                ]
                if self.wants(f"{file}::{name}"):
                    self.one(f"{file}::{name}", _needs(needed) if needed else value)


class _Ended:
    """How a test ended."""

    def __init__(self) -> None:
        self.outcome, self.message, self.slow = "passed", "", 0

    def take(self, raised: Any, run: _Run) -> None:
        """Take note of what was raised."""
        kind, error, _ = raised
        if issubclass(kind, unittest.SkipTest):
            self.outcome, self.message = "skipped", str(error)
        elif issubclass(kind, _OvertimeError):
            self.outcome, self.message = "failed", f"stopped: more than {run.seconds:g} s of processor time"
            self.slow = 1
        else:
            self.outcome, self.message = "failed", run.explain(raised)


class _Result(unittest.TestResult):
    """Tells of the cases of a class, and watches them."""

    def __init__(self, run: _Run, prefix: str) -> None:
        super().__init__()
        self._run = run
        self._prefix = prefix
        self._ended = _Ended()
        self._lines: dict[str, set[int]] = {}
        self._watch: Any = None

    def name_of(self, case: Any) -> str:
        """Return the name under which a case is told."""
        return f"{self._prefix}::{getattr(case, '_testMethodName', str(case))}"

    def startTest(self, test: Any) -> None:
        self._ended, self._lines = _Ended(), {}
        self._watch = self._run.watching(self._lines)
        self._watch.__enter__()

    def stopTest(self, test: Any) -> None:
        self._watch.__exit__(None, None, None)
        self._watch = None
        self._run.end(self.name_of(test), self._ended, self._lines)

    def addError(self, test: Any, err: Any) -> None:
        self._ended.take(err, self._run)
        if self._watch is None:  # what the whole class needs has failed
            self._run.tell(self._prefix, self._ended.outcome, self._ended.message)

    addFailure = addError

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self._ended.take(err, self._run)

    def addSkip(self, test: Any, reason: str) -> None:
        self._ended.outcome, self._ended.message = "skipped", reason

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        """Count as passed."""

    def addUnexpectedSuccess(self, test: Any) -> None:
        self._ended.outcome, self._ended.message = "failed", "it passes, and was expected to fail"


def _overtime(*_: object) -> None:
    raise _OvertimeError


def _test_files() -> list[str]:
    found = []
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(folder, name).as_posix()
            for name in sorted(names)
            if fnmatch(name, "test_*.py") or fnmatch(name, "*_test.py")
        ]
    return found


def _import(file: str) -> Any:
    """Import a file as pytest does: as part of its package, whose parent folder goes on the path."""
    path = Path(file)
    parts, folder = [path.stem], path.absolute().parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    name = ".".join(parts)
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def _needs(fixtures: list[str]) -> Callable[[], None]:
    def run() -> None:
        raise unittest.SkipTest(f"needs pytest, for {', '.join(fixtures)}")

    return run


def _tracer(place: str, lines: dict[str, set[int]]) -> Any:
    """Return a trace function that notes the lines of files below a folder, those of tests excepted."""
    known: dict[str, set[int] | None] = {}

    def enter(frame: Any, event: str, _argument: Any) -> Any:
        if event != "call":
            return None
        file = frame.f_code.co_filename
        if file not in known:
            name = os.path.relpath(file, place) if file.startswith(place) else ""
            known[file] = lines.setdefault(name, set()) if name and not _is_test(name) else None
        seen = known[file]
        if seen is None:
            return None
        seen.add(frame.f_lineno)

        def step(frame: Any, event: str, _argument: Any) -> Any:
            if event == "line":
                seen.add(frame.f_lineno)
            return step

        return step

    return enter


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return fnmatch(name, "test_*.py") or fnmatch(name, "*_test.py") or name == "conftest.py"


def _bounded(lines: dict[str, set[int]]) -> dict[str, list[int]]:
    told: dict[str, list[int]] = {}
    left = _LINES
    for path, numbers in lines.items():
        told[path] = sorted(numbers)[:left]
        left -= len(told[path])
    return {path: numbers for path, numbers in told.items() if numbers}


def _with_pytest(run: _Run, pytest: Any) -> dict[str, Any]:
    class Plugin:
        """Tells of each test, and watches it."""

        def __init__(self) -> None:
            self.lines: dict[str, set[int]] = {}

        @pytest.hookimpl(wrapper=True)  # type: ignore[untyped-decorator]
        def pytest_runtest_call(self, item: Any) -> Any:
            self.lines = {}
            try:
                with run.watching(self.lines):
                    return (yield)
            except _OvertimeError:
                run.slow += 1
                pytest.fail(f"stopped: more than {run.seconds:g} s of processor time", pytrace=False)

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when == "call" or not report.passed:
                outcome = "passed" if report.passed else "skipped" if report.skipped else "failed"
                message = "" if report.passed else str(report.longreprtext)
                run.tell(report.nodeid, outcome, message, _bounded(self.lines))
            if report.when == "teardown" and run.slow >= _SLOW:
                pytest.exit("too many tests took too long")

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                run.tell(report.nodeid, "failed", f"cannot be imported:\n{report.longreprtext}")

    options = ["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--tb=short", "-o", "addopts=",
               "--continue-on-collection-errors", "--rootdir", run.place]  # fmt: skip
    code = int(pytest.main([*options, *run.select], plugins=[Plugin()]))
    return {"runner": "pytest", "cut": run.slow >= _SLOW, "code": code}
