"""`adas mcp` with the protocol's own client, over standard input and output."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import mcp
import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification, TextContent

from tests.meta_agent.commands.test_code import REPAIRS, repository, tree
from tests.meta_agent.rehearsal import write_tasks
from tests.meta_agent.test_cli import ROOT, SMALL, adas, environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

__all__ = ["repository"]

AGENT = "scripted:tests.meta_agent.rehearsal:agent"


@asynccontextmanager
async def session(
    folder: Path, *arguments: str, told: list[str] | None = None
) -> AsyncIterator[mcp.ClientSession]:
    async def hear(message: Any) -> None:
        if told is not None:
            told.append(str(message.data))

    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "meta_agent", "mcp", *arguments],
        env=environment(folder),
        cwd=ROOT,
    )
    async with (
        stdio_client(server) as (read, write),
        mcp.ClientSession(read, write, logging_callback=hear) as client,
    ):
        await client.initialize()
        yield client


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def in_time() -> None:
        await asyncio.wait_for(scene(), 100)

    asyncio.run(in_time())


def text(result: Any) -> str:
    (content,) = [one for one in result.content if isinstance(one, TextContent)][:1]
    return content.text


def test_code_is_written_and_tried(tmp_path: Path) -> None:
    told: list[str] = []

    async def scene() -> None:
        async with session(tmp_path, "self_debug", "--model", AGENT, told=told) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"solve", "repair", "list_agents", "score_card"}
            assert "context" not in tools["solve"].inputSchema["properties"]
            result = await client.call_tool(
                "solve",
                {"task": "Write `plus_4(x)`: def plus_4(x): adds 4", "tests": ["assert plus_4(1) == 5"]},
            )
            assert not result.isError, result
            assert result.structuredContent
            assert "def plus_4(x):" in result.structuredContent["answer"]
            assert result.structuredContent["agent"] == "self-debug"
            assert result.structuredContent["calls"] >= 1
            listed = await client.call_tool("list_agents", {})
            assert "self-debug" in text(listed)

    run(scene)
    assert any(words.startswith("asked the model") for words in told)
    assert any(words.startswith("ran code") for words in told)


def test_a_repository_is_repaired_on_a_copy(repository: Path) -> None:
    before = tree(repository)

    async def scene() -> None:
        arguments = ("--model", REPAIRS, "--root", str(repository.parent))
        async with session(repository.parent, *arguments) as client:
            result = await client.call_tool(
                "repair", {"request": "add subtracts", "repository": "repository"}
            )
            assert not result.isError, result
            assert result.structuredContent
            assert result.structuredContent["verdict"] == "verified"
            assert "+    return a + b" in result.structuredContent["patch"]
            for place in ("..", "/etc", "nowhere"):
                outside = await client.call_tool("repair", {"request": "x", "repository": place})
                assert outside.isError
                assert "is no folder in" in text(outside)

    run(scene)
    assert tree(repository) == before


def test_the_agents_of_an_archive_bring_their_score_cards(tmp_path: Path) -> None:
    tasks = write_tasks(tmp_path / "plus.jsonl")
    assert adas(tmp_path, "search", str(tasks), "--preset", "smoke", "--json", *SMALL).returncode == 0

    async def scene() -> None:
        async with session(tmp_path) as client:
            listed = [json.loads(one.text) for one in (await client.call_tool("list_agents", {})).content]  # type: ignore[union-attr]
            assert len(listed) >= 3
            assert "test:" in listed[0]["measured"]
            card = json.loads(text(await client.call_tool("score_card", {})))
            assert card["name"]
            assert {row["split"] for row in card["standings"]} >= {"test"}
            assert card["sealed_tests"][0]["against"] != card["name"]
            assert card["lineage"][-1]["program"] == card["program"]
            assert any("sealed test" in line for line in card["words"])
            unknown = await client.call_tool("score_card", {"agent": "nobody"})
            assert unknown.isError
            assert "no agent 'nobody'" in text(unknown)

    run(scene)


def test_a_request_that_is_taken_back_ends(tmp_path: Path) -> None:
    program = tmp_path / "forever.py"
    program.write_text(
        "def forward(task, kit):\n    kit.log('begins')\n    while True:\n        kit.run('while True: pass')\n"
    )
    told: list[str] = []

    async def scene() -> None:
        async with session(tmp_path, str(program), "--model", AGENT, told=told) as client:
            endless = asyncio.ensure_future(client.call_tool("solve", {"task": "x"}))
            while "begins" not in told:
                await asyncio.sleep(0.02)
            number = client._request_id - 1
            await client.send_notification(
                ClientNotification(
                    CancelledNotification(
                        method="notifications/cancelled", params=CancelledNotificationParams(requestId=number)
                    )
                )
            )
            with pytest.raises(mcp.McpError, match="cancelled"):
                await endless
            assert (await client.call_tool("list_agents", {})).content

    run(scene)
