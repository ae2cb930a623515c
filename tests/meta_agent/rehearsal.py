"""Scripted models and tasks for searches in tests: deterministic, quick, and with every kind of failure in them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.llm import Request

PROGRAMS = (
    """# name: Sampler $n
# idea: more samples
def forward(task, kit):
    replies = [kit.llm(f"$n {task.prompt}", temperature=0.8) for _ in range($k)]
    return kit.vote([kit.extract(reply) for reply in replies])""",
    """# name: Tester $n
# idea: run it
def forward(task, kit):
    code = kit.extract(kit.llm(f"$n write {task.prompt}"))
    result = kit.run(code)
    if not result.passed:
        code = kit.extract(kit.llm(f"$n fix {task.prompt} {result.feedback[:40]}"))
    return code""",
    """# name: Crasher $n
# idea: divides by zero
def forward(task, kit):
    reply = kit.llm(task.prompt)
    return reply[$k // 0]""",
    """# name: Importer $n
# idea: wants numpy
import numpy
def forward(task, kit):
    return kit.llm(task.prompt)""",
)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _count() -> None:
    """Leave one byte a call in the file that ``REHEARSAL_CALLS`` names: what a provider would have billed."""
    if path := os.environ.get("REHEARSAL_CALLS"):
        with open(path, "ab", buffering=0) as file:
            file.write(b".")


def meta(request: Request) -> str:
    """Write a program: which one depends on prompt and sample; half of them are broken until repaired."""
    _count()
    prompt = request.messages[-1].content
    n = _number(f"{prompt}/{request.sample}")
    program = PROGRAMS[n % 2 if "fails with" in prompt else n % 4]
    return f"```python\n{program.replace('$n', str(n % 9973)).replace('$k', str(1 + n % 3))}\n```"


def agent(request: Request) -> str:
    """Solve ``def plus_K(x)`` tasks, for about half of the prompts."""
    _count()
    prompt = request.messages[-1].content
    found = re.search(r"def plus_(\d+)\(", prompt)
    if not found:
        return "Answer: 1"
    wrong = _number(f"{prompt}/{request.sample}") % 2
    return f"```python\ndef plus_{found.group(1)}(x):\n    return x + {int(found.group(1)) + wrong}\n```"


def slow_agent(request: Request) -> str:
    """Answer like :func:`agent`, after 200 ms."""
    return agent(request)


meta.latency = agent.latency = 0.02  # type: ignore[attr-defined]
slow_agent.latency = 0.2  # type: ignore[attr-defined]


def write_tasks(path: Path, count: int = 24) -> Path:
    """Write a JSONL file of ``count`` tasks for :func:`agent`."""
    rows = [
        {
            "id": f"plus/{k}",
            "entry_point": f"plus_{k}",
            "tests": [f"assert plus_{k}(5) == {k + 5}", f"assert plus_{k}(-1) == {k - 1}"],
            "visible_tests": [f"assert plus_{k}(1) == {k + 1}"],
            "prompt": f'def plus_{k}(x):\n    """Add {k} to x.\n\n    >>> plus_{k}(1)\n    {k + 1}\n    """\n',
        }
        for k in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
