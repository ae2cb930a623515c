from __future__ import annotations

import email.utils
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_agent.errors import OutageError, TransientError
from meta_agent.llm import Backend, Message, Request, Retries, ScriptedLLM
from meta_agent.llm.lane import Lane
from tests.meta_agent.llm.endpoint import Endpoint, healthy

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = Retries(patience_s=20.0, first_s=0.01, longest_s=0.05)


def ask(text: str = "hello") -> Request:
    return Request("m", (Message("user", text),))


class Scene:
    """A lane to a backend that behaves as ``act`` says; notes when each attempt began."""

    def __init__(
        self, act: Callable[[int, str], str], retries: Retries = QUICK, limit: int | None = None
    ) -> None:
        self.began: list[float] = []
        self.lock = threading.Lock()
        self.act = act
        self.lane = Lane("m", Backend(ScriptedLLM(self.reply), limit), retries)

    def reply(self, request: Request) -> str:
        with self.lock:
            index = len(self.began)
            self.began.append(time.monotonic())
        return self.act(index, request.messages[-1].content)


def fail(words: str = "busy", retry_after: float | None = None) -> str:
    raise TransientError(words, retry_after=retry_after)


@given(st.integers(1, 10_000), st.floats(0.01, 5), st.floats(5, 60))
def test_waits_double_up_to_the_longest_with_jitter(failures: int, first: float, longest: float) -> None:
    wait = Retries(first_s=first, longest_s=longest).wait(failures)
    full = min(longest, first * 2.0 ** min(failures - 1, 1000))
    assert full / 2 <= wait <= full


def test_a_retry_waits_as_long_as_asked_and_so_does_everybody_else() -> None:
    scene = Scene(lambda index, _: fail(retry_after=0.5) if index == 0 else "fine")
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(scene.lane.complete, ask("one"))
        time.sleep(0.1)
        two = pool.submit(scene.lane.complete, ask("two"))
        assert {one.result(10).text, two.result(10).text} == {"fine"}
    first, *others = scene.began
    assert all(0.5 <= began - first < 5 for began in others)


@pytest.mark.parametrize("form", ["2", "date"])
def test_retry_after_over_http(form: str) -> None:
    from meta_agent.llm import open_backend

    def busy_once(index: int, _: str) -> str:
        endpoint.retry_after = (
            email.utils.formatdate(time.time() + 3, usegmt=True) if form == "date" else form
        )
        return "" if index else "429"

    with Endpoint(busy_once) as endpoint:
        lane = Lane("m", open_backend(f"{endpoint.url}#tiny"), QUICK)
        lane.complete(ask())
        lane.close()
    first, second = endpoint.came
    assert 1.5 < second - first < 10


def test_being_asked_for_a_longer_break_than_our_patience_is_an_outage_at_once() -> None:
    scene = Scene(lambda *_: fail("come back tomorrow", retry_after=3600))
    started = time.monotonic()
    for _ in range(5):
        with pytest.raises(OutageError, match="tomorrow"):
            scene.lane.complete(ask())
    assert time.monotonic() - started < 1
    assert len(scene.began) == 1


def test_one_hopeless_request_does_not_stop_the_others() -> None:
    scene = Scene(lambda _, text: fail() if text == "poison" else text, Retries(60.0, 6, 0.01, 0.02))
    with ThreadPoolExecutor(4) as pool:
        poison = pool.submit(scene.lane.complete, ask("poison"))
        while not poison.done():
            assert pool.submit(scene.lane.complete, ask("fine")).result(10).text == "fine"
            time.sleep(0.001)
        with pytest.raises(OutageError, match="attempts: 6"):
            poison.result()
    assert scene.lane.complete(ask("fine")).text == "fine"


def test_a_crowd_at_a_dead_model_leaves_together_and_hardly_knocks() -> None:
    scene = Scene(lambda *_: fail(), Retries(0.6, 12, 0.05, 0.1), limit=8)
    with ThreadPoolExecutor(64) as pool:
        started = time.monotonic()
        jobs = [pool.submit(scene.lane.complete, ask(str(i))) for i in range(64)]
        assert all(isinstance(job.exception(10), OutageError) for job in jobs)
    assert 0.3 < time.monotonic() - started < 10
    assert len(scene.began) < 64 + 40
    late = len(scene.began)
    with pytest.raises(OutageError):
        scene.lane.complete(ask())
    assert len(scene.began) == late + 1, "a model known to be dead gets one attempt"


def test_two_silent_sockets_are_no_outage() -> None:
    def silent_twice(index: int, _: str) -> str:
        time.sleep(0.3 if index < 2 else 0)
        return fail("no answer") if index < 2 else "fine"

    assert Scene(silent_twice, Retries(0.2, 12, 0.01)).lane.complete(ask()).text == "fine"


def test_a_model_that_comes_back_serves_everybody_who_waited() -> None:
    back = time.monotonic() + 0.5
    scene = Scene(lambda _, text: text if time.monotonic() > back else fail(), limit=4)
    with ThreadPoolExecutor(32) as pool:
        texts = [c.text for c in pool.map(scene.lane.complete, [ask(str(i)) for i in range(32)])]
    assert texts == [str(i) for i in range(32)]


def test_the_failure_of_a_request_that_left_is_forgotten() -> None:
    def act(index: int, _: str) -> str:
        return "fine" if index == 3 else str(1 // 0) if index == 1 else fail()

    scene = Scene(act, Retries(0.5, 12, 0.01))
    with pytest.raises(ZeroDivisionError):
        scene.lane.complete(ask())
    time.sleep(0.6)
    assert scene.lane.complete(ask()).text == "fine", "the failure after the pause was retried"


def test_closing_frees_those_who_wait() -> None:
    scene = Scene(lambda *_: fail(retry_after=60), Retries(patience_s=600))
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(scene.lane.complete, ask())
        time.sleep(0.05)
        scene.lane.close()
        with pytest.raises(OutageError, match="closed"):
            job.result(5)


def test_a_bug_in_a_backend_frees_its_place() -> None:
    scene = Scene(lambda _, text: str(1 // int(text)), limit=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            scene.lane.complete(ask("0"))
    assert scene.lane.complete(ask("1")).text == "1"


def test_a_slow_server_is_used_as_widely_as_allowed() -> None:
    from meta_agent.llm import open_backend

    with Endpoint(healthy, latency=0.1) as endpoint:
        lane = Lane("m", open_backend(f"{endpoint.url}#tiny", concurrency=6), QUICK)
        with ThreadPoolExecutor(24) as pool:
            list(pool.map(lane.complete, [ask(str(i)) for i in range(24)]))
        assert endpoint.most_in_flight == 6
        lane.close()
