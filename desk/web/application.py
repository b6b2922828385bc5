"""The desk as an application: its paths, and what it answers where a page cannot be shown."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from desk.terminal.output import out
from desk.web import (
    audits,
    delivery,
    editor,
    exports,
    hand_overs,
    held,
    keys,
    mail,
    new,
    paper,
    purges,
    translations,
    views,
)
from desk.web.explain import EXPLAINED, explain
from desk.web.guard import LINK, Guard
from desk.web.jobs import Jobs, jobs
from desk.web.privacy import PrivacyPages
from desk.web.rendering import render, style
from desk.web.rights import ReadOnly
from desk.web.session import LinkRefused, Session
from shared.clock import utc_now

_SCRIPTS = Path(__file__).parent / "scripts"


def create_app(session: Session, host: str, stop: Callable[[], None]) -> Starlette:
    """Make the application. `host`: where it is reached, with its port. `stop`: ends the command."""

    async def begin(request: Request) -> Response:
        """Begin the session of the browser that opens the link."""
        if session.is_of(request.cookies):
            return RedirectResponse("/", status_code=303)
        if request.method != "GET":
            return PlainTextResponse("Open the link in a browser.", 405)
        try:
            cookie = session.begin(request.query_params.get("token", ""), utc_now())
        except LinkRefused as refused:
            return PlainTextResponse(str(refused), 403)
        # A page and no redirect: browsers leave a strict cookie out of what another program has begun.
        answer = HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/">'
            '<title>Undersign</title><p><a href="/">Open the desk</a></p></html>'
        )
        answer.set_cookie(session.cookie_name, cookie, httponly=True, samesite="strict", path="/")
        return answer

    async def end(request: Request) -> Response:
        """End the command, and with it the session and what it has begun."""
        unfinished = await jobs(request).stop()
        stop()
        return render("ended.html", unfinished=unfinished)

    async def show_style(_request: Request) -> Response:
        return Response(style(), media_type="text/css")

    async def show_script(request: Request) -> Response:
        return FileResponse(_SCRIPTS / Path(request.scope["path"]).name, media_type="text/javascript")

    app = Starlette(
        routes=[
            Route(LINK, begin),
            Route("/", views.show_campaigns),
            Route("/style.css", show_style),
            Route("/refresh.js", show_script),
            Route("/editor.js", show_script),
            Route("/end", end, methods=["POST"]),
            Route("/new", new.show_new),
            Route("/new", new.begin, methods=["POST"]),
            Route("/campaigns/{campaign}", views.show_numbers),
            Route("/campaigns/{campaign}/pause", views.ask_whether_to_pause),
            Route("/campaigns/{campaign}/pause", views.set_paused, methods=["POST"]),
            Route("/campaigns/{campaign}/proof-of-work", views.ask_for_proof_of_work),
            Route("/campaigns/{campaign}/proof-of-work", views.set_proof_of_work, methods=["POST"]),
            Route("/campaigns/{campaign}/mail", mail.show_mail),
            Route("/campaigns/{campaign}/held", held.show_held),
            Route("/campaigns/{campaign}/held/look", held.look, methods=["POST"]),
            Route("/campaigns/{campaign}/held/choose", held.choose, methods=["POST"]),
            Route("/campaigns/{campaign}/held/undo", held.choose_undo, methods=["POST"]),
            Route("/campaigns/{campaign}/held/choice", held.show_choice),
            Route("/campaigns/{campaign}/held/change", held.change, methods=["POST"]),
            Route("/campaigns/{campaign}/partners", views.show_partners),
            Route("/campaigns/{campaign}/partners", views.change_partners, methods=["POST"]),
            Route("/campaigns/{campaign}/edit", editor.lead_to_editor),
            Route("/campaigns/{campaign}/edit/languages", translations.show_languages),
            Route("/campaigns/{campaign}/edit/languages", translations.change_languages, methods=["POST"]),
            Route(
                "/campaigns/{campaign}/edit/{section:path}/preview", editor.show_preview, methods=["GET", "POST"]
            ),
            Route("/campaigns/{campaign}/edit/{section:path}", editor.show_section),
            Route("/campaigns/{campaign}/edit/{section:path}", editor.save_section, methods=["POST"]),
            Route("/campaigns/{campaign}/keys", keys.show_keys),
            Route("/campaigns/{campaign}/keys/add", keys.add, methods=["POST"]),
            Route("/campaigns/{campaign}/keys/remove", keys.remove, methods=["POST"]),
            Route("/campaigns/{campaign}/keys/test", keys.download_test),
            Route("/campaigns/{campaign}/keys/test", keys.ask, methods=["POST"]),
            Route("/campaigns/{campaign}/keys/answer", keys.answer, methods=["POST"]),
            Route("/keys.html", keys.download_page),
            *_after_the_campaign(),
        ],
        exception_handlers={404: _not_found, **dict.fromkeys(EXPLAINED, _failed)},
        middleware=[Middleware(Guard, host=host, session=session), Middleware(ReadOnly)],
        lifespan=_stop_jobs,
    )
    app.state.jobs = Jobs()
    app.state.pressed = {}
    return app


def _after_the_campaign() -> Sequence[Route]:
    privacy = PrivacyPages()
    return [
        Route("/campaigns/{campaign}/after", delivery.show_steps),
        Route("/campaigns/{campaign}/audit", audits.show_audit),
        Route("/campaigns/{campaign}/audit", audits.start_audit, methods=["POST"]),
        Route("/campaigns/{campaign}/audit/repair", audits.ask_whether_to_repair),
        Route("/campaigns/{campaign}/audit/repair", audits.repair, methods=["POST"]),
        Route("/campaigns/{campaign}/paper", paper.show_paper),
        Route("/campaigns/{campaign}/paper", paper.add_paper, methods=["POST"]),
        Route("/campaigns/{campaign}/exports", exports.show_exports),
        Route("/campaigns/{campaign}/exports", exports.start_export, methods=["POST"]),
        Route("/campaigns/{campaign}/exports/{folder}/{file}", exports.download),
        Route("/campaigns/{campaign}/hand-over", hand_overs.show_hand_overs),
        Route("/campaigns/{campaign}/hand-over", hand_overs.record, methods=["POST"]),
        Route("/campaigns/{campaign}/purge", purges.show_purge),
        Route("/campaigns/{campaign}/purge", purges.purge, methods=["POST"]),
        Route("/privacy", privacy.show),
        Route("/privacy", privacy.take_address, methods=["POST"]),
        Route("/privacy/access", privacy.show_access),
        Route("/privacy/erase", privacy.show_erasure),
        Route("/privacy/erase", privacy.erase, methods=["POST"]),
        Route("/privacy/receipt", privacy.download_receipt),
    ]


@asynccontextmanager
async def _stop_jobs(app: Starlette) -> AsyncIterator[None]:
    """Stop what still runs at the end of the desk, and say so."""
    yield
    for title in await app.state.jobs.stop():
        out.print(f"Not finished: {title}. Begin it again the next time.", markup=False)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return render("error.html", 404, sentences=["There is no such page on the desk."])


async def _failed(_request: Request, error: Exception) -> Response:
    status, sentences = explain(error)
    return render("error.html", status, sentences=sentences)
