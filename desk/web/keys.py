"""The page with a campaign's keys: add and remove them, have them proven, and get the page that makes them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from desk.errors import CommandError
from desk.keys.proofs import complete_proofs, current_proofs, make_test, write_proofs
from desk.keys.prove import name_test
from desk.keys.recipients import MAX_HOLDER_CHARACTERS, add_recipient, holders, remove_recipient
from desk.offline_pages import pages
from desk.web.forms import campaign_id, done_message, hide_secret, read_fields, redirect_done, title
from desk.web.rendering import render
from desk.web.rights import files_read_only
from desk.workspace import campaign_file
from shared import campaigns
from shared.campaigns.model import MIN_RECIPIENTS, Proof
from shared.campaigns.types import THROWAWAY

_LABELS = {
    "recipient": ("Public key", ""),
    "holder": ("Who holds it", ""),
    "answer": ("The answer", ""),
}
#: By its proof's challenge, each test file that was made while this desk is open. The campaign file keeps what
#: the answer is compared with, so an answer that comes later counts as well.
_tests: dict[str, bytes] = {}


async def show_keys(request: Request) -> Response:
    """Show to whose keys a campaign's signatures are sealed, and which of them were proven."""
    return _show(request, {}, {})


def _show(request: Request, values: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    """`errors`: by field."""
    file = campaign_file(campaign_id(request))
    campaign = campaigns.load(file)
    recipients, proofs = list(dict.fromkeys(campaign.sealing.recipients)), current_proofs(campaign.sealing)
    return render(
        "keys.html",
        400 if errors else 200,
        campaign=campaign,
        title=title(campaign),
        file=file.absolute(),
        files_read_only=files_read_only(),
        holders=holders(file),
        keys=[(recipient, proofs.get(recipient)) for recipient in recipients],
        throwaway=THROWAWAY,
        missing=MIN_RECIPIENTS - len({*recipients} - {THROWAWAY}),
        waiting=[proof for proof in proofs.values() if not proof.holds],
        tests=_tests,
        max_holder=MAX_HOLDER_CHARACTERS,
        page_digest=hashlib.sha256(pages.render(pages.KEYS).encode()).hexdigest(),
        labels=_LABELS,
        values={name: hide_secret(value) for name, value in values.items()},
        errors=errors,
        done=done_message(request),
    )


async def add(request: Request) -> Response:
    """Add a public key to the campaign file."""
    campaign, fields = campaign_id(request), await read_fields(request)
    holder = fields.get("holder", "")
    try:
        add_recipient(campaign_file(campaign), fields.get("recipient", ""), holder)
    except CommandError as error:
        field = "holder" if len(holder) > MAX_HOLDER_CHARACTERS else "recipient"
        return _show(request, fields, {field: str(error)})
    return _redirect(campaign, "key_added")


async def remove(request: Request) -> Response:
    """Remove a public key that nobody has proven."""
    campaign, fields = campaign_id(request), await read_fields(request)
    remove_recipient(campaign_file(campaign), fields.get("recipient", ""))
    return _redirect(campaign, "key_removed")


async def ask(request: Request) -> Response:
    """Make the test file for a key. One that waits for its answer stays, unless another one was asked for."""
    campaign, fields = campaign_id(request), await read_fields(request)
    file, recipient = campaign_file(campaign), fields.get("recipient", "")
    proofs = _proofs(file, recipient)
    waits = proofs.get(recipient)
    if waits and waits.holds:
        raise CommandError(
            "This key is proven. A new test would leave it unproven until its holder answers once more, and no "
            "deployment takes a campaign with a key that was not proven."
        )
    if not waits or "again" in fields:
        sealed, proofs[recipient] = make_test(recipient)
        write_proofs(file, proofs.values())
        _tests[proofs[recipient].challenge] = sealed
    return _redirect(campaign, "test_made")


def _proofs(file: Path, recipient: str) -> dict[str, Proof]:
    """Return by public key the proofs of the campaign, which has this key.

    Raises:
        CommandError: it does not.
    """
    sealing = campaigns.load(file).sealing
    if recipient not in sealing.recipients or recipient == THROWAWAY:
        raise CommandError("The campaign has no such key.")
    return current_proofs(sealing)


async def download_test(request: Request) -> Response:
    """Download the test file that a key's holder has to answer."""
    campaign, recipient = campaign_id(request), request.query_params.get("recipient", "")
    waits = _proofs(campaign_file(campaign), recipient).get(recipient)
    if not waits or waits.challenge not in _tests:
        raise CommandError("That test file is no longer here: make another one.")
    return _attachment(_tests[waits.challenge], name_test(campaign, recipient), "application/octet-stream")


async def answer(request: Request) -> Response:
    """Take the answer of a key's holder, which proves the key."""
    campaign, fields = campaign_id(request), await read_fields(request)
    file = campaign_file(campaign)
    sealing = campaigns.load(file).sealing
    try:
        completed = complete_proofs(sealing, [fields.get("answer", "")])
    except CommandError as error:
        return _show(request, fields, {"answer": str(error)})
    write_proofs(file, (current_proofs(sealing) | completed).values())
    return _redirect(campaign, "proven")


async def download_page(_request: Request) -> Response:
    """Download keys.html, with which people make a key and show that it opens, without a network."""
    return _attachment(pages.render(pages.KEYS).encode(), pages.KEYS, "text/html")


def _attachment(content: bytes, name: str, media_type: str) -> Response:
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _redirect(campaign: str, done: str) -> Response:
    return redirect_done(f"/campaigns/{campaign}/keys", done)
