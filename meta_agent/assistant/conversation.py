"""How a conversation becomes a task, and an agent's answer a reply.

An agent program answers one task; it knows nothing of turns. So the last request of the user is the task's prompt, with
the system prompts and the turns before it written above. A request for a Python function is a task of kind ``code``:
the agent can run what it writes. Any other one is of kind ``answer``, and the reply is the whole text in which the
model gave the answer that the agent decided on, not the answer alone.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from domains import Kind, Task
from domains.scoring import normal_text
from meta_agent.agents.kit import extract_answer
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from meta_agent.llm import Message
    from sandboxes import Json

_STUB = re.compile(r"^[ \t]*(?:async )?def (\w+)\(", re.MULTILINE)
_VERB = re.compile(r"\b(?:write|implement|complete|create|define|code|fix)\b", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(?:function|method)\s+`?(\w+)\(|\b(?:function|method)\b[^.?!\n]{0,20}\b(?:named|called)\s+`?(\w+)|`(\w+)\([^`\n]*\)`",
    re.IGNORECASE,
)
_OTHER_LANGUAGE = re.compile(
    r"\b(?:javascript|typescript|java|rust|golang|ruby|php|kotlin|swift|sql|bash|haskell|scala|perl|lua)\b|\bC\+\+|\bC#",
    re.IGNORECASE,
)
_DOCTEST = re.compile(
    r"^[ \t]*>>> (?P<call>\w+\(.*\))[ \t]*\n[ \t]*(?P<value>[^>\s].*?)[ \t]*$", re.MULTILINE
)
_ASSERT = re.compile(r"^[ \t]*(assert \w+\(.*)$", re.MULTILINE)
_NAMES = {"user": "User", "assistant": "Assistant"}


class Meanings:
    """What answers in a conversation mean; a domain without tasks."""

    def key(self, answer: Json) -> str:
        """Return the normalised text."""
        return normal_text(answer)


def as_task(
    messages: Sequence[Message],
    *,
    kind: Kind | None = None,
    entry_point: str = "",
    visible_tests: Iterable[str] | None = None,
) -> Task:
    """Return the task that a conversation poses.

    Args:
        messages: the turns, oldest first; one at least is the user's.
        kind: by default ``code`` where the last request of the user asks for a Python function and no system prompt
            prescribes another form.
        entry_point: name of the function asked for; by default read from the request.
        visible_tests: tests of the function; by default the doctests and asserts in the request.

    Raises:
        UserError: there is no turn of the user.
    """
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=None)
    if last is None or not messages[last].content.strip():
        raise UserError("expected a message of role 'user' with some text")
    request = messages[last].content
    system = [message.content for message in messages if message.role == "system"]
    turns = [message for i, message in enumerate(messages) if i != last and message.role != "system"]
    entry_point = entry_point or _entry(request)
    if kind is None:
        kind = "code" if entry_point and not system else "answer"
    tests = _examples(request, entry_point) if visible_tests is None else tuple(visible_tests)
    prompt = "\n\n".join([*system, *_transcript(turns), request])
    return Task(
        id=f"chat/{hashlib.sha256(prompt.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}",
        prompt=prompt,
        kind=kind,
        entry_point=entry_point if kind == "code" else "",
        visible_tests=tests if kind == "code" else (),
    )


def reply(task: Task, answer: Json, trace: Iterable[dict[str, object]]) -> str:
    """Return an agent's answer as a person reads it: code in a fence, else the model's text that holds the answer."""
    text = answer if isinstance(answer, str) else str(answer)
    if task.kind == "code":
        return text if "```" in text else f"```python\n{text}\n```"
    said = [str(step["reply"]) for step in trace if step["op"] == "llm"]
    return next((whole for whole in reversed(said) if extract_answer(whole) == text), text)


def _entry(request: str) -> str:
    """Return the name of the Python function that a request asks for, empty when it asks for none by name."""
    stubs = _STUB.findall(request)
    if _OTHER_LANGUAGE.search(request) or not (_VERB.search(request) or stubs):
        return ""
    if stubs:
        return str(stubs[-1])
    named = _NAMED.search(request)
    return next(filter(None, named.groups()), "") if named else ""


def _examples(request: str, entry: str) -> tuple[str, ...]:
    """Return the doctests and asserts of a request that call its function."""
    if not entry:
        return ()
    tests = [f"assert {found['call']} == {found['value']}" for found in _DOCTEST.finditer(request)]
    tests += _ASSERT.findall(request)
    return tuple(dict.fromkeys(test for test in tests if re.search(rf"\b{re.escape(entry)}\(", test)))


def _transcript(turns: Sequence[Message]) -> list[str]:
    if not turns:
        return []
    said = [f"{_NAMES.get(turn.role, turn.role)}: {turn.content}" for turn in turns]
    return ["The conversation so far:", *said, "The request to answer now:"]
