"""vLLM as a child server in a Python environment of its own: the engine for a crowd of requests, GPU or CPU."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from meta_agent.errors import OutageError, RequestError, UserError
from meta_agent.llm.catalogue import models_home
from meta_agent.llm.engines.environment import installed_python
from meta_agent.llm.engines.machine import available_memory, cores, cpu_flags, has_gpu
from meta_agent.llm.openai_compatible import OpenAICompatible

if TYPE_CHECKING:
    from meta_agent.llm.llm import Completion, Request

WeightFormat = Literal["bfloat16", "float16", "float32", "int8"]

CONTEXT = 8192
"""Tokens of prompt and reply that one request may use."""
CONCURRENCY = 64
"""Requests decoded in one batch."""
START_SECONDS = 900.0
"""A first start compiles for minutes on a slow machine; a server that dies is noticed at once."""
REQUEST_SECONDS = 600.0
GIB = 1 << 30

_HERE = Path(__file__).parent
"""Scripts for the other Python lie here. It is started with ``-P``, else this ``vllm.py`` would hide vLLM itself."""


class TooLargeError(UserError):
    """vLLM would need more memory for a model than is free."""


class Vllm:
    """A GGUF model of which vLLM serves the weights, dequantised once and kept beside the GGUF.

    The server listens on a free loopback port, wants a random key, writes to a log file, and dies with this process.

    Args:
        path: the GGUF file.
        context: tokens of prompt and reply together that one request may use.
        concurrency: requests decoded together.
        weight_format: what the linear layers become; default: what this machine multiplies fastest.

    Raises:
        UserError: vLLM is not installed, or cannot read this model.
        TooLargeError: less memory is free than it needs on a CPU.
        OutageError: the server did not start.
    """

    engine = "vllm"

    def __init__(
        self,
        path: Path,
        *,
        context: int = CONTEXT,
        concurrency: int = CONCURRENCY,
        weight_format: WeightFormat | None = None,
    ) -> None:
        python = installed_python()
        if python is None:
            raise UserError("vLLM is not installed: `adas models engine install vllm` does it")
        self.context = context
        self.concurrency = concurrency
        self._closing = threading.Lock()
        self.log = models_home() / "vllm" / f"{path.stem}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        weight_format = weight_format or fastest_format()
        folder = dequantised(path, python, weight_format)
        _want_memory(folder, weight_format)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/v1"
        self.key = secrets.token_hex(16)
        self._scratch = TemporaryDirectory(
            prefix="adas-vllm-", ignore_cleanup_errors=True
        )  # its sockets and locks
        self._server = self._start(python, folder, weight_format, port)
        try:
            self._await_health(port)
        except BaseException:
            self.close()
            raise
        self._client = OpenAICompatible(
            self.url, path.stem, api_key=self.key, cost_usd=0.0, timeout_s=REQUEST_SECONDS, more=_more
        )

    def _start(
        self, python: Path, folder: Path, weight_format: WeightFormat, port: int
    ) -> subprocess.Popen[bytes]:
        command = [
            str(python), "-P", str(_HERE / "launch.py"), "vllm.entrypoints.openai.api_server",
            "--model", str(folder), "--served-model-name", self.log.stem, "--host", "127.0.0.1", "--port", str(port),
            "--max-model-len", str(self.context), "--max-num-seqs", str(self.concurrency), "--enable-prefix-caching",
            "--generation-config", "vllm", "--disable-uvicorn-access-log",
            "--structured-outputs-config", '{"backend": "guidance", "disable_any_whitespace": true}',
            "--dtype", "float32" if weight_format == "float32" else "auto",  # auto makes bfloat16 of float32
            *_device_options(self.context),
        ]  # fmt: skip
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command,
                env=_environment(self.key, self._scratch.name),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_health(self, port: int) -> None:
        import httpx
        from rich.console import Console

        deadline = time.monotonic() + START_SECONDS
        with Console(stderr=True).status(f"starting vLLM for {self.log.stem} (log: {self.log})"):
            while time.monotonic() < deadline:
                if self._server.poll() is not None:
                    raise OutageError(
                        f"vLLM stopped while it started: {_last_error(self.log)} (log: {self.log})"
                    )
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5, trust_env=False).is_success:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.25)
        raise OutageError(f"vLLM did not start within {START_SECONDS:.0f} s (log: {self.log})")

    def complete(self, request: Request) -> Completion:
        """Return one completion.

        Raises:
            RequestError: the prompt and ``max_tokens`` exceed the context, or the grammar or schema does not parse.
            OutageError: the server was closed, or died.
        """
        if request.max_tokens >= self.context:
            raise RequestError(
                f"max_tokens is {request.max_tokens}; {self.log.stem} has {self.context} tokens of context"
            )
        started = time.monotonic()
        completion = self._client.complete(request)
        return replace(completion, seconds=time.monotonic() - started)

    def close(self) -> None:
        """Stop the server and free its memory; idempotent."""
        with self._closing:
            if self._server.stdin is not None:
                self._server.stdin.close()  # the launcher kills its process group when it reads the end
            try:
                self._server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self._server.pid, signal.SIGKILL)
                self._server.wait()
            self._scratch.cleanup()


def _more(request: Request) -> dict[str, object]:
    """Return what is not OpenAI's: llama.cpp's way of sampling and the grammar; a top-p would sort all logits."""
    more: dict[str, object] = {"top_k": 40, "min_p": 0.05}
    if request.grammar:
        more["structured_outputs"] = {"grammar": request.grammar}
    return more


def fastest_format() -> WeightFormat:
    """Return what this machine multiplies fastest.

    Tiles of bfloat16 where there are any, else bytes where VNNI is (a third faster than AVX512-BF16, measured on
    an EPYC that has both), else plain bfloat16, else float32.
    """
    flags = cpu_flags()
    if has_gpu() or "amx_bf16" in flags:
        return "bfloat16"
    if flags & {"avx512_vnni", "avx_vnni"}:
        return "int8"
    return "bfloat16" if "avx512_bf16" in flags else "float32"


def dequantised(path: Path, python: Path, weight_format: WeightFormat) -> Path:
    """Return the folder of safetensors made from a GGUF file, making it on first use (a minute or two).

    Raises:
        UserError: transformers cannot read this GGUF.
    """
    status = path.stat()
    edition = hashlib.sha256(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[
        :8
    ]
    folder = models_home() / "vllm" / f"{path.stem}-{weight_format}-{edition}"
    if folder.is_dir():
        return folder
    from rich.console import Console

    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{path.stem}.dequantise.log")
    command = [str(python), "-P", str(_HERE / "dequantise.py"), str(path), str(folder), weight_format]
    with Console(stderr=True).status(f"dequantising {path.stem}, once"), log.open("ab") as output:
        fcntl.flock(output, fcntl.LOCK_EX)  # another process may be making the same folder: wait for it
        if folder.is_dir():
            return folder
        output.truncate(0)
        made = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    if made.returncode:
        raise UserError(f"{path} cannot be dequantised: {_last_error(log)} (log: {log})")
    return folder


def _want_memory(folder: Path, weight_format: WeightFormat) -> None:
    """Raise :class:`TooLargeError` unless the weights fit; a process killed for memory could take a whole search along.

    float32 linear layers are packed anew beside the weights: 11.4 GB were taken of a file of 6.6 GiB. The rest is for
    vLLM's three processes and the smallest cache.
    """
    if has_gpu():
        return
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    needed = (weights * 7 // 4 if weight_format == "float32" else weights) + 4 * GIB
    if needed > (free := available_memory()):
        raise TooLargeError(
            f"vLLM needs {needed / GIB:.1f} GiB of memory for {folder.name} and {free / GIB:.1f} GiB are free: "
            "close something, or take engine=llamacpp"
        )


def _device_options(context: int) -> list[str]:
    """Return what differs by device: a GPU captures graphs, the CPU runs without compiling.

    On the CPU vLLM's own kernels are taken (a fused norm is five times faster than PyTorch's operations) but for the
    activation, whose kernel is three times slower than PyTorch's. A prompt is never cut into chunks there: vLLM
    0.32 dies of a chunk of a seeded request ("CPU Generator does not use offset").
    """
    if has_gpu():
        return ["--gpu-memory-utilization", "0.4"]
    return [
        "--enforce-eager", "--compilation-config", '{"custom_ops": ["all", "-silu_and_mul"]}',
        "--no-enable-chunked-prefill", "--max-num-batched-tokens", str(context),
    ]  # fmt: skip


def _environment(key: str, scratch: str) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_TOKEN", "_SECRET"))
    }
    return environment | {
        "TMPDIR": scratch,
        "VLLM_API_KEY": key,  # not an argument: those are public
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores())),
        "VLLM_CPU_KVCACHE_SPACE": str(max(1, min(8, available_memory() // (6 * GIB)))),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_error(log: Path) -> str:
    """Return the line of a log that says best what went wrong."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line and "Traceback" not in line]
    return (errors or lines or ["no output"])[-1][-300:]
