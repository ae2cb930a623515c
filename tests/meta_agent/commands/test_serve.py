"""`adas serve` and `adas deploy` as a user meets them: processes, folders, an environment of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from archive import Archive
from tests.meta_agent.rehearsal import write_tasks
from tests.meta_agent.test_cli import ROOT, SMALL, adas, environment
from tests.sandboxes.contract import descendants, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AGENT = "scripted:tests.meta_agent.rehearsal:agent"
QUESTIONS = (
    "Write `plus_4(x)`:\ndef plus_4(x):\n    '''Add 4.\n\n    >>> plus_4(1)\n    5\n    '''",
    "Complete:\ndef plus_11(x):\n    '''Add 11 to x.'''",
    "What is 1?",
)


@contextmanager
def served(
    folder: Path,
    *arguments: str,
    command: Sequence[str] = (sys.executable, "-m", "meta_agent", "serve"),
    **more: Any,
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    settings = {"env": environment(folder), "cwd": ROOT, **more}
    process = subprocess.Popen(
        [*command, *arguments, "--port", "0"], stderr=subprocess.PIPE, text=True, **settings
    )
    try:
        said = ""
        assert process.stderr
        for line in process.stderr:
            said += line
            if found := re.search(r"Serving .* on (http://\S+)/v1", line):
                yield found[1], process
                break
        else:
            raise AssertionError(said)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def answers(url: str, model: str = "adas/best", **more: Any) -> list[str]:
    return [
        httpx.post(
            f"{url}/v1/chat/completions",
            json={"model": model, "seed": seed, "messages": [{"role": "user", "content": question}]},
            timeout=60,
            **more,
        ).json()["choices"][0]["message"]["content"]
        for question in QUESTIONS
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive of a small search."""
    folder = tmp_path_factory.mktemp("searched")
    tasks = write_tasks(folder / "plus.jsonl")
    done = adas(folder, "search", str(tasks), "--preset", "smoke", "--json", *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_measured_agent_is_served_until_a_signal(searched: Path, number: signal.Signals) -> None:
    with served(searched) as (url, process):
        models = httpx.get(f"{url}/v1/models").json()["data"]
        assert models[0]["id"] == "adas/best"
        assert {"adas/direct", "adas/self-consistency"} <= {model["id"] for model in models}
        assert models[0]["adas"]["measured"]["split"] == "test"
        assert len({model["adas"]["program"] for model in models}) == len(models) - 1
        assert "def plus_4(x):" in answers(url)[0]
        family = descendants(process.pid)
        assert family
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))


def test_one_agent_with_a_key_and_traces(searched: Path, tmp_path: Path) -> None:
    token = "the-key-of-this-test"
    variables = {**environment(searched), "ADAS_SERVE_KEY": token}
    header = {"Authorization": f"Bearer {token}"}
    with served(searched, "direct", "--model", AGENT, "--traces", str(tmp_path / "t"), env=variables) as (
        url,
        _,
    ):
        assert httpx.get(f"{url}/v1/models").status_code == 401
        listed = httpx.get(f"{url}/v1/models", headers=header).json()["data"]
        assert [model["id"] for model in listed] == ["adas/best", "adas/direct"]
        answers(url, headers=header)
    assert len((tmp_path / "t/traces.jsonl").read_text().splitlines()) == 6
    assert token not in (tmp_path / "t/traces.jsonl").read_text()
    assert [
        json.loads(line)["entry_point"] for line in (tmp_path / "t/tasks.jsonl").read_text().splitlines()
    ] == ["plus_4"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody",), "unknown agent 'nobody'"),
        ((), "no best agent"),
        (("direct", "--host", "0.0.0.0", "--model", AGENT), "can be reached by others"),
        (("direct", "--model", "local/nothing"), "local/nothing"),
        (("direct", "--keys", "nowhere.toml"), "cannot read nowhere.toml"),
        (("direct", "--host", "203.0.113.1", "--keys", "KEYS"), "cannot listen on 203.0.113.1"),
        (("direct", "--budget", "lots"), "lots"),
        (("direct", "--sandbox", "vm"), "no sandbox 'vm'"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('[ann]\nkey = "0123456789abcdef"\n')
    done = adas(tmp_path, "serve", *(str(keys) if one == "KEYS" else one for one in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def deployed(searched: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    done = adas(searched, "deploy", *more, "--to", str(folder))
    assert done.returncode == 0, done.stderr
    return done


def test_a_folder_holds_all_that_an_agent_is(searched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    done = deployed(searched, folder)
    (release,) = (folder / "releases").iterdir()
    assert release.name in done.stdout
    about = json.loads((release / "agent.json").read_text())
    with Archive(searched / "archive.db") as archive:
        program = archive.program(about["program"])
    assert (release / "program.py").read_text() == program.source
    assert about["model"] == {"name": AGENT, "sha256": {}}
    assert about["settings"] == {"calls": 20, "tokens": 60_000, "sandbox": "process", "engine": "auto"}
    card = json.loads((release / "score_card.json").read_text())
    assert {row["split"] for row in card["standings"]} >= {"test"}
    assert card["sealed_tests"]
    assert json.loads((release / "lineage.json").read_text())[-1]["program"] == program.id
    readme = (folder / "README.md").read_text()
    assert program.name in readme
    assert "sealed test of run" in readme
    assert os.access(folder / "run", os.X_OK)


def test_the_folder_answers_as_the_archive_does_elsewhere(searched: Path, tmp_path: Path) -> None:
    """In an environment that has our code from the folder's wheel only, another home, another cache, no archive."""
    folder = tmp_path / "here/agent"
    deployed(searched, folder)
    moved = tmp_path / "there/agent"
    moved.parent.mkdir()
    shutil.copytree(folder, moved)
    shutil.rmtree(folder)
    place = tmp_path / "env"
    venv.create(place, with_pip=False)
    packages = next(place.glob("lib/python*/site-packages"))
    (wheel,) = moved.glob("*.whl")
    shutil.unpack_archive(wheel, packages, "zip")
    # What we depend on is lent, our own code is not; the scripted model comes from the tests' folder.
    lent = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "lent.pth").write_text("\n".join(lent) + "\n")
    shutil.copytree(
        ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("hostile", "__pycache__")
    )
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "ADAS_CACHE": str(tmp_path / "other.db"),
        "PYTHONPATH": str(tmp_path),
    }
    command = (str(place / "bin/python"), "-P", "-m", "meta_agent", "serve")
    checked = subprocess.run(
        [str(place / "bin/python"), "-P", "-c", "import meta_agent, sandboxes; print(meta_agent.__file__, sandboxes.__file__)"],
        env=variables, cwd="/", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert all(path.startswith(str(place)) for path in checked.stdout.split())
    fresh = {**environment(searched), "ADAS_CACHE": str(tmp_path / "fresh.db")}
    with served(searched, env=fresh) as (url, _):
        first = httpx.get(f"{url}/v1/models/adas/best").json()
        expected = answers(url)
    with served(searched, str(moved), command=command, env=variables, cwd="/") as (url, _):
        models = httpx.get(f"{url}/v1/models").json()["data"]
        assert {model["adas"]["program"] for model in models} == {first["adas"]["program"]}
        assert answers(url) == expected
    assert len(set(expected)) > 2


def test_another_release_and_back(searched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    deployed(searched, folder, "direct")
    deployed(searched, folder, "self_consistency", "--calls", "7")
    names = sorted(path.name for path in (folder / "releases").iterdir())
    assert (folder / "current").read_text().strip() == names[1]
    assert "self-consistency" in (folder / "README.md").read_text()
    back = adas(searched, "deploy", "--rollback", "--to", str(folder))
    assert back.returncode == 0, back.stderr
    assert f"serves {names[0]} again" in back.stdout
    assert "# direct" in (folder / "README.md").read_text()
    with served(searched, str(folder), "--model", AGENT) as (url, _):
        assert [model["id"] for model in httpx.get(f"{url}/v1/models").json()["data"]] == [
            "adas/best",
            "adas/direct",
        ]
    further = adas(searched, "deploy", "--rollback", "--to", str(folder))
    assert further.returncode == 2
    assert "nothing to roll back to" in further.stderr
    history = [json.loads(line)["what"] for line in (folder / "history.jsonl").read_text().splitlines()]
    assert history == ["deployed", "deployed", "rolled back"]
    deployed(searched, folder, "direct")
    assert len(list((folder / "releases").iterdir())) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda release: (release / "program.py").write_text("def forward(task, kit): return 2"),
            "was changed",
        ),
        (lambda release: (release / "agent.json").write_text("{}"), 'expected "format"'),
        (lambda release: (release / "agent.json").unlink(), "is no folder of `adas deploy`"),
        (
            lambda release: (release.parents[1] / "current").write_text("../../x"),
            "is no folder of `adas deploy`",
        ),
    ],
)
def test_a_folder_that_was_changed_is_refused(
    searched: Path, tmp_path: Path, change: Any, words: str
) -> None:
    folder = tmp_path / "agent"
    deployed(searched, folder, "direct", "--model", AGENT)
    (release,) = (folder / "releases").iterdir()
    change(release)
    done = adas(searched, "serve", str(folder), "--port", "0")
    assert done.returncode == 2
    assert words in done.stderr


def test_a_model_that_is_not_the_pinned_one_is_refused(searched: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF one")
    folder = tmp_path / "agent"
    deployed(searched, folder, "direct", "--model", f"local/{model}")
    (release,) = (folder / "releases").iterdir()
    pinned = json.loads((release / "agent.json").read_text())["model"]["sha256"]
    assert list(pinned) == ["model.gguf"]
    assert "SHA-256" in (folder / "README.md").read_text()
    model.write_bytes(b"GGUF two")
    done = adas(searched, "serve", str(folder), "--port", "0")
    assert done.returncode == 2
    assert "is not the model that was deployed" in done.stderr


def test_a_folder_with_something_else_is_left_alone(searched: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    done = adas(searched, "deploy", "direct", "--to", str(tmp_path))
    assert done.returncode == 2
    assert "holds something else" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
def test_run_makes_an_environment_of_its_own(searched: Path, tmp_path: Path) -> None:
    """The folder's own command, from nothing: pip fetches what we depend on."""
    folder = tmp_path / "agent"
    deployed(searched, folder)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "PYTHON": sys.executable,
    }
    with served(searched) as (url, _):
        expected = answers(url)
    with served(searched, command=(str(folder / "run"),), env=variables, cwd="/") as (url, _):
        assert answers(url) == expected
