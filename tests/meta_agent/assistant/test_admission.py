from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from meta_agent.assistant.admission import Gate, Key, Keys, RefusedError, Ticket
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-token-of-sixteen-or-more"


def key(**limits: int) -> Key:
    return Key("ann", hashlib.sha256(TOKEN.encode()).digest(), **limits)


def test_a_token_is_known_by_its_digest() -> None:
    keys = Keys([key()])
    assert keys.identify(f"Bearer {TOKEN}") == key()
    for header in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer "):
        with pytest.raises(RefusedError) as refused:
            keys.identify(header)
        assert refused.value.status == 401
        assert TOKEN not in str(refused.value)
    assert Keys([]).identify("") is None


class Clock:
    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def test_requests_a_minute() -> None:
    clock = Clock()
    one = key(requests_per_minute=2)
    keys = Keys([one], clock)
    for _ in range(2):
        keys.admit(one)
        keys.release(one, 0)
    with pytest.raises(RefusedError, match="2 requests a minute") as refused:
        keys.admit(one)
    assert (refused.value.status, refused.value.retry_after) == (429, 60.0)
    clock.now += 60
    keys.admit(one)


def test_tokens_a_day() -> None:
    clock = Clock()
    one = key(tokens_per_day=100)
    keys = Keys([one], clock)
    keys.admit(one)
    keys.release(one, 120)
    with pytest.raises(RefusedError, match="100 tokens a day"):
        keys.admit(one)
    clock.now += 86_400
    keys.admit(one)


def test_requests_at_once() -> None:
    one = key(at_once=1)
    keys = Keys([one])
    keys.admit(one)
    with pytest.raises(RefusedError, match="1 requests under way"):
        keys.admit(one)
    keys.release(one, 0)
    keys.admit(one)


def test_a_file_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    digest = hashlib.sha256(b"another token, long enough").hexdigest()
    file.write_text(f'[ann]\nkey = "{TOKEN}"\nrequests_per_minute = 3\n[bob]\nkey_sha256 = "{digest}"\n')
    keys = Keys.read(file)
    assert keys.identify(f"Bearer {TOKEN}") == key(requests_per_minute=3)
    assert keys.identify("Bearer another token, long enough").name == "bob"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not toml",
        "[ann]\n",
        '[ann]\nkey = "short"\n',
        f'[ann]\nkey = "{TOKEN}"\nlimit = 3\n',
        f'[ann]\nkey = "{TOKEN}"\nat_once = 0\n',
        '[ann]\nkey_sha256 = "abc"\n',
        'ann = "x"\n',
    ],
)
def test_a_broken_file_of_keys_is_told_without_the_key(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"keys\.toml") as error:
        Keys.read(file)
    assert TOKEN not in str(error.value)


def test_a_gate_lets_in_in_turn_and_refuses_what_is_too_much() -> None:
    async def scene() -> None:
        gate = Gate(workers=1, queue=2)
        first, second, third = gate.ticket(), gate.ticket(), gate.ticket()
        with pytest.raises(RefusedError, match="works on 1 requests and 2 wait") as refused:
            gate.ticket()
        assert refused.value.status == 429
        assert refused.value.retry_after == 1.0
        await first.turn()
        order: list[int] = []

        async def hold(ticket: Ticket, number: int) -> None:
            await ticket.turn()
            order.append(number)
            ticket.release()

        waiting = [asyncio.ensure_future(hold(t, n)) for n, t in ((2, second), (3, third))]
        await asyncio.sleep(0)
        assert not order
        first.release()
        first.release()
        await asyncio.gather(*waiting)
        assert order == [2, 3]
        assert (gate.working, gate.waiting) == (0, 0)

    asyncio.run(scene())


def test_a_place_that_is_given_up_goes_to_the_next() -> None:
    async def scene() -> None:
        gate = Gate(workers=1, queue=2)
        first, second, third = gate.ticket(), gate.ticket(), gate.ticket()
        second.release()
        assert gate.waiting == 1
        first.release()
        assert (gate.working, gate.waiting) == (1, 0)
        await third.turn()
        third.release()
        assert gate.working == 0
        gave_up, after = gate.ticket(), gate.ticket()
        turn = asyncio.ensure_future(after.turn())
        await asyncio.sleep(0)
        gave_up.release()  # the turn of the next has come, which is cancelled at that moment
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        after.release()
        assert (gate.working, gate.waiting) == (0, 0)

    asyncio.run(scene())
