"""A real chat server on the loopback: answers by the hash of the request, and fails when it is told to."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Fault = Callable[[int, str], str]
"""Takes the number of the attempt (0, 1, ...) and the question; returns what goes wrong, or an empty text."""


def healthy(_index: int, _question: str) -> str:
    return ""


def every_third_fails(index: int, _question: str) -> str:
    """Fail a third of the attempts, in turn by a rate limit, a crash and silence."""
    return ("429", "500", "hang")[index // 3 % 3] if index % 3 == 1 else ""


def always(fault: str) -> Fault:
    return lambda _index, _question: fault


def answer(messages: list[dict[str, str]], seed: int | None) -> str:
    """Return the text this server gives to a conversation."""
    text = json.dumps([[m["role"], m["content"]] for m in messages]) + str(seed)
    return "reply " + hashlib.sha256(text.encode()).hexdigest()[:20]


class Endpoint(ThreadingHTTPServer):
    """Serves ``POST /v1/chat/completions`` until the block ends.

    ``seen`` holds the bodies of all attempts, ``came`` their times.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        fault: Fault = healthy,
        *,
        latency: float = 0.0,
        retry_after: str = "0.05",
        reply: Callable[[list[dict[str, str]], int | None], str] = answer,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.fault = fault
        self.latency = latency
        self.retry_after = retry_after
        self.seen: list[dict[str, Any]] = []
        self.came: list[float] = []
        self.keys: set[str] = set()
        self.answered = 0
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that hung up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server, question = self.server, body["messages"][-1]["content"]
        with server.lock:
            index = len(server.seen)
            server.seen.append(body)
            server.came.append(time.monotonic())
            server.keys.add(self.headers.get("Authorization", ""))
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            server.over.wait(server.latency)
            self._respond(server.fault(index, question), body)
        finally:
            with server.lock:
                server.in_flight -= 1

    def _respond(self, fault: str, body: dict[str, Any]) -> None:
        if fault == "hang":
            self.server.over.wait(30)
            self.close_connection = True
        elif fault == "drop":
            self.close_connection = True
        elif fault == "cut":
            self._send(200, b'{"choices": [{"mess')
        elif fault == "html":
            self._send(200, b"<html>Welcome to the hotel Wi-Fi</html>", "text/html")
        elif fault:
            status, _, words = fault.partition(" ")
            said = (words or f"status {status}").replace("KEY", self.headers.get("Authorization", ""))
            self._send(int(status), json.dumps({"error": {"message": said, "code": None}}).encode())
        else:
            with self.server.lock:
                self.server.answered += 1
            self._send(200, json.dumps(self._completion(body)).encode())

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        text = self.server.reply(body["messages"], body.get("seed"))
        size = sum(len(m["content"].encode()) for m in body["messages"])
        usage = {"prompt_tokens": size // 4 + 9, "completion_tokens": 7, "total_tokens": size // 4 + 16}
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        kind = {"id": "c-1", "object": "chat.completion", "created": 1, "model": body["model"]}
        return {**kind, "choices": [choice], "usage": usage}

    def _send(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        if status in (429, 503):
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Stay silent."""
