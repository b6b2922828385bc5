"""The store on Firestore in native mode, through the asynchronous client.

One read and one conditional commit per operation: the condition is the `update_time` that was read, or that the
document does not exist. The emulator is used where FIRESTORE_EMULATOR_HOST is set, which the client reads itself.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, TypeVar

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1 import AsyncClient, AsyncDocumentReference, AsyncWriteBatch, Increment
from pydantic import TypeAdapter

from shared import log
from shared.errors import StoreUnavailable
from shared.overlay import Overlay
from shared.store import (
    TOMBSTONE_TTL,
    Address,
    Confirmation,
    Day,
    Delta,
    FunnelKey,
    Granted,
    Hour,
    Mailbox,
    MailKind,
    Order,
    Point,
    Signature,
    Submission,
    Tally,
    Withdrawal,
    shard_of,
    transitions,
)
from shared.store.documents import DAY, MAILBOX, SIGNATURE

#: Seconds for one call; a caller with a browser behind it should not wait longer.
_TIMEOUT_SECONDS = 10
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.02
_FUNNEL_SHARDS = 8

#: Somebody else wrote first. ABORTED is contention on a shard of the tally.
_CONFLICTS = (
    exceptions.FailedPrecondition,
    exceptions.AlreadyExists,
    exceptions.NotFound,
    exceptions.Aborted,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read:
    """A document as it was read. `version`: its update_time, None where there is none."""

    reference: AsyncDocumentReference
    content: dict[str, Any] | None
    version: Any

    def parsed(self, kind: TypeAdapter[T]) -> T | None:
        return kind.validate_python(self.content) if self.content is not None else None


def overlay_of(stored: Read) -> Overlay:
    """What the document holds, which is JSON in one field, for nobody ever asks for a part of it."""
    return Overlay.model_validate_json(stored.content["overlay"]) if stored.content else Overlay()


class FirestoreStore:
    """Keeps campaigns in `database` of `project`. `shards`: of the tally, by campaign."""

    def __init__(self, project: str, database: str, shards: Callable[[str], int]) -> None:
        self._project = project
        self._database = database
        self._shards = shards

    async def admit(self, address: Address, submission: Submission, now: datetime) -> Order:
        def decide(signature: Signature | None, mailbox: Mailbox) -> transitions.MailDecision:
            return transitions.admit(address, signature, mailbox, submission, now)

        return await self._until_committed(lambda: self._order(address, decide))

    async def claim(self, address: Address, key: str, kind: MailKind | None, now: datetime) -> Order:
        def decide(signature: Signature | None, mailbox: Mailbox) -> transitions.MailDecision:
            return transitions.claim(address, signature, mailbox, key, kind, now)

        return await self._until_committed(lambda: self._order(address, decide))

    async def settle(self, granted: Granted, *, sent: bool) -> None:
        reference = self._mailbox(granted.address)
        # The mailbox as this process wrote it: a read is needed only if somebody else wrote since.
        known = Read(reference, MAILBOX.dump_python(granted.mailbox), granted.version)

        async def work() -> None:
            nonlocal known
            stored, known = known, Read(reference, None, None)
            if stored.version is None:
                [stored] = await self._read(reference)
            mailbox = stored.parsed(MAILBOX) or Mailbox()
            settled = transitions.settle(mailbox, granted.key, sent=sent)
            if settled != mailbox:
                batch = self._client.batch()
                self._put(batch, stored, MAILBOX.dump_python(settled))
                await self._commit(batch)

        await self._until_committed(work)

    async def confirm(self, campaign: str, digest: str, submission_id: str, at: datetime) -> Confirmation:
        async def work() -> Confirmation:
            [stored] = await self._read(self._signature(campaign, digest))
            outcome, signature, delta = transitions.confirm(stored.parsed(SIGNATURE), submission_id, at)
            await self._change(campaign, digest, stored, signature, delta)
            return outcome

        return await self._until_committed(work)

    async def withdraw(self, campaign: str, digest: str, at: datetime) -> Withdrawal:
        async def work() -> Withdrawal:
            [stored] = await self._read(self._signature(campaign, digest))
            outcome, signature, delta = transitions.withdraw(stored.parsed(SIGNATURE), at)
            await self._change(campaign, digest, stored, signature, delta)
            return outcome

        return await self._until_committed(work)

    async def tally(self, campaign: str) -> Tally:
        async def work() -> Tally:
            shards = self._client.collection("campaigns", campaign, "tally")
            total, by_country, by_partner = 0, dict[str, int](), dict[str, int]()
            async for shard in shards.stream(timeout=_TIMEOUT_SECONDS):
                counted = shard.to_dict() or {}
                total += counted.get("total", 0)
                _add(by_country, counted.get("by_country", {}))
                _add(by_partner, counted.get("by_partner", {}))
            return Tally(total, _without_zeros(by_country), _without_zeros(by_partner))

        return await self._until_committed(work)

    async def add_to_history(self, campaign: str, point: Point) -> None:
        async def work() -> None:
            day = self._client.document("campaigns", campaign, "history", f"{point.at:%Y-%m-%d}")
            name = f"h{point.at:%H}"
            content = DAY.dump_python(Day(point, {name: Hour(point.at, point.total)}))
            await day.set(
                content,
                merge=["last", f"hours.{name}"],  # type: ignore[arg-type] # documented, if not declared
                timeout=_TIMEOUT_SECONDS,
            )

        await self._until_committed(work)

    async def history(self, campaign: str, since: date) -> Sequence[Day]:
        async def work() -> Sequence[Day]:
            days = self._client.collection("campaigns", campaign, "history")
            query = days.order_by("__name__").start_at({"__name__": days.document(f"{since}")})
            documents = query.stream(timeout=_TIMEOUT_SECONDS)
            return [DAY.validate_python(day.to_dict()) async for day in documents]

        return await self._until_committed(work)

    async def add_to_funnel(self, campaign: str, counts: Mapping[FunnelKey, int]) -> None:
        [day] = {key.day for key in counts}
        document: dict[str, Any] = {}
        for key, number in counts.items():
            document.setdefault(key.stage, {}).setdefault(key.dimension, {})[key.key] = Increment(number)
        # One of a few documents: many processes write to the same day.
        name = f"{random.randrange(_FUNNEL_SHARDS)}.{day}"  # noqa: S311 - no secret
        await self._until_committed(partial(self._merge, campaign, name, document))

    async def _merge(self, campaign: str, name: str, document: dict[str, Any]) -> None:
        reference = self._client.document("campaigns", campaign, "funnel", name)
        try:
            await reference.set(document, merge=True, timeout=_TIMEOUT_SECONDS)
        except exceptions.InvalidArgument as full:
            # Somebody has made up sources until the document was full (1 MiB): the rest is worth more.
            log.fault("funnel_is_full", full, campaign=campaign)
            for stage in document.values():
                stage.pop("source", None)
            with contextlib.suppress(exceptions.InvalidArgument):  # what is full stays full: there is no later
                await reference.set(document, merge=True, timeout=_TIMEOUT_SECONDS)

    async def overlay(self, campaign: str) -> Overlay:
        async def work() -> Overlay:
            [stored] = await self._read(self._overlay(campaign))
            return overlay_of(stored)

        return await self._until_committed(work)

    async def park(self, task_id: str, body: bytes, reason: str, now: datetime) -> None:
        async def work() -> None:
            document = {"body": body, "reason": reason, "expire_at": now + TOMBSTONE_TTL}
            await self._client.document("parked", task_id).set(document, timeout=_TIMEOUT_SECONDS)

        await self._until_committed(work)

    def close(self) -> None:
        """Let go of the connection."""
        if "_client" in self.__dict__:
            self._client.close()  # type: ignore[no-untyped-call]

    @cached_property
    def _client(self) -> AsyncClient:
        # Created on first use, inside the event loop that serves, whatever loop or process imported us.
        return AsyncClient(project=self._project, database=self._database)

    def _signature(self, campaign: str, digest: str) -> AsyncDocumentReference:
        return self._client.document("campaigns", campaign, "signatures", digest)

    def _mailbox(self, address: Address) -> AsyncDocumentReference:
        return self._client.document("campaigns", address.campaign, "mailboxes", address.mailbox)

    def _overlay(self, campaign: str) -> AsyncDocumentReference:
        return self._client.document("campaigns", campaign, "desk", "overlay")

    async def _order(
        self, address: Address, decide: Callable[[Signature | None, Mailbox], transitions.MailDecision]
    ) -> Order:
        signature, mailbox = await self._read(
            self._signature(address.campaign, address.digest), self._mailbox(address)
        )
        decision = decide(signature.parsed(SIGNATURE), mailbox.parsed(MAILBOX) or Mailbox())
        batch = self._client.batch()
        if decision.signature:
            self._put(batch, signature, SIGNATURE.dump_python(decision.signature))
        if decision.mailbox:
            self._put(batch, mailbox, MAILBOX.dump_python(decision.mailbox))
        if not len(batch):
            return decision.order
        written = await self._commit(batch)
        if isinstance(decision.order, Granted):
            return replace(decision.order, version=written[-1].update_time)
        return decision.order

    async def _change(
        self, campaign: str, digest: str, stored: Read, signature: Signature | None, delta: Delta | None
    ) -> None:
        if signature is None:
            return
        batch = self._client.batch()
        self._put(batch, stored, SIGNATURE.dump_python(signature))
        if delta:
            self._count(batch, campaign, digest, delta)
        await self._commit(batch)

    def _count(self, batch: AsyncWriteBatch, campaign: str, digest: str, delta: Delta) -> None:
        shard = str(shard_of(digest, self._shards(campaign)))
        by = Increment(delta.by)
        counted: dict[str, Any] = {"total": by, "by_country": {delta.country: by}}
        if delta.partner:
            counted["by_partner"] = {delta.partner: by}
        batch.set(self._client.document("campaigns", campaign, "tally", shard), counted, merge=True)

    async def _read(self, *references: AsyncDocumentReference) -> list[Read]:
        found = {}
        async for snapshot in self._client.get_all(list(references), timeout=_TIMEOUT_SECONDS):
            found[snapshot.reference.path] = snapshot
        snapshots = [found[reference.path] for reference in references]
        return [Read(shot.reference, shot.to_dict(), shot.update_time) for shot in snapshots]

    def _put(self, batch: AsyncWriteBatch, stored: Read, document: dict[str, Any]) -> None:
        """Write the whole document, if nobody else has written it since it was read."""
        if stored.version is None:
            batch.create(stored.reference, document)
        else:
            unchanged = self._client.write_option(last_update_time=stored.version)
            batch.update(stored.reference, document, option=unchanged)

    async def _commit(self, batch: AsyncWriteBatch) -> Any:
        return await batch.commit(timeout=_TIMEOUT_SECONDS)

    async def _until_committed(self, work: Callable[[], Awaitable[T]]) -> T:
        """`work` again for as long as somebody else was faster; every conflict means that somebody got on."""
        for attempt in range(_ATTEMPTS):
            try:
                return await work()
            except _CONFLICTS:
                await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * (attempt + 1)))  # noqa: S311 - no secret
            except (exceptions.GoogleAPIError, GoogleAuthError) as fault:
                raise StoreUnavailable(type(fault).__name__) from fault
        raise StoreUnavailable("contention")


def _add(sums: dict[str, int], more: dict[str, int]) -> None:
    for key, value in more.items():
        sums[key] = sums.get(key, 0) + value


def _without_zeros(sums: dict[str, int]) -> dict[str, int]:
    return {key: value for key, value in sums.items() if value}
