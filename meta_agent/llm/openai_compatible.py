"""Any server that speaks OpenAI's chat protocol, and what its errors mean to us."""

from __future__ import annotations

import email.utils
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from meta_agent.errors import RequestError, TransientError, UserError
from meta_agent.llm.llm import Completion, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import openai

_RETRIED = frozenset({408, 409, 425, 429})
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"\b(?:sk|pk|rk|key|hf|gsk|xai|AIza)[-_][\w*.-]{6,}|(?<=Bearer )\S+", re.IGNORECASE)
_THIS_ONE = re.compile(
    r"context.?(length|size|window)|too (long|large|many tokens)|maximum.{0,20}tokens"
    r"|content.?(policy|filter)|grammar",
    re.IGNORECASE,
)
_PREFIXES = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception)(?::| -) )*")
_LINE = 300


class OpenAICompatible:
    """A model behind an OpenAI-compatible URL. Safe to use from many threads.

    Args:
        base_url: for example ``http://localhost:8000/v1``.
        model: the server's name of the model.
        api_key: sent to that URL only.
        cost_usd: what every completion costs: 0.0 for one's own server, None when unknown.
        timeout_s: seconds of silence after which an attempt has failed; connecting gets at most ten.
        more: fields of the body beyond OpenAI's own, such as a server's way to take ``request.grammar``.

    Nothing is retried here; what a failed attempt raises is :func:`explain`'s to say.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "none",
        cost_usd: float | None = None,
        timeout_s: float = 120.0,
        more: Callable[[Request], Mapping[str, object]] | None = None,
    ) -> None:
        import httpx
        import openai

        self.base_url = base_url
        self.model = model
        self._key = api_key
        self._cost_usd = cost_usd
        self._timeout_s = timeout_s
        self._more = more
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            timeout=httpx.Timeout(timeout_s, connect=min(10.0, timeout_s)),
        )

    @classmethod
    def open(cls, model: str, timeout_s: float = 120.0) -> OpenAICompatible:
        """Open ``http://host:port/v1#model-name``; the key is ADAS_API_KEY, else OPENAI_API_KEY, else none.

        Raises:
            UserError: the name has another form, or holds a password.
        """
        url, _, name = model.partition("#")
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise UserError(
                f"{parts.scheme}://{parts.hostname}/...: a URL must not hold a user, password or query, "
                "it would be written into the archive; set ADAS_API_KEY instead"
            )
        if not parts.hostname or not name:
            raise UserError(f"{model!r} names no model: expected http://host:port/v1#model-name")
        key = os.environ.get("ADAS_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
        return cls(url, name, key, timeout_s=timeout_s)

    def complete(self, request: Request) -> Completion:
        """Ask once."""
        import openai

        body = self._body(request)
        try:
            reply = self._client.chat.completions.create(**body)
        except openai.OpenAIError as error:
            raise explain(error, f"{self.base_url}#{self.model}", self._timeout_s, self._key) from None
        except json.JSONDecodeError:
            raise TransientError("the server's answer is not JSON") from None
        return read_completion(reply, request, self._cost_usd)

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, **chat_fields(request), "seed": request.sample}
        if request.schema:
            body["response_format"] = response_format(request.schema)
        if self._more is not None:
            body["extra_body"] = dict(self._more(request))
        return body

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._client.close()


def chat_fields(request: Request) -> dict[str, Any]:
    """Return the fields of a chat request that every server understands."""
    fields: dict[str, Any] = {
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
    }
    if request.stop:
        fields["stop"] = list(request.stop)
    return fields


def response_format(schema: str) -> dict[str, Any]:
    """Return the field that constrains a reply to a JSON schema, strictly where the schema allows that.

    Raises:
        RequestError: the schema is no JSON.
    """
    try:
        tree = json.loads(schema)
    except json.JSONDecodeError as error:
        raise RequestError(f"the schema of the reply is no JSON: {error}") from None
    return {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": tree, "strict": _is_strict(tree)},
    }


def _is_strict(tree: object) -> bool:
    """Whether each object of a schema is closed and requires all it names, as OpenAI's strict mode asks."""
    if isinstance(tree, list):
        return all(map(_is_strict, tree))
    if not isinstance(tree, dict):
        return True
    if tree.get("type") == "object" and (
        tree.get("additionalProperties") is not False
        or set(tree.get("required", ())) != set(tree.get("properties", ()))
    ):
        return False
    return all(map(_is_strict, tree.values()))


def read_completion(reply: Any, request: Request, cost_usd: float | None) -> Completion:
    """Return what a chat reply holds; a server that counts no tokens gets them estimated at three bytes each.

    Raises:
        TransientError: the reply is no chat completion (a proxy's page, a cut stream).
    """
    choices = getattr(reply, "choices", None)
    if not choices:
        raise TransientError("the server's answer holds no completion")
    text = (choices[0].message.content or "").encode(errors="replace").decode()
    usage = reply.usage
    if usage is None or not usage.prompt_tokens:
        prompt_tokens = sum(_estimated_tokens(message.content) for message in request.messages)
        completion_tokens = _estimated_tokens(text)
    else:
        prompt_tokens, completion_tokens = usage.prompt_tokens, usage.completion_tokens or 0
    finish = choices[0].finish_reason
    return Completion(
        text, prompt_tokens, completion_tokens, cost_usd, finish="length" if finish == "length" else "stop"
    )


def _estimated_tokens(text: str) -> int:
    return -(-len(text.encode()) // 3)


def explain(
    error: openai.OpenAIError, model: str, timeout_s: float, *secrets: str
) -> TransientError | RequestError | UserError:
    """Return what a client's error means to us, in one line that never holds a key.

    TransientError when another attempt may succeed, RequestError when only this request cannot (too long for
    the model, against its policy), UserError when none can.
    """
    import openai

    if isinstance(error, openai.APITimeoutError):
        return TransientError(f"no answer within {timeout_s:g} s")
    status = getattr(error, "status_code", None)
    said = redact(_message(error), *secrets)
    if isinstance(error, openai.APIConnectionError):
        return TransientError(f"the connection failed: {said}")
    if not isinstance(status, int):
        return TransientError(said) if isinstance(error, openai.APIError) else UserError(f"{model}: {said}")
    if status in (401, 403):
        return UserError(f"{model} refused our key (HTTP {status}): {said}")
    if status == 404:
        return UserError(f"{model} is unknown to its server (HTTP 404): {said}")
    if status == 429 and "insufficient_quota" in str(error):
        return UserError(f"the account for {model} has no quota left: {said}")
    if status in _RETRIED or status >= 500:
        return TransientError(f"HTTP {status}: {said}", retry_after=_retry_after(error))
    if status == 413 or (status == 400 and _THIS_ONE.search(f"{said} {getattr(error, 'code', '')}")):
        return RequestError(f"{model} refused this request (HTTP {status}): {said}")
    return UserError(f"{model} refused the request (HTTP {status}): {said}")


def _message(error: openai.OpenAIError) -> str:
    """Return the server's own words where there are some, else the error's."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(message, str) and message:
            return message
    return _PREFIXES.sub("", str(error.__cause__ or error))


def redact(text: str, *secrets: str) -> str:
    """Return ``text`` as one line without keys: given, in the environment, or looking like one."""
    known = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)} | set(secrets)
    for secret in sorted((value for value in known if len(value) >= 8), key=len, reverse=True):
        text = text.replace(secret, "***")
    line = " ".join(_SECRET_TEXT.sub("***", text).split())
    return line if len(line) <= _LINE else line[: _LINE - 3] + "..."


def _retry_after(error: openai.OpenAIError) -> float | None:
    """Return the seconds that a server asks us to wait, from a number or a date."""
    theirs = getattr(getattr(error, "response", None), "headers", {})
    headers = getattr(error, "litellm_response_headers", None) or theirs
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) * unit
    parsed = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return None if parsed is None else max(0.0, email.utils.mktime_tz(parsed) - time.time())
