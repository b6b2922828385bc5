"""The desk as an application: its paths, and what it answers where a page cannot be shown."""

from collections.abc import Callable

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from desk.errors import CommandError
from desk.web import keys, new, views
from desk.web.guard import LINK, Guard
from desk.web.rendering import render, style
from desk.web.session import Session
from shared.clock import utc_now
from shared.errors import ConfigurationError, Unavailable


def create_app(session: Session, host: str, stop: Callable[[], None]) -> Starlette:
    """Make the application. `host`: where it is reached, with its port. `stop`: ends the command."""

    async def begin(request: Request) -> Response:
        """Begin the session of the browser that opens the link."""
        if session.is_of(request.cookies):
            return RedirectResponse("/", status_code=303)
        if request.method != "GET":
            return PlainTextResponse("Open the link in a browser.", 405)
        cookie = session.begin(request.query_params.get("token", ""), utc_now())
        if cookie is None:
            return PlainTextResponse(
                "This link does not open the desk: it was used before, or is too old. If it was not you who used "
                "it, somebody else has it; what it opened is closed now. Start undersign desk again.",
                403,
            )
        # A page and no redirect: browsers leave a strict cookie out of what another program has begun.
        answer = HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/">'
            '<title>Undersign</title><p><a href="/">Open the desk</a></p></html>'
        )
        answer.set_cookie(session.cookie_name, cookie, httponly=True, samesite="strict", path="/")
        return answer

    async def end(_request: Request) -> Response:
        """End the command, and with it the session."""
        stop()
        return render("ended.html")

    async def show_style(_request: Request) -> Response:
        return Response(style(), media_type="text/css")

    return Starlette(
        routes=[
            Route(LINK, begin),
            Route("/", views.show_campaigns),
            Route("/style.css", show_style),
            Route("/end", end, methods=["POST"]),
            Route("/new", new.show_new),
            Route("/new", new.begin, methods=["POST"]),
            Route("/campaigns/{campaign}", views.show_numbers),
            Route("/campaigns/{campaign}/pause", views.ask_whether_to_pause),
            Route("/campaigns/{campaign}/pause", views.set_paused, methods=["POST"]),
            Route("/campaigns/{campaign}/partners", views.show_partners),
            Route("/campaigns/{campaign}/partners", views.change_partners, methods=["POST"]),
            Route("/campaigns/{campaign}/keys", keys.show_keys),
            Route("/campaigns/{campaign}/keys/add", keys.add, methods=["POST"]),
            Route("/campaigns/{campaign}/keys/remove", keys.remove, methods=["POST"]),
            Route("/campaigns/{campaign}/keys/test", keys.download_test),
            Route("/campaigns/{campaign}/keys/test", keys.ask, methods=["POST"]),
            Route("/campaigns/{campaign}/keys/answer", keys.answer, methods=["POST"]),
            Route("/keys.html", keys.download_page),
        ],
        exception_handlers={
            404: _not_found,
            CommandError: _refused,
            ConfigurationError: _refused,
            Unavailable: _unavailable,
            ValidationError: _damaged,
        },
        middleware=[Middleware(Guard, host=host, session=session)],
    )


async def _not_found(_request: Request, _error: Exception) -> Response:
    return render("error.html", 404, sentences=["There is no such page on the desk."])


async def _refused(_request: Request, error: Exception) -> Response:
    return render("error.html", 400, sentences=str(error).splitlines())


async def _unavailable(_request: Request, error: Exception) -> Response:
    if str(error) == "PermissionDenied":
        sentence = (
            "Your account may not do this at this deployment: ask who runs it for the rights. Nothing was changed."
        )
    else:
        sentence = f"The database does not answer ({error}). Nothing was changed, as far as is known. Try again."
    return render("error.html", 503, sentences=[sentence])


async def _damaged(_request: Request, _error: Exception) -> Response:
    sentence = "What is stored was written by a newer undersign, or is damaged. Update this one, and try again."
    return render("error.html", 500, sentences=[sentence])
