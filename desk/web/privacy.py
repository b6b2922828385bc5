"""The pages for signers who ask what is kept of them, or want it deleted (GDPR, Articles 15 and 17).

An address is taken by POST alone, and every answer to that leads elsewhere: it stands in no URL, title, log or
history of the browser, and on no page. Between the question and the erasure it is kept in the memory of the desk.

What `access` finds is about a person, so it is written into a private file as the command does, which nobody else
of this machine may read; a download would lie in a folder that many synchronise. A receipt tells nothing about
whom it concerns, so it is shown, and may be downloaded, besides.
"""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from desk.progress import Progress
from desk.rights.access import AccessAnswer, write_answer
from desk.rights.erase import erase_one, new_run
from desk.rights.receipt import Erasure
from desk.rights.search import load_rights
from desk.runtime import Rights
from desk.settings import RightsSettings, load_for_desk
from desk.web.forms import read_fields
from desk.web.jobs import Job, Work, jobs
from desk.web.rendering import render
from shared.clock import utc_now
from shared.models.fields import check_email

_HOME = "/privacy"
_ACCESS = "access"
_ERASE = "erase"
_NO_ADDRESS = "That is no email address. Write it as the person does, as in ann@example.org."
_ANOTHER_ADDRESS = "This is not the address that you wrote before."
#: Why the form is shown in place of another page, by what stands in the query.
_FAULTS = {
    "address": _NO_ADDRESS,
    "gone": "Nothing is asked for any more, and nothing was changed just now. Write the address again.",
}
_LABELS = {"address": "Email address"}
#: So long an erasure may be asked about. After that, nobody is sure which address it was.
QUESTION_TTL = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether to erase an address, asked once more. `reference`: stands for it in the page and its URL."""

    reference: str
    address: str
    expires_at: datetime


@dataclass(slots=True)
class _Erasing:
    """One erasure. `receipt`: its file. `erasure`: what is gone; None until something may be."""

    receipt: Path
    erasure: Erasure | None = None


class PrivacyPages:
    """The pages of access and erasure of one desk, and what they remember between two requests.

    Each answer has a reference in its URL, so that no page shows what concerns somebody else.
    """

    def __init__(self) -> None:
        self._question: _Question | None = None
        #: By the reference of their questions.
        self._erasures = dict[str, _Erasing]()
        #: One erasure after another: each waits until what it removed has left no trace in the database.
        self._turn = asyncio.Lock()

    async def show(self, request: Request) -> Response:
        """Show the form for an address."""
        fault = _FAULTS.get(request.query_params.get("fault", ""))
        return render("privacy.html", labels=_LABELS, faults=[("address", fault)] if fault else [])

    async def take_address(self, request: Request) -> Response:
        """Look for what is kept of an address, or ask once more whether to erase it."""
        fields = await read_fields(request)
        address = _address(fields.get("address", ""))
        if not address:
            return _refuse("address")
        reference = secrets.token_urlsafe()
        if fields.get("do") == _ERASE:
            self._question = _Question(reference, address, utc_now() + QUESTION_TTL)
            return _redirect(_ERASE, reference)
        file = _new_file("access", "json")

        async def work(progress: Progress) -> AccessAnswer:
            return await write_answer(await _load_rights(), address, file, progress)

        return await _start(request, _ACCESS, reference, "Access", work)

    async def show_access(self, request: Request) -> Response:
        """Show where the answer lies, and nothing of what it says."""
        if job := _job(request, _ACCESS, _reference(request)):
            return render("access.html", job=job)
        return _refuse("gone")

    async def show_erasure(self, request: Request) -> Response:
        """Ask once more; or show how far an erasure has come, or its receipt."""
        reference = _reference(request)
        if self._open_question(reference):
            return _ask(reference)
        job = _job(request, _ERASE, reference)
        if job is None:
            return _refuse("gone")
        return render("erase.html", job=job, reference=reference, erasing=self._erasures[reference])

    async def erase(self, request: Request) -> Response:
        """Erase the address that was asked about and is written once more; pressed twice, only once."""
        fields = await read_fields(request)
        reference = fields.get("question", "")
        if reference in self._erasures:
            return _redirect(_ERASE, reference)
        question = self._open_question(reference)
        if question is None:
            return _refuse("gone")
        again, address = _address(fields.get("address", "")), question.address
        if again.casefold() != address.casefold():
            return _ask(reference, _ANOTHER_ADDRESS if again else _NO_ADDRESS)
        self._question = None
        self._erasures[reference] = erasing = _Erasing(_new_file("receipt", "txt"))

        async def work(progress: Progress) -> None:
            async with self._turn:
                rights = await _load_rights()
                erasing.erasure = Erasure(new_run(rights))
                await erase_one(rights, {address: erasing.erasure}, None, erasing.receipt, progress)

        return await _start(request, _ERASE, reference, "Erasure", work)

    async def download_receipt(self, request: Request) -> Response:
        """Give out a receipt."""
        erasing = self._erasures.get(_reference(request))
        if erasing is None or not erasing.receipt.is_file():
            raise HTTPException(404)
        return FileResponse(erasing.receipt, filename=erasing.receipt.name)

    def _open_question(self, reference: str) -> _Question | None:
        """Return the question with this reference, if it was asked last and not long ago."""
        question = self._question
        if question is None or utc_now() >= question.expires_at:
            return None
        return question if secrets.compare_digest(reference.encode(), question.reference.encode()) else None


async def _load_rights() -> Rights:
    """Load the settings in a thread, for gcloud takes seconds to read the secrets, and wire what they name."""
    return load_rights(await asyncio.to_thread(load_for_desk, RightsSettings))


def _address(given: str) -> str:
    """Return an email address that was written into a form; empty if that is no address."""
    try:
        return check_email(given)
    except PydanticCustomError:
        return ""


def _reference(request: Request) -> str:
    return request.query_params.get("question", "")


def _job(request: Request, kind: str, reference: str) -> Job | None:
    return jobs(request).get("", f"{kind} {reference}")


async def _start(request: Request, kind: str, reference: str, title: str, work: Work) -> Response:
    await jobs(request).start("", f"{kind} {reference}", title, work).wait()
    return _redirect(kind, reference)


def _redirect(kind: str, reference: str) -> Response:
    return RedirectResponse(f"{_HOME}/{kind}?question={reference}", status_code=303)


def _ask(reference: str, fault: str = "") -> Response:
    """Ask once more. What was written is not shown again: an address stands on no page."""
    return render(
        "erase_question.html",
        400 if fault else 200,
        reference=reference,
        labels=_LABELS,
        faults=[("address", fault)] if fault else [],
    )


def _refuse(fault: str) -> Response:
    """Lead to the form, which says why. `fault`: a key of `_FAULTS`."""
    return RedirectResponse(f"{_HOME}?fault={fault}", status_code=303)


def _new_file(what: str, suffix: str) -> Path:
    """Return a file in the folder that the desk was started in, named after the moment, to the microsecond."""
    return Path.cwd() / f"{what}-{utc_now():%Y-%m-%d-%H%M%S-%f}.{suffix}"
