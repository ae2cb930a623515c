"""What a server counts, in Prometheus' form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from meta_agent.assistant.admission import Gate
    from meta_agent.assistant.assistant import Answer

_BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


class Metrics:
    """The counters of one server."""

    def __init__(self, gate: Gate) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "adas_requests",
            "Chat requests, by what came of them",
            ["model", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "adas_request_seconds",
            "Seconds of work on a request",
            ["model"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._calls = Counter(
            "adas_model_calls", "Inner calls of language models", ["model"], registry=self._registry
        )
        self._tokens = Counter(
            "adas_tokens", "Tokens of inner calls", ["model", "kind"], registry=self._registry
        )
        for name, words, read in (
            ("adas_requests_working", "Requests that are being worked on", lambda: gate.working),
            ("adas_requests_waiting", "Requests that wait for their turn", lambda: gate.waiting),
        ):
            Gauge(name, words, registry=self._registry).set_function(read)

    def ended(self, model: str, outcome: str) -> None:
        """Count a request: ``answered``, ``failed``, ``cancelled``, ``refused`` or ``outage``."""
        self._requests.labels(model, outcome).inc()

    def worked(self, model: str, answer: Answer) -> None:
        """Count what an answer took."""
        self._seconds.labels(model).observe(answer.seconds)
        self._calls.labels(model).inc(answer.calls)
        self._tokens.labels(model, "prompt").inc(answer.prompt_tokens)
        self._tokens.labels(model, "completion").inc(answer.completion_tokens)

    def text(self) -> bytes:
        """Return all counters."""
        return generate_latest(self._registry)
