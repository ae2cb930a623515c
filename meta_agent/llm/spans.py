"""Model calls as OpenTelemetry spans, after the semantic conventions for generative AI (``gen_ai.*``).

Spans come out only where the standard variables name a receiver (``OTEL_EXPORTER_OTLP_ENDPOINT`` or
``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``; OTLP over HTTP). No text of a prompt, a reply or an error is in them, unless
``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`` asks for prompts and replies. A receiver that is away loses
spans; it never fails a call.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import TracerProvider

    from meta_agent.llm.llm import Completion, Request

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Spans:
    """Puts a span round each model call.

    Args:
        provider: Where spans go; it is shut down by :meth:`close`.
        content: Put prompts and replies into the spans too.
    """

    def __init__(self, provider: TracerProvider, *, content: bool = False) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("meta_agent")
        self._content = content

    def around(self, request: Request, role: str, run: str, complete: Callable[[], Completion]) -> Completion:
        """Return what ``complete`` returns, measured by a span; what it raises is named there by its type only."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        asked: dict[str, str | int | float] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _provider(request.model),
            "gen_ai.request.model": request.model,
            "gen_ai.request.temperature": request.temperature,
            "gen_ai.request.max_tokens": request.max_tokens,
            "gen_ai.request.seed": request.sample,
            "adas.role": role,
            "adas.run": run,
        }
        with self._tracer.start_as_current_span(
            f"chat {request.model}",
            kind=SpanKind.CLIENT,
            attributes=asked,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                completion = complete()
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise
            span.set_attribute("gen_ai.usage.input_tokens", completion.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", completion.completion_tokens)
            span.set_attribute("gen_ai.response.finish_reasons", [completion.finish])
            span.set_attribute("adas.cached", completion.cached)
            if completion.cost_usd is not None:
                span.set_attribute("adas.cost_usd", completion.cost_usd)
            if self._content:
                said = [{"role": m.role, "parts": [_part(m.content)]} for m in request.messages]
                reply = {
                    "role": "assistant",
                    "parts": [_part(completion.text)],
                    "finish_reason": completion.finish,
                }
                span.set_attribute("gen_ai.input.messages", json.dumps(said))
                span.set_attribute("gen_ai.output.messages", json.dumps([reply]))
            return completion

    def close(self) -> None:
        """Send what waits, and stop."""
        self._provider.shutdown()


def spans_from_environment() -> Spans | None:
    """Return what the OpenTelemetry variables ask for; None when they name no receiver.

    Raises:
        UserError: They name one, and OpenTelemetry is not installed.
    """
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if off or not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError(
            f"{' or '.join(_ENDPOINTS)} is set, but {error.name} is missing: "
            'pip install "meta-agent-search[otel]", or unset it'
        ) from None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "adas"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider, content=os.environ.get(_CONTENT, "").lower() == "true")


def _provider(model: str) -> str:
    if model.startswith(("http://", "https://")):
        return "openai-compatible"
    return model.split("/", 1)[0].split(":", 1)[0]


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}
