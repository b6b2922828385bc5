"""The pages for signers who ask what is kept of them, or want it deleted (GDPR, Articles 15 and 17).

An address is taken by POST alone, and every answer to that leads elsewhere: it stands in no URL, title, log or
history of the browser, and on no page. Between the question and the erasure it is kept in the memory of the desk.

What `access` finds is about a person, so it is written into a private file as the command does, which nobody else
of this machine may read; a download would lie in a folder that many synchronise. A receipt tells nothing about
whom it concerns, so it is shown, and may be downloaded, besides.
"""

import secrets
from dataclasses import dataclass
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
from desk.web.forms import read_fields
from desk.web.jobs import Work, jobs
from desk.web.rendering import render
from shared.clock import utc_now
from shared.models.fields import check_email

_HOME = "/privacy"
_ACCESS = "access"
_ERASE = "erase"
#: Why an address was not taken, by what stands in the query.
_FAULTS = {
    "address": "That is no email address. Write it as the person does, as in ann@example.org.",
    "busy": "Another address is being looked for. Wait until that has ended.",
    "gone": "Nothing is asked for any more, and nothing was changed. Write the address again.",
}
_LABELS = {"address": "Email address"}


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether to erase an address, asked once more. `reference`: stands for it in the page and its URL."""

    reference: str
    address: str


class PrivacyPages:
    """The pages of access and erasure of one desk, and what they remember between two requests."""

    def __init__(self) -> None:
        self._question = _Question("", "")
        #: The reference of the question that was answered last, and what became of it.
        self._answered = ""
        self._receipt = Path()
        self._erasure: Erasure | None = None

    async def show(self, request: Request) -> Response:
        """Show the form for an address."""
        fault = _FAULTS.get(request.query_params.get("fault", ""))
        return render("privacy.html", labels=_LABELS, faults=[("address", fault)] if fault else [])

    async def take_address(self, request: Request) -> Response:
        """Look for what is kept of an address, or ask once more whether to erase it."""
        fields = await read_fields(request)
        try:
            address = check_email(fields.get("address", ""))
        except PydanticCustomError:
            return _refuse("address")
        if fields.get("do") == _ERASE:
            self._question = _Question(secrets.token_urlsafe(), address)
            return RedirectResponse(f"{_HOME}/{_ERASE}?question={self._question.reference}", status_code=303)
        if _is_running(request, _ACCESS):
            return _refuse("busy")
        file = _new_file("access", "json")

        async def work(progress: Progress) -> AccessAnswer:
            return await write_answer(load_rights(), address, file, progress)

        return await _start(request, _ACCESS, "Access", work)

    async def show_access(self, request: Request) -> Response:
        """Show where the answer lies, and nothing of what it says."""
        if job := jobs(request).get("", _ACCESS):
            return render("access.html", job=job)
        return _refuse("gone")

    async def show_erasure(self, request: Request) -> Response:
        """Ask once more; or show how far the last erasure has come, or its receipt."""
        if self._asks(request.query_params.get("question", "")):
            return render("erase_question.html", reference=self._question.reference)
        if not (job := jobs(request).get("", _ERASE)):
            return _refuse("gone")
        return render("erase.html", job=job, erasure=self._erasure, receipt=self._receipt)

    async def erase(self, request: Request) -> Response:
        """Erase the address that was asked about; pressed twice, only once."""
        given = (await read_fields(request)).get("question", "")
        if given and given == self._answered:
            return RedirectResponse(f"{_HOME}/{_ERASE}", status_code=303)
        if not self._asks(given):
            return _refuse("gone")
        if _is_running(request, _ERASE):
            return _refuse("busy")
        rights = load_rights()
        self._erasure = erasure = Erasure(new_run(rights))
        self._receipt = receipt = _new_file("receipt", "txt")
        self._question, self._answered, address = _Question("", ""), given, self._question.address

        async def work(progress: Progress) -> None:
            await erase_one(rights, {address: erasure}, None, receipt, progress)

        return await _start(request, _ERASE, "Erasure", work)

    async def download_receipt(self, _request: Request) -> Response:
        """Give out the last receipt."""
        if not self._receipt.is_file():
            raise HTTPException(404)
        return FileResponse(self._receipt, filename=self._receipt.name)

    def _asks(self, reference: str) -> bool:
        return bool(reference) and secrets.compare_digest(reference.encode(), self._question.reference.encode())


def _is_running(request: Request, kind: str) -> bool:
    job = jobs(request).get("", kind)
    return job is not None and job.is_running


async def _start(request: Request, kind: str, title: str, work: Work) -> Response:
    await jobs(request).start("", kind, title, work).wait()
    return RedirectResponse(f"{_HOME}/{kind}", status_code=303)


def _refuse(fault: str) -> Response:
    """Lead to the form, which says why. `fault`: a key of `_FAULTS`."""
    return RedirectResponse(f"{_HOME}?fault={fault}", status_code=303)


def _new_file(what: str, suffix: str) -> Path:
    """Return a file in the folder that the desk was started in, named after the moment, to the microsecond."""
    return Path.cwd() / f"{what}-{utc_now():%Y-%m-%d-%H%M%S-%f}.{suffix}"
