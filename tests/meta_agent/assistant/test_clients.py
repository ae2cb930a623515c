"""Clients that people use, unmodified, against the real server: openai's package, `llm`, `aider`.

`llm` and `aider` pin packages of their own, so each is run from an environment of its own, in the folder that
ADAS_CLIENTS names: ``python -m venv $ADAS_CLIENTS/llm && $ADAS_CLIENTS/llm/bin/pip install llm``, and the same for
``aider`` with the package ``aider-chat``. `.ci/run` makes both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from meta_agent.agents import load_agent
from meta_agent.assistant.admission import Keys
from meta_agent.assistant.agents import Agent
from tests.meta_agent.assistant.conftest import THINKS, Running, agent_of
from tests.meta_agent.assistant.test_server import ASKS, counted
from tests.sandboxes.contract import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm import Request

TOKEN = "the token of this test"
QUESTION: Any = [{"role": "user", "content": "Where is Paris?"}]


def client(running: Running, token: str = TOKEN) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=token, max_retries=0, timeout=30)


def test_openai_in_one_piece(serve: Callable[..., Any]) -> None:
    with serve(keys=Keys.single(TOKEN)) as running, client(running) as api:
        models = [model.id for model in api.models.list()]
        done = api.chat.completions.create(model="adas/thinks", messages=QUESTION, temperature=0.2)
        with pytest.raises(openai.AuthenticationError):
            client(running, "wrong").models.list()
        with pytest.raises(openai.NotFoundError, match="no model 'gpt-4'"):
            api.chat.completions.create(model="gpt-4", messages=QUESTION)
    assert models == ["adas/best", "adas/direct", "adas/thinks"]
    assert (done.choices[0].message.content or "").startswith("You said: Where is Paris?")
    assert done.usage
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0
    assert "asked the model" in done.choices[0].message.reasoning_content  # type: ignore[attr-defined]


def test_openai_streams(serve: Callable[..., Any]) -> None:
    with serve(keys=Keys.single(TOKEN)) as running, client(running) as api:
        stream = api.chat.completions.create(
            model="adas/thinks", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts).startswith("You said: Where is Paris?")
    assert chunks[-1].usage
    assert chunks[-1].usage.prompt_tokens > 0
    steps = [getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks if chunk.choices]
    assert sum(bool(step) for step in steps) == 3


def test_openai_hangs_up(serve: Callable[..., Any]) -> None:
    with (
        serve(latency=0.1, agents={"adas/thinks": agent_of(ASKS)}) as running,
        client(running, "none") as api,
    ):
        stream = api.chat.completions.create(model="adas/thinks", messages=QUESTION, stream=True)
        for number, _ in enumerate(stream):
            if number == 2:
                break
        stream.close()
        assert eventually(lambda: running.service.gate.working == 0)
        calls = running.llm.calls
        time.sleep(0.3)
        assert running.llm.calls == calls < 50
        assert counted(running, 'adas_requests_total{model="adas/thinks",outcome="cancelled"}') == 1


def test_openai_is_told_of_a_failure(serve: Callable[..., Any]) -> None:
    broken = agent_of("def forward(task, kit):\n    return 1 / 0")
    with serve(agents={"adas/thinks": broken}) as running, client(running, "none") as api:
        with pytest.raises(openai.UnprocessableEntityError, match="ZeroDivisionError"):
            api.chat.completions.create(model="adas/thinks", messages=QUESTION)
        with pytest.raises(openai.APIError, match="ZeroDivisionError"):
            list(api.chat.completions.create(model="adas/thinks", messages=QUESTION, stream=True))


def command(name: str) -> str:
    """Return a client's command; the test is skipped where it is not installed."""
    place = Path(os.environ.get("ADAS_CLIENTS", "/nowhere")) / name / "bin" / name
    found = str(place) if place.is_file() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed: ADAS_CLIENTS names no folder with {name}/bin/{name}")
    return found


def offline(home: Path) -> dict[str, str]:
    """Return the environment of a client: a home of its own, and no way beyond this machine."""
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": TOKEN,
        "TERM": "dumb",
    }


def run(home: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=cwd or home,
        env=offline(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.mark.parametrize("more", [[], ["--no-stream"]])
def test_llm(serve: Callable[..., Any], tmp_path: Path, more: list[str]) -> None:
    llm = command("llm")
    with serve(keys=Keys.single(TOKEN)) as running:
        settings = tmp_path / ".config/io.datasette.llm/extra-openai-models.yaml"
        settings.parent.mkdir(parents=True)
        fields = {
            "model_id": "adas",
            "model_name": "adas/thinks",
            "api_base": f"{running.url}/v1",
            "api_key_name": "adas",
        }
        settings.write_text(json.dumps([fields]))  # JSON is YAML
        done = run(tmp_path, llm, "-m", "adas", "--key", TOKEN, *more, "Where is Paris?")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("You said: Where is Paris?")


EDIT = """I made it add.

sums.py
```python
<<<<<<< SEARCH
    return a - b
=======
    return a + b
>>>>>>> REPLACE
```
"""


def test_aider_makes_an_edit(serve: Callable[..., Any], tmp_path: Path) -> None:
    aider = command("aider")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "sums.py").write_text("def add(a, b):\n    return a - b\n")
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    prompts: list[str] = []

    def reply(request: Request) -> str:
        prompts.append(request.messages[-1].content)
        return EDIT

    agents = {"adas/best": Agent("direct", load_agent("direct"), "scripted"), "adas/thinks": agent_of(THINKS)}
    with serve(reply, keys=Keys.single(TOKEN), agents=agents) as running:
        done = run(
            tmp_path, aider, "--model", "openai/adas/best", "--openai-api-base", f"{running.url}/v1",
            "--edit-format", "diff", "--yes-always", "--no-auto-commits", "--no-gitignore", "--no-check-update",
            "--no-analytics", "--no-show-model-warnings", "--no-show-release-notes", "--no-pretty", "--map-tokens", "0",
            "--message", "add subtracts; make it add", "sums.py", cwd=folder,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Applied edit to sums.py" in done.stdout, done.stdout + done.stderr
    assert (folder / "sums.py").read_text() == "def add(a, b):\n    return a + b\n"
    assert "add subtracts; make it add" in prompts[0]
    assert "SEARCH/REPLACE" in prompts[0]
    assert "def add(a, b):\n    return a - b" in prompts[0]
