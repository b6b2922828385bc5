"""Signers with their tasks and links, as sign and deliver create them."""

import itertools
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from shared import store
from shared.crypto import sealing
from shared.crypto.digest import Digester
from shared.crypto.tokens import Link, Purpose, Tokens
from shared.mail import links
from shared.models.messages import SubmissionMessage, TaskBody
from shared.models.sealed import SealedSignature
from shared.store.entities import Address, Submission
from tests.bench.settings import BASE, IDENTITIES
from tests.support.deployment import CAMPAIGN

_run = secrets.token_hex(4)
_numbers = itertools.count()
_recipient = sealing.parse_recipient(BASE["DELIVER_RECIPIENT"])
_digester = Digester(BASE["PEPPER"].encode())
_tokens = Tokens([BASE["TOKEN_KEYS"]])


#: The organisers' sealed record, the same for all signers, so that it is sealed only once.
_SIGNATURE = SealedSignature(email="ann@example.org", name="Ann Example", locale="en", country="DE")
_SEALED = sealing.seal(_SIGNATURE.model_dump_json(), [IDENTITIES.campaign.to_public()] * 2)


@dataclass(frozen=True, slots=True)
class Signer:
    """A signer. `task`: the body that the queue sends to deliver. `confirm`, `withdraw`: paths of the links.

    `address`, `submission`: what deliver stores.
    """

    address: Address
    submission: Submission
    task: bytes
    confirm: str
    withdraw: str


def submission() -> SubmissionMessage:
    """Return a submission with a new address."""
    return SubmissionMessage(
        id=secrets.token_hex(16),
        campaign=CAMPAIGN,
        email=f"signer-{_run}-{next(_numbers)}@example.org",
        name="Ann Example",
        country="DE",
        locale="en",
        consent_version="2026-01",
        partner=None,
        source="mail",
        newsletter=None,
        postal_code=None,
        signed_at=datetime.now(UTC),
    )


def signer() -> Signer:
    """Return a new signer."""
    message = submission()
    address = _digester.address(CAMPAIGN, message.email)
    stored = _stored(message)
    confirm = links.to_confirm(address, stored, "en")
    return Signer(
        address,
        stored,
        TaskBody(sealed=sealing.seal(message.model_dump_json(), [_recipient])).model_dump_json().encode(),
        f"/v1/confirm/{_tokens.issue(Purpose.CONFIRM, confirm, datetime.now(UTC))}",
        f"/v1/withdraw/{_tokens.issue(Purpose.WITHDRAW, Link(CAMPAIGN, address.digest, 'en'), datetime.now(UTC))}",
    )


def _stored(message: SubmissionMessage) -> Submission:
    return Submission(
        id=message.id,
        sealed=_SEALED,
        partner_sealed=None,
        country=message.country,
        partner=None,
        source=message.source,
        locale=message.locale,
        newsletter=None,
        consent_version=message.consent_version,
        signed_at=message.signed_at,
        mailbox_class="other",
    )


async def admit(records: store.Store, signers: Iterable[Signer]) -> None:
    """Store all of them as pending."""
    for each in signers:
        await records.admit(each.address, each.submission, datetime.now(UTC))
