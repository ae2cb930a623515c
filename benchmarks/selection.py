"""How well and how fast each selector chooses among CodeGen-16B's 100 samples for each of the 164 HumanEval tasks.

    python benchmarks/selection.py ORACLE.npz

The file holds, for each task number n, the pass matrix ``E_n`` (samples x unique generated tests), ``valid_n`` (the
sample ran), ``lab_n`` (it passes the hidden tests) and ``w_n`` (how often each test was generated). It has no outputs:
selectors by outputs see whether a test passes as the output, so that their figures are not comparable. One core.
"""

from __future__ import annotations

import argparse
import os
import time

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from meta_agent.selectors import BY_TESTS, SELECTORS, Evidence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("oracle", help="the .npz file")
    with np.load(parser.parse_args().oracle) as arrays:
        held = dict(arrays)
    tasks = range(len(held) // 4)
    evidence = [
        Evidence.of(held[f"E_{n}"], outputs=held[f"E_{n}"].astype(int), ran=held[f"valid_{n}"]) for n in tasks
    ]
    right = [held[f"lab_{n}"] for n in tasks]
    print(f"{'selector':22} {'pass@1':>7} {'seconds':>8}")
    print(f"{'(none)':22} {100 * np.mean([labels.mean() for labels in right]):7.2f}")
    total = 0.0
    for name, selector in SELECTORS.items():
        start = time.perf_counter()
        choices = [selector(seen) for seen in evidence]
        seconds = time.perf_counter() - start
        total += seconds
        share = 100 * np.mean([choice.mean(labels) for choice, labels in zip(choices, right, strict=True)])
        print(f"{name:22} {share if name in BY_TESTS else float('nan'):7.2f} {seconds:8.3f}")
    print(f"{'all of them':22} {'':7} {total:8.3f}")


if __name__ == "__main__":
    main()
