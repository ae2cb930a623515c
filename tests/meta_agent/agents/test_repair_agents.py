"""The agents that work on repositories, with models that answer as real ones do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from domains.repository import repository_task
from meta_agent.agents import REPAIRERS, kit_source, load_agent
from meta_agent.assistant.conversation import Meanings
from meta_agent.broker import Broker
from meta_agent.llm import FREE, Backend, Gateway, ScriptedLLM
from meta_agent.repository import Repository
from sandboxes import ProcessSandbox
from sandboxes.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meta_agent.llm import Request

SHOP = """class Basket:
    def __init__(self):
        self.items = {}

    def add(self, name, price, count=1):
        self.items[name] = (price, count)

    def total(self):
        return sum(price for price, count in self.items.values())
"""
TESTS = """from shop import Basket

def test_empty(): assert Basket().total() == 0
def test_names():
    basket = Basket()
    basket.add("a", 3)
    assert list(basket.items) == ["a"]
def test_prices():
    basket = Basket()
    basket.add("a", 3)
    assert basket.items["a"] == (3, 1)
def test_one():
    basket = Basket()
    basket.add("a", 3)
    assert basket.total() == 3
def test_many():
    basket = Basket()
    basket.add("a", 3, 2)
    assert basket.total() == 6
"""
RIGHT = "    def total(self):\n        return sum(price * count for price, count in self.items.values())"
EDIT = (
    "shop.py\n<<<<<<< SEARCH\n        return sum(price for price, count in self.items.values())\n=======\n"
    "        return sum(price * count for price, count in self.items.values())\n>>>>>>> REPLACE"
)
SNAPSHOT = Snapshot({"shop.py": SHOP.encode(), "test_shop.py": TESTS.encode()})
TASK = repository_task("shop", "The total forgets the counts.", SNAPSHOT)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ProcessSandbox]:
    with ProcessSandbox() as sandbox:
        yield sandbox


def play(sandbox: ProcessSandbox, name: str, reply: Callable[[Request], str]) -> tuple[str, Broker]:
    with Gateway(lambda _: Backend(ScriptedLLM(reply), None, FREE)) as gateway:
        broker = Broker(
            task=TASK,
            domain=Meanings(),
            gateway=gateway,
            sandbox=sandbox,
            model="m",
            max_tokens=60_000,
            repository=Repository(SNAPSHOT, sandbox),
        )
        outcome = sandbox.session(load_agent(name).source, TASK.public(), broker, kit=kit_source())
    assert outcome.ok, outcome.error
    return str(outcome.value), broker


def did(broker: Broker, *ops: str) -> list[str]:
    return [str(step["do"]) for step in broker.trace if step["op"] == "repo" and step["do"] in ops]


def test_chat_repair_tells_what_still_fails(sandbox: ProcessSandbox) -> None:
    asked: list[str] = []

    def reply(request: Request) -> str:
        asked.append(request.messages[-1].content)
        if len(asked) == 1:
            return "```python\ndef total(self):\n    return 6\n```"
        return f"The tests want the counts.\n```python\n{RIGHT}\n```"

    patch, broker = play(sandbox, "chat_repair", reply)
    assert "+        return sum(price * count for" in patch
    assert patch.count("\n-") == patch.count("\n+") == 2  # the head and one line
    assert "test_shop.py::test_many" in asked[0]
    assert "total" in asked[0]
    assert "This version was wrong too" in asked[1]
    assert "test_shop.py::test_empty" in asked[1]
    assert broker.calls == 2


def test_chat_repair_keeps_the_best_of_what_it_tried(sandbox: ProcessSandbox) -> None:
    patch, broker = play(sandbox, "chat_repair", lambda _: "```python\ndef total(self):\n    return 0\n```")
    assert "+        return 0" in patch
    assert broker.calls <= 9


def test_auto_code_rover_searches_names_the_place_and_edits(sandbox: ProcessSandbox) -> None:
    asked: list[str] = []

    def reply(request: Request) -> str:
        asked.append(request.messages[-1].content)
        return [
            "I want to see search_class('Basket') and\nsearch_method_in_class(total, Basket).",
            "The bug is in the sum, in Basket's total.",
            '{"API_calls": "", "bug_locations": "shop.py, Basket.total"}',
            EDIT.replace("price for", "price  for"),
            EDIT,
        ][len(asked) - 1]

    patch, broker = play(sandbox, "auto_code_rover", reply)
    assert "price * count" in patch
    assert "class Basket:\n    def __init__(self):\n    def add(self, name, price, count=1):" in asked[1]
    assert "shop.py, lines 8-9, in Basket" in asked[1]
    assert "bug_locations" in asked[2]
    assert "lines 8-9" in asked[3]
    assert "the text to replace is not there" in asked[4]
    assert did(broker, "search_class", "search_method") == ["search_class", "search_method", "search_method"]


@pytest.mark.parametrize("name", ["auto_code_rover", "chat_repair"])
@pytest.mark.parametrize(
    "words", ["", "I do not know.", "```python\n```", "BUG LOCATION: nowhere.py", "{" * 50]
)
def test_nonsense_ends_without_an_error(sandbox: ProcessSandbox, name: str, words: str) -> None:
    play(sandbox, name, lambda _: words)


@pytest.mark.parametrize("name", REPAIRERS)
def test_each_repairs_with_a_model_that_can(sandbox: ProcessSandbox, name: str) -> None:
    def reply(request: Request) -> str:
        prompt: Any = request.messages[-1].content
        if "BUG LOCATION" in prompt:
            return "BUG LOCATION: shop.py, Basket.total"
        return f"```python\n{RIGHT}\n```" if "whole corrected function" in prompt else EDIT

    patch, _ = play(sandbox, name, reply)
    fixed = Repository(SNAPSHOT, sandbox)
    for line in patch.splitlines():
        assert not line.startswith("-") or "price for" in line or line.startswith("--- ")
    fixed.edit("shop.py", "price for price", "price * count for price")
    assert fixed.patch() == patch
