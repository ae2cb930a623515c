from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from meta_agent.selectors import Evidence


class Oracle:
    """CodeGen-16B's samples for the 164 HumanEval tasks on its own tests, and which sample is right."""

    def __init__(self, file: Path) -> None:
        with np.load(file) as arrays:
            self._arrays = dict(arrays)
        self.tasks = range(len(self._arrays) // 4)

    def evidence(self, task: int, repeated: bool = False) -> Evidence:
        """Return the pass matrix; with ``repeated`` a test is there as often as it was generated."""
        passed = self._arrays[f"E_{task}"]
        if repeated:
            passed = np.repeat(passed, self._arrays[f"w_{task}"], axis=1)
        return Evidence.of(passed, ran=self._arrays[f"valid_{task}"])

    def right(self, task: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._arrays[f"lab_{task}"]


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    folder = os.environ.get("ADAS_DATA")
    file = Path(folder or ".").parent / "oracles/codet_humaneval_codegen16b.npz"
    if not folder or not file.exists():
        pytest.skip("ADAS_DATA is not set, or has no folder `oracles` beside it with the CodeT samples")
    return Oracle(file)
