"""``adas archive web``: the archive in a browser."""

from __future__ import annotations

import signal
from contextlib import closing, suppress

import click


@click.command()
@click.option("--archive", "place", metavar="PATH", help="The archive (default: the one `adas search` uses).")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8100, show_default=True, help="0 takes a free one."
)
@click.option("--allow-edit", is_flag=True, help="Let the pages tag, note and pin programs.")
@click.option(
    "--browser/--no-browser", default=True, help="Open it in a browser (default: where there is one)."
)
def web(place: str | None, port: int, allow_edit: bool, browser: bool) -> None:
    """Look at the archive in a browser, while a search fills it or later.

    The server answers this machine only. It shows runs as they go, lineage, code, outcomes, costs and every step of
    every rollout. It writes nothing unless --allow-edit is given; then what is said of a program is added as a record.
    """
    from meta_agent.errors import UserError

    try:
        import uvicorn

        from archive.web.app import build_app
    except ImportError as error:
        raise UserError(f'the viewer needs {error.name}: pip install "meta-agent-search[web]"') from None
    from meta_agent.commands.archive import open_existing
    from meta_agent.commands.serve import listen

    with closing(listen("127.0.0.1", port)) as listening, open_existing(place) as store:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        click.echo(f"{store.name} at {address}  (Ctrl-C ends)", err=True)
        if browser:
            click.launch(address)
        settings = uvicorn.Config(
            build_app(store, allow_edit=allow_edit),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            lifespan="off",
            ws="none",
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run(sockets=[listening])
