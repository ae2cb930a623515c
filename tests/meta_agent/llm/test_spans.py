"""Spans of model calls: in memory, and over OTLP to a real receiver."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from meta_agent.errors import UserError
from meta_agent.llm import FREE, Backend, Cache, Gateway, Message, Request, ScriptedLLM, open_gateway
from meta_agent.llm.spans import Spans, spans_from_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "sealed-prompt"
ASKED = Request("scripted:a", (Message("user", SECRET),), temperature=0.5, max_tokens=64, sample=3)


def traced(exporter: InMemorySpanExporter, *, content: bool = False) -> Gateway:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Gateway(
        lambda _: Backend(ScriptedLLM(lambda _: "sealed-reply"), None, FREE),
        run="r",
        spans=Spans(provider, content=content),
    )


def test_a_call_is_a_span_without_its_text() -> None:
    exporter = InMemorySpanExporter()
    with traced(exporter) as gateway:
        completion = gateway.complete(ASKED, "meta")
        gateway.complete(ASKED)
    first, again = exporter.get_finished_spans()
    assert (first.name, first.kind) == ("chat scripted:a", SpanKind.CLIENT)
    assert first.attributes is not None
    assert again.attributes is not None
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "scripted:a",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.seed": 3,
        "gen_ai.usage.input_tokens": completion.prompt_tokens,
        "gen_ai.usage.output_tokens": completion.completion_tokens,
        "gen_ai.response.finish_reasons": ("stop",),
        "adas.role": "meta",
        "adas.run": "r",
        "adas.cached": False,
        "adas.cost_usd": 0.0,
    }
    assert dict(first.attributes) == expected
    assert (again.attributes["adas.role"], again.attributes["adas.cached"]) == ("agent", True)
    assert "sealed" not in first.to_json()


def test_a_failure_is_named_by_its_type_only() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def unknown(_: str) -> Backend:
        raise UserError(f"no model for {SECRET}")

    with Gateway(unknown, spans=Spans(provider)) as gateway, pytest.raises(UserError):
        gateway.complete(ASKED)
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "UserError")
    assert SECRET not in span.to_json()


def test_texts_are_there_when_asked_for() -> None:
    exporter = InMemorySpanExporter()
    with traced(exporter, content=True) as gateway:
        gateway.complete(ASKED)
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert SECRET in str(span.attributes["gen_ai.input.messages"])
    assert "sealed-reply" in str(span.attributes["gen_ai.output.messages"])


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An OTLP receiver over HTTP on the loopback."""
    got: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def test_spans_reach_a_receiver_that_the_environment_names(
    receiver: tuple[str, list[ExportTraceServiceRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, got = receiver
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    with open_gateway(cache=Cache(), run="r") as gateway:
        gateway.complete(Request("scripted:tests.meta_agent.llm.test_spans:reply", ASKED.messages))
    (sent,) = got
    (resource,) = sent.resource_spans
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"] == "adas"
    (span,) = resource.scope_spans[0].spans
    assert span.name == "chat scripted:tests.meta_agent.llm.test_spans:reply"
    assert SECRET not in str(sent)


def test_nothing_is_traced_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert spans_from_environment() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert spans_from_environment() is None


def reply(_: Request) -> str:
    return "yes"
