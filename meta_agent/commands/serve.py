"""``adas serve``: agents behind an OpenAI-compatible server."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meta_agent.commands.work import Choice, assistant_options, open_workplace

if TYPE_CHECKING:
    from meta_agent.assistant.admission import Keys

LOOPBACK = ("127.0.0.1", "localhost")
KEY_VARIABLE = "ADAS_SERVE_KEY"
_SHOWN = 6


@click.command()
@click.argument("agent", required=False)
@assistant_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0 takes a free one."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Requests worked on at once (default: what the model wants).",
)
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    default=64,
    show_default=True,
    help="Requests that may wait besides.",
)
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path),
    help="TOML file with bearer tokens and their limits.",
)
@click.option(
    "--traces",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what is asked and done in this folder.",
)
def serve(
    agent: str | None,
    choice: Choice,
    host: str,
    port: int,
    workers: int | None,
    queue: int,
    keys_file: Path | None,
    traces: Path | None,
) -> None:
    """Serve agents to anything that speaks OpenAI's chat API.

    AGENT is an archived program (a name, an id, or best), a hand-designed one, a .py file, or a folder that
    `adas deploy` made; without it every measured program of the archive is served. With --keys, or ADAS_SERVE_KEY set,
    clients must send a bearer token. Nothing that is asked is kept, unless --traces says where; secrets are taken out.
    """
    try:
        import uvicorn

        from meta_agent.assistant.server import Service, build_app
    except ImportError as error:
        from meta_agent.errors import UserError

        raise UserError(f'the server needs {error.name}: pip install "meta-agent-search[serve]"') from None
    from meta_agent.assistant.admission import Gate
    from meta_agent.assistant.traces import Traces

    keys = _keys(keys_file, host)
    with closing(listen(host, port)) as listening, open_workplace(choice, agent) as workplace:
        models = workplace.models()
        service = Service(
            workplace.assistant,
            models,
            keys,
            Gate(workers or workplace.concurrency or 16, queue),
            created=int(time.time()),
            hosts=LOOPBACK if host in LOOPBACK and keys.open else ("*",),
            **({"keep": Traces(traces).keep} if traces else {}),
        )
        names = ", ".join(list(models)[:_SHOWN]) + (
            f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
        )
        click.echo(f"Serving {names} on http://{host}:{listening.getsockname()[1]}/v1", err=True)
        settings = uvicorn.Config(
            build_app(service),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
            lifespan="on",
        )
        # Both end the server in good order; uvicorn raises them again when it is done.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[listening])


def _keys(file: Path | None, host: str) -> Keys:
    from meta_agent.assistant.admission import Keys
    from meta_agent.errors import UserError

    keys = Keys.read(file) if file else Keys.single(os.environ.get(KEY_VARIABLE, ""))
    if keys.open and host not in LOOPBACK:
        raise UserError(
            f"{host} can be reached by others: give --keys FILE or set {KEY_VARIABLE}, or listen on 127.0.0.1"
        )
    return keys


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises:
        UserError: The address cannot be had.
    """
    from meta_agent.errors import UserError

    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)  # who connects before the server is up waits
    except OSError as error:
        listening.close()
        raise UserError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
    return listening
