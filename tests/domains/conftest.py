"""Fixtures of the domain tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sandboxes import ProcessSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def sandbox() -> Iterator[ProcessSandbox]:
    with ProcessSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def data_folder() -> str:
    """The folder with benchmark files, without which a test cannot run."""
    folder = os.environ.get("ADAS_DATA")
    if not folder:
        pytest.skip("ADAS_DATA is not set: it must name a folder with benchmark files")
    return folder
