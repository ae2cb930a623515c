"""Where tests play published programs: the real jail and broker, a scripted model, three kinds of task."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domains import Task
from meta_agent.adas_compat import MOST_CALLS, runnable
from meta_agent.agents import kit_source
from meta_agent.broker import Broker
from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
from sandboxes import Limits, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm import Request
    from sandboxes import ProcessSandbox

QUESTION = Task(id="question", prompt="What is 6 times 7?", kind="answer")
GRIDS = Task(
    id="grids",
    prompt="Find the rule.",
    kind="answer",
    metadata={
        "train": [
            {"input": [[1, 2], [3, 4]], "output": [[2, 1], [4, 3]]},
            {"input": [[1, 0]], "output": [[0, 1]]},
        ],
        "test": [{"input": [[5, 6]]}],
    },
)
FUNCTION = Task(
    id="function",
    prompt='def double(x):\n    """Double x."""\n',
    kind="code",
    entry_point="double",
    visible_tests=("assert double(2) == 4", "assert double(0) == 0"),
)
MIRROR = "def transform(grid):\n    return [row[::-1] for row in grid]"


@dataclass
class Played:
    """What came of a program, and what it asked the model."""

    outcome: Outcome
    requests: list[Request]


def play(
    sandbox: ProcessSandbox,
    source: str,
    reply: Callable[[Request], str],
    task: Task = QUESTION,
    max_calls: int = MOST_CALLS,
) -> Played:
    """Run a program on a task, with a model that answers from a function."""
    requests: list[Request] = []

    def answer(request: Request) -> str:
        requests.append(request)
        return reply(request)

    with Gateway(lambda _: Backend(ScriptedLLM(answer), None, FREE), cache=Cache()) as gateway:
        broker = Broker(
            task=task,
            domain=None,  # type: ignore[arg-type]  # only a vote asks it
            gateway=gateway,
            sandbox=sandbox,
            model="scripted",
            max_calls=max_calls,
            max_tokens=10_000_000,
        )
        outcome = sandbox.session(
            runnable(source), task.public(), broker, kit=kit_source(), limits=Limits(wall_s=60)
        )
    return Played(outcome, requests)


def fields(request: Request) -> list[str]:
    """Return the output fields that a request asks for."""
    return list(json.loads(request.schema)["properties"]) if request.schema else []


def strings(request: Request) -> str:
    """Reply with a text for every field."""
    return json.dumps({name: _text(name) for name in fields(request)})


def natives(request: Request) -> str:
    """Reply with numbers, booleans, null, lists and objects."""
    values = (0.7, True, 3, None, ["first", 2], {"part": 1.5})
    asked = fields(request)
    return json.dumps(
        {
            name: _text(name) if "code" in name else 42 if "answer" in name else values[(i + len(name)) % 6]
            for i, name in enumerate(asked)
        }
    )


def nothing(_: Request) -> str:
    """Reply with an empty text."""
    return ""


def empties(request: Request) -> str:
    """Reply with an empty text for every field."""
    return json.dumps(dict.fromkeys(fields(request), ""))


def _text(name: str) -> str:
    return MIRROR if "code" in name else "42" if "answer" in name else f"some {name}"
