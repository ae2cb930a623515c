"""A fork server that dies costs time, never a score."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from archive import Program
from meta_agent.evaluation import Evaluator
from sandboxes import ProcessSandbox
from tests.sandboxes.contract import descendants, eventually

if TYPE_CHECKING:
    from tests.meta_agent.conftest import Bench

SLOW = Program(
    source="import time\ndef forward(task, kit):\n    time.sleep(1)\n    k = task.entry_point.split('_')[1]\n"
    "    return f'def plus_{k}(x):\\n    return x + {k}'",
    name="slow",
)


def test_rollouts_in_flight_are_repeated_when_the_fork_server_is_killed(bench: Bench) -> None:
    tasks = bench.domain.tasks("search")
    with ProcessSandbox() as sandbox:
        evaluator = Evaluator(
            archive=bench.archive,
            domain=bench.domain,
            gateway=bench.gateway,
            sandbox=sandbox,
            model="agent",
            workers=len(tasks),
        )
        first = sandbox._server

        def kill() -> None:
            server = first._process.pid
            idle = len(descendants(server))
            if eventually(lambda: len(descendants(server)) >= idle + len(tasks)):
                os.kill(server, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        (evaluation,) = evaluator.evaluate("r", [SLOW], tasks, "search")
        killer.join()
        evaluator.close()
        assert sandbox._server is not first
    rollouts = bench.archive.rollouts(evaluation.id)
    assert sorted(r.task for r in rollouts) == sorted(task.id for task in tasks)
    assert [(r.score, r.failure) for r in rollouts] == [(1.0, "")] * len(tasks)
