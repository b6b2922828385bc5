"""The store on Firestore in native mode.

One read and one conditional commit per operation: the condition is the `update_time` that was read, or that the
document does not exist.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, TypeVar

from pydantic import TypeAdapter

from shared import log
from shared import settings as environment
from shared.campaigns.overlay import Overlay
from shared.errors import StoreUnavailable
from shared.google_cloud import firestore
from shared.google_cloud.access import Access, AccessUnavailable, MetadataServer
from shared.google_cloud.firestore import Read
from shared.google_cloud.firestore_pb2 import Write
from shared.google_cloud.rpc import Fault, InvalidArgument
from shared.store import transitions
from shared.store.documents import DAY, MAILBOX, SIGNATURE
from shared.store.entities import (
    TOMBSTONE_TTL,
    Address,
    Confirmation,
    Day,
    Delta,
    FunnelKey,
    GrantMail,
    Hour,
    Mailbox,
    MailDecision,
    MailKind,
    Point,
    Signature,
    Submission,
    Tally,
    Withdrawal,
    shard_of,
)

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.02
_FUNNEL_SHARDS = 8

T = TypeVar("T")


def parsed(stored: Read, kind: TypeAdapter[T]) -> T | None:
    return kind.validate_python(stored.content) if stored.content is not None else None


def overlay_of(stored: Read) -> Overlay:
    """What the document holds, which is JSON in one field, for nobody ever asks for a part of it."""
    return Overlay.model_validate_json(stored.content["overlay"]) if stored.content else Overlay()


class FirestoreStore:
    """Keeps campaigns in `database` of `project`. `shards`: of the tally, by campaign."""

    def __init__(self, project: str, database: str, shards: Callable[[str], int]) -> None:
        self._project = project
        self._name = database
        self._shards = shards

    async def admit(self, address: Address, submission: Submission, now: datetime) -> MailDecision:
        def decide(signature: Signature | None, mailbox: Mailbox) -> transitions.MailTransition:
            return transitions.admit(address, signature, mailbox, submission, now)

        return await self._until_committed(lambda: self._claim_mail(address, decide))

    async def claim(self, address: Address, key: str, kind: MailKind | None, now: datetime) -> MailDecision:
        def decide(signature: Signature | None, mailbox: Mailbox) -> transitions.MailTransition:
            return transitions.claim(address, signature, mailbox, key, kind, now)

        return await self._until_committed(lambda: self._claim_mail(address, decide))

    async def settle(self, grant: GrantMail, *, sent: bool) -> None:
        name = self._mailbox(grant.address)
        # The mailbox as this process wrote it: a read is needed only if somebody else wrote since.
        known = Read(name, MAILBOX.dump_python(grant.mailbox), grant.version)

        async def work() -> None:
            nonlocal known
            stored, known = known, Read(name, None, None)
            if stored.version is None:
                [stored] = await self._read(name)
            mailbox = parsed(stored, MAILBOX) or Mailbox()
            settled = transitions.settle(mailbox, grant.key, sent=sent)
            if settled != mailbox:
                await self._commit(firestore.replace(stored, MAILBOX.dump_python(settled)))

        await self._until_committed(work)

    async def confirm(self, campaign: str, digest: str, submission_id: str, at: datetime) -> Confirmation:
        async def work() -> Confirmation:
            [stored] = await self._read(self._signature(campaign, digest))
            outcome, signature, delta = transitions.confirm(parsed(stored, SIGNATURE), submission_id, at)
            await self._change(campaign, digest, stored, signature, delta)
            return outcome

        return await self._until_committed(work)

    async def withdraw(self, campaign: str, digest: str, at: datetime) -> Withdrawal:
        async def work() -> Withdrawal:
            [stored] = await self._read(self._signature(campaign, digest))
            outcome, signature, delta = transitions.withdraw(parsed(stored, SIGNATURE), at)
            await self._change(campaign, digest, stored, signature, delta)
            return outcome

        return await self._until_committed(work)

    async def tally(self, campaign: str) -> Tally:
        async def work() -> Tally:
            total, by_country, by_partner = 0, dict[str, int](), dict[str, int]()
            for shard in await self._database.query("campaigns", campaign, "tally"):
                counted = shard.content or {}
                total += counted.get("total", 0)
                _add(by_country, counted.get("by_country", {}))
                _add(by_partner, counted.get("by_partner", {}))
            return Tally(total, _without_zeros(by_country), _without_zeros(by_partner))

        return await self._until_committed(work)

    async def add_to_history(self, campaign: str, point: Point) -> None:
        async def work() -> None:
            day = self._database.name("campaigns", campaign, "history", f"{point.at:%Y-%m-%d}")
            name = f"h{point.at:%H}"
            content = DAY.dump_python(Day(point, {name: Hour(point.at, point.total)}))
            await self._commit(firestore.put(day, content, only=("last", f"hours.{name}")))

        await self._until_committed(work)

    async def history(self, campaign: str, since: date) -> Sequence[Day]:
        async def work() -> Sequence[Day]:
            days = await self._database.query("campaigns", campaign, "history", start=f"{since}")
            return [DAY.validate_python(day.content) for day in days]

        return await self._until_committed(work)

    async def add_to_funnel(self, campaign: str, counts: Mapping[FunnelKey, int]) -> None:
        [day] = {key.day for key in counts}
        document: dict[str, Any] = {}
        for key, number in counts.items():
            document.setdefault(key.stage, {}).setdefault(key.dimension, {})[key.key] = number
        # One of a few documents: many processes write to the same day.
        name = f"{random.randrange(_FUNNEL_SHARDS)}.{day}"  # noqa: S311 - no secret
        await self._until_committed(partial(self._merge, campaign, name, document))

    async def _merge(self, campaign: str, name: str, document: dict[str, Any]) -> None:
        funnel = self._database.name("campaigns", campaign, "funnel", name)
        try:
            await self._commit(firestore.add(funnel, document))
        except InvalidArgument as full:
            # Somebody has made up sources until the document was full (1 MiB): the rest is worth more.
            log.exception("funnel_is_full", full, campaign=campaign)
            for stage in document.values():
                stage.pop("source", None)
            with contextlib.suppress(InvalidArgument):  # what is full stays full: there is no later
                await self._commit(firestore.add(funnel, document))

    async def overlay(self, campaign: str) -> Overlay:
        async def work() -> Overlay:
            [stored] = await self._read(self._overlay(campaign))
            return overlay_of(stored)

        return await self._until_committed(work)

    async def park(self, task_id: str, body: bytes, reason: str, now: datetime) -> None:
        async def work() -> None:
            document = {"body": body, "reason": reason, "expire_at": now + TOMBSTONE_TTL}
            await self._commit(firestore.put(self._database.name("parked", task_id), document))

        await self._until_committed(work)

    def close(self) -> None:
        """Let go of the connection."""
        self.__dict__.pop("_database", None)

    @cached_property
    def _database(self) -> firestore.Database:
        return firestore.Database(self._project, self._name, self._access(), environment.firestore_emulator())

    def _access(self) -> Access:
        return MetadataServer()

    def _signature(self, campaign: str, digest: str) -> str:
        return self._database.name("campaigns", campaign, "signatures", digest)

    def _mailbox(self, address: Address) -> str:
        return self._database.name("campaigns", address.campaign, "mailboxes", address.mailbox)

    def _overlay(self, campaign: str) -> str:
        return self._database.name("campaigns", campaign, "desk", "overlay")

    async def _claim_mail(
        self, address: Address, decide: Callable[[Signature | None, Mailbox], transitions.MailTransition]
    ) -> MailDecision:
        signature, mailbox = await self._read(
            self._signature(address.campaign, address.digest), self._mailbox(address)
        )
        transition = decide(parsed(signature, SIGNATURE), parsed(mailbox, MAILBOX) or Mailbox())
        writes = []
        if transition.signature:
            writes.append(firestore.replace(signature, SIGNATURE.dump_python(transition.signature)))
        if transition.mailbox:
            writes.append(firestore.replace(mailbox, MAILBOX.dump_python(transition.mailbox)))
        if not writes:
            return transition.decision
        versions = await self._commit(*writes)
        if isinstance(transition.decision, GrantMail):
            return replace(transition.decision, version=versions[-1])
        return transition.decision

    async def _change(
        self, campaign: str, digest: str, stored: Read, signature: Signature | None, delta: Delta | None
    ) -> None:
        if signature is None:
            return
        writes = [firestore.replace(stored, SIGNATURE.dump_python(signature))]
        if delta:
            writes.append(self._count(campaign, digest, delta))
        await self._commit(*writes)

    def _count(self, campaign: str, digest: str, delta: Delta) -> Write:
        shard = str(shard_of(digest, self._shards(campaign)))
        counted: dict[str, Any] = {"total": delta.by, "by_country": {delta.country: delta.by}}
        if delta.partner:
            counted["by_partner"] = {delta.partner: delta.by}
        return firestore.add(self._database.name("campaigns", campaign, "tally", shard), counted)

    async def _read(self, *names: str) -> list[Read]:
        return await self._database.read(*names)

    async def _commit(self, *writes: Write) -> list[Any]:
        return await self._database.commit(writes)

    async def _until_committed(self, work: Callable[[], Awaitable[T]]) -> T:
        """`work` again for as long as somebody else was faster; every conflict means that somebody got on."""
        for attempt in range(_ATTEMPTS):
            try:
                return await work()
            except firestore.Conflict:
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * (attempt + 1)))  # noqa: S311 - no secret
            except (Fault, AccessUnavailable) as fault:
                raise StoreUnavailable(type(fault).__name__) from fault
        raise StoreUnavailable("contention")


def _add(sums: dict[str, int], more: dict[str, int]) -> None:
    for key, value in more.items():
        sums[key] = sums.get(key, 0) + value


def _without_zeros(sums: dict[str, int]) -> dict[str, int]:
    return {key: value for key, value in sums.items() if value}
