"""What stands between a browser and the pages: who may ask, and what a page may do.

Programs, prompts and replies were written by models. Templates escape them; these headers see to it that a page could
not run or load anything of theirs even if one did not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Guard:
    """Middleware: answers requests to this machine from its own pages, and sends :data:`HEADERS` with every answer."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] = LOOPBACK) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            hosts: Names in the Host header that are answered: a foreign name that leads here (DNS rebinding) is not.
        """
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if refusal := self._refusal(scope["method"], Headers(scope=scope)):
            await PlainTextResponse(refusal, 403)(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> str:
        host, origin = headers.get("host", ""), headers.get("origin")
        if _name(host) not in self.hosts:
            return "This server answers to the names of this machine only."
        if origin is not None and origin != f"http://{host}":
            return "Another site's page asked: only the pages of this server may."
        if method not in ("GET", "HEAD") and origin is None:
            return "A change must come from a page of this server: there is no Origin header."
        return ""


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
