"""Signers on their way: the tasks and links that belong to each, as sign and deliver make them."""

import itertools
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from shared import sealing, store
from shared.funnel import Counted
from shared.models import Submission, task_body
from shared.sealing import Digester
from shared.tokens import Link, Purpose, Tokens
from tests.bench.settings import BASE
from tests.world import CAMPAIGN

_run = secrets.token_hex(4)
_numbers = itertools.count()
_recipient = sealing.parse_recipient(BASE["DELIVER_RECIPIENT"])
_digester = Digester(BASE["PEPPER"].encode())
_tokens = Tokens([BASE["TOKEN_KEYS"]])


#: As large as what deliver seals to two recipients. What is in it, nobody looks at.
_SEALED = bytes(900)


@dataclass(frozen=True, slots=True)
class Signer:
    """`task`: the body that the queue brings to deliver. `confirm`, `withdraw`: paths of the links.

    `address`, `submission`: what deliver stores, and where.
    """

    address: store.Address
    submission: store.Submission
    task: bytes
    confirm: str
    withdraw: str


def signer() -> Signer:
    """Another one each time."""
    email = f"signer-{_run}-{next(_numbers)}@example.org"
    submission = Submission(
        id=secrets.token_hex(16),
        campaign=CAMPAIGN,
        email=email,
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
    address = _digester.address(CAMPAIGN, email)
    stored = _stored(submission)
    counted = Counted.of(stored)
    confirm = Link(
        CAMPAIGN,
        address.digest,
        "en",
        submission=submission.id,
        country=counted.country,
        day=counted.day,
        source=counted.source or "",
        language=counted.language,
        mailbox=counted.mailbox,
    )
    return Signer(
        address,
        stored,
        task_body(sealing.seal(submission.model_dump_json(), [_recipient])),
        f"/v1/confirm/{_tokens.issue(Purpose.CONFIRM, confirm, datetime.now(UTC))}",
        f"/v1/withdraw/{_tokens.issue(Purpose.WITHDRAW, Link(CAMPAIGN, address.digest, 'en'), datetime.now(UTC))}",
    )


def _stored(submission: Submission) -> store.Submission:
    return store.Submission(
        id=submission.id,
        sealed=_SEALED,
        partner_sealed=None,
        country=submission.country,
        partner=None,
        source=submission.source,
        locale=submission.locale,
        newsletter=None,
        consent_version=submission.consent_version,
        signed_at=submission.signed_at,
        mailbox_class="other",
    )


async def admit(records: store.Store, signers: Iterable[Signer]) -> None:
    """Have all of them wait to be confirmed."""
    for each in signers:
        await records.admit(each.address, each.submission, datetime.now(UTC))
