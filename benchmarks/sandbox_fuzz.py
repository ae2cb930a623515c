"""Fuzz the protocols of broker and judge for as long as one likes: no crash, no hang, no growth, no forged verdict.

    python benchmarks/sandbox_fuzz.py [seconds, 600 by default]

The same examples as ``tests/sandboxes/test_fuzz.py``, always new ones, in the jail and in this process. Exits with 1
when one got through (hypothesis then shows the smallest) or memory grew.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandboxes import ProcessSandbox
from tests.sandboxes import fuzz
from tests.sandboxes.contract import descendants

# ruff: noqa: SLF001
# It looks at the memory of the sandbox's own processes.

ROUND = settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def borders(sandbox: ProcessSandbox, count: Counter[str]) -> list:
    """Return one function a border: each tries a round of examples and counts them."""

    @ROUND
    @given(before=fuzz.floods, answer=fuzz.floods)
    def judge(before: bytes, answer: bytes) -> None:
        count["judge"] += 1
        fuzz.attack_judge(sandbox, before, answer)

    @ROUND
    @given(flood=fuzz.floods)
    def comparison(flood: bytes) -> None:
        count["comparison"] += 1
        fuzz.attack_comparison(sandbox, flood)

    @ROUND
    @given(flood=fuzz.floods, entry=st.booleans())
    def host(flood: bytes, entry: bool) -> None:
        count["host"] += 1
        fuzz.attack_host(sandbox, flood, entry)

    @ROUND
    @given(flood=fuzz.floods, chop=st.sampled_from(fuzz.CHOPS), reads=st.sampled_from(fuzz.READS))
    def broker(flood: bytes, chop: int, reads: str) -> None:
        count["broker"] += 1
        fuzz.attack_broker(sandbox, flood, chop, reads)

    @ROUND
    @given(flood=fuzz.floods, value=fuzz.values)
    def decoder(flood: bytes, value: object) -> None:
        count["decoder"] += 1
        fuzz.attack_proxy(flood)
        fuzz.attack_decoder(value)

    return [judge, comparison, host, broker, decoder]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seconds", type=float, nargs="?", default=600)
    options = parser.parse_args()
    count: Counter[str] = Counter()
    memory: list[tuple[float, float]] = []
    began = time.monotonic()
    with ProcessSandbox() as sandbox:
        every = borders(sandbox, count)
        while (spent := time.monotonic() - began) < options.seconds or not memory:
            for border in every:
                border()
            sandbox._judges.close()
            top = sandbox._server._process.pid
            memory.append((resident_mb(os.getpid()), sum(map(resident_mb, {top, *descendants(top)}))))
            print(
                f"{spent:5.0f} s  {count.total():6} examples  host {memory[-1][0]:.1f} MiB  server {memory[-1][1]:.1f} MiB",
                flush=True,
            )
    middle, last = memory[len(memory) // 2], memory[-1]
    grew = any(after > 1.05 * before + 2 for before, after in zip(middle, last, strict=True))
    print(
        f"{dict(count)}: nothing got through; memory {'grew' if grew else 'did not grow'} in the second half"
    )
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
