"""`undersign desk`: serve the desk to the browser of this machine, until it is closed."""

import socket
import sys
import webbrowser
from threading import Thread
from typing import Annotated

import typer
import uvicorn

from desk.terminal.output import errors, out
from desk.web import rendering
from desk.web.application import create_app
from desk.web.guard import LINK
from desk.web.session import Session
from shared.clock import utc_now


def desk(
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser: print the link alone.")
    ] = False,
) -> None:
    """Open the desk in the browser of this machine: from a new campaign to the hand-over of signatures.

    It is reached from this machine alone, by the browser that opens the link; the link works once. Ctrl-C ends it.
    """
    with socket.socket() as listener:
        if sys.platform == "win32":
            # Or another program may listen at the same port, and be given the session's cookie:
            # https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        host = f"127.0.0.1:{port}"
        session = Session(port, utc_now())
        app = create_app(session, host, lambda: setattr(server, "should_exit", True))
        # No access log: the link is a path.
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        server = uvicorn.Server(config)
        link = f"http://{host}{LINK}?token={session.link_token}"
        out.print(f"The desk works on {rendering.place()}.", markup=False)
        out.print(f"It is open at {link}\nThe link works once. Ctrl-C closes the desk.", markup=False)
        errors.quiet = True  # notes of what the pages call, which say the same
        if not no_browser:
            # Beside the server, for some browsers are waited for until they end.
            Thread(target=webbrowser.open, args=(link,), daemon=True).start()
        server.run(sockets=[listener])
