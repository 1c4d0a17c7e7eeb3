"""``cmgit serve``: the home's repositories over HTTP."""

from __future__ import annotations

import signal
from typing import Annotated, Any

import typer

from ..errors import UsageError
from .app import app
from .options import Json
from .output import open_workspace, out


@app.command(
    "serve", epilog="Examples: cmgit serve --git; cmgit serve --git --host=0.0.0.0 --port=8080"
)
def serve(
    git: Annotated[bool, typer.Option("--git", help="For git and other homes, by HTTP.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8417,
    allow_push: Annotated[
        bool, typer.Option("--allow-push", help="Whoever can reach it may push, but to mirrors.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for each request.")] = False,
    json: Json = False,
) -> None:
    """Serve the pulled and mirrored repositories to 'git clone' and 'cmgit pull --from'.

    Prints its URL; GET / lists what is there. Runs until it is interrupted or terminated.
    """
    from ..serve import Server

    if not git:
        raise UsageError("say what to serve", "cmgit serve --git")
    home = open_workspace().home
    with Server(home, host, port, allow_push, out.note if verbose else None) as server:
        signal.signal(signal.SIGTERM, _stop)
        try:
            if json:
                out.json({"url": server.url})
            else:
                out.line(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            out.note("stopped")


def _stop(*_: Any) -> None:
    raise KeyboardInterrupt
