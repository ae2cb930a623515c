"""The real E2B, which costs a little: with a key, and on demand."""

from __future__ import annotations

import os

import pytest

from sandboxes import open_sandbox
from sandboxes.promises import examine


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("E2B_API_KEY"), reason="no key for E2B in E2B_API_KEY")
def test_the_promises_are_kept_in_the_cloud():
    with open_sandbox("e2b") as sandbox:
        assert [finding for finding in examine(sandbox) if not finding.kept] == []
