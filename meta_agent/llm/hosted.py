"""Hosted models, whoever hosts them, through litellm."""

from __future__ import annotations

import atexit
import logging
import os
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from meta_agent.errors import UserError
from meta_agent.llm.budget import Price
from meta_agent.llm.openai_compatible import chat_fields, explain, read_completion, response_format

if TYPE_CHECKING:
    from meta_agent.llm.llm import Completion, Request

KEYLESS = "or use a model that needs none: local/qwen2.5-coder-0.5b"


class Hosted:
    """A model under litellm's name for it (``anthropic/...``, ``openai/...``). Safe to use from many threads.

    The key comes from the provider's environment variable, the price from the cost map that litellm ships.
    Nothing is retried here; what a failed attempt raises is :func:`explain`'s to say.

    Args:
        model: litellm's name.
        timeout_s: seconds of silence after which an attempt has failed.

    Raises:
        UserError: litellm knows no such provider, or its key is missing.
    """

    def __init__(self, model: str, timeout_s: float = 120.0) -> None:
        self.model = model
        self._timeout_s = timeout_s
        self._litellm = _import_litellm()
        self._name, self._provider = self._resolve()
        self._require_key()
        self.price = self._price()
        """List price; None when litellm's cost map does not have it."""
        kinds = {"model": self._name, "custom_llm_provider": self._provider}
        self._takes_seed = "seed" in (self._litellm.get_supported_openai_params(**kinds) or ())
        self._takes_schema = bool(self._litellm.supports_response_schema(**kinds))

    def complete(self, request: Request) -> Completion:
        """Ask once."""
        import openai

        body = self._body(request)
        try:
            reply = self._litellm.completion(**body)
        except openai.OpenAIError as error:
            raise explain(error, self.model, self._timeout_s) from None
        completion = read_completion(reply, request, None)
        return self._priced(reply, completion)

    def close(self) -> None:
        """Do nothing: litellm keeps its connections for the whole process."""

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            **chat_fields(request),
            "timeout": self._timeout_s,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,
        }
        if self._takes_seed:
            body["seed"] = request.sample
        if request.schema and self._takes_schema:
            body["response_format"] = response_format(request.schema)
        return body

    def _resolve(self) -> tuple[str, str]:
        from openai import BadRequestError

        try:
            name, provider, *_ = self._litellm.get_llm_provider(self.model)
        except BadRequestError:
            raise UserError(
                f"{self.model!r} is no model we know: expected local/NAME, http://host:port/v1#NAME, "
                "scripted:MODULE:FUNCTION, or PROVIDER/NAME such as openai/gpt-4o-mini"
            ) from None
        return str(name), str(provider)

    def _require_key(self) -> None:
        """Refuse a model whose key is missing; other credentials (profiles, files) show at the first call."""
        missing = self._litellm.validate_environment(self.model)["missing_keys"]
        if missing and all(name.endswith("_API_KEY") for name in missing):
            raise UserError(f"{self.model} needs a key: set {' or '.join(missing)}, {KEYLESS}")

    def _price(self) -> Price | None:
        listed = self._litellm.model_cost
        entry = listed.get(self.model) or listed.get(self._name, {})
        prompt, completion = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
        if prompt is None or completion is None or entry.get("litellm_provider") != self._provider:
            return None
        return Price(float(prompt), float(completion))

    def _priced(self, reply: Any, completion: Completion) -> Completion:
        """Add the dollars: litellm's figure, which knows discounts, else by the list price, if any."""
        if self.price is None:
            return completion
        figure = getattr(reply, "_hidden_params", {}).get("response_cost")
        listed = self.price.of(completion.prompt_tokens, completion.completion_tokens)
        return replace(completion, cost_usd=listed if figure is None else float(figure))


@cache
def _import_litellm() -> Any:
    """Import litellm, silent and without any message home."""
    import httpx

    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm

        litellm.ModelResponse()  # builds pydantic models that warn, once
        with suppress(ImportError):  # so does this, which newer versions import in the first call
            import_module("litellm.llms.github_copilot.per_user_auth")

    litellm.client_session = httpx.Client(follow_redirects=True, limits=httpx.Limits(max_connections=None))
    atexit.register(litellm.client_session.close)
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm
