"""The store on Firestore in native mode.

One read and one conditional commit per operation: the condition is the `update_time` that was read, or that the
document does not exist. Where it does not hold, what is read again may be what this very operation wrote, and the
answer to its commit was lost: then it was done, and is not done again.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from google.api_core.exceptions import AlreadyExists, InvalidArgument
from google.cloud.firestore import DocumentSnapshot
from pydantic import TypeAdapter

from shared import log
from shared.campaigns.overlay import Overlay, parse_overlay
from shared.campaigns.screening import DEFAULT_POLICY, Policy
from shared.circuit_breaker import CircuitBreaker
from shared.databases import firestore
from shared.databases.firestore import FirestoreDatabase, Write, unavailable_for_errors, until_committed
from shared.store import domain_caps, transitions
from shared.store.documents import DAY, DOMAIN, MAILBOX, SIGNATURE
from shared.store.entities import (
    FUNNEL_WRITE_TTL,
    TOMBSTONE_TTL,
    Address,
    Confirmation,
    Day,
    Defer,
    Delta,
    Domain,
    FunnelKey,
    GrantMail,
    Mailbox,
    MailDecision,
    MailKind,
    Point,
    Signature,
    Submission,
    Tally,
    TotalAt,
    Withdrawal,
)
from shared.store.tally import delta, tally_of

#: The collection of tasks that nobody can deliver.
DEAD_LETTERS = "dead_letters"
_FUNNEL_SHARDS = 8

#: The tally is kept in at most so many documents, for each takes about one write a second for long
#: (https://firebase.google.com/docs/firestore/best-practices), and in `_FOLDED`, to which `fold_tally` moves them.
TALLY_DOCUMENTS = 500
_FOLDED = "folded"
SPREAD_SECONDS = 10
#: What nobody has added to for so long is folded. In a rush that is nothing, and folding keeps nobody waiting.
_FOLD_AFTER = timedelta(minutes=1)
_FOLDED_AT_ONCE = 100

T = TypeVar("T")


def signature_path(campaign: str, digest: str) -> str:
    """Return the path of the document of one address."""
    return f"campaigns/{campaign}/signatures/{digest}"


def mailbox_path(campaign: str, digest: str) -> str:
    """Return the path of the document of one mailbox."""
    return f"campaigns/{campaign}/mailboxes/{digest}"


def domain_path(campaign: str, digest: str) -> str:
    """Return the path of the document of one mail domain."""
    return f"campaigns/{campaign}/domains/{digest}"


def folded_path(campaign: str) -> str:
    """Return the path of the document that the others of the tally are folded into."""
    return f"{_tally_path(campaign)}/{_FOLDED}"


def _tally_path(campaign: str) -> str:
    return f"campaigns/{campaign}/tally"


def overlay_path(campaign: str) -> str:
    """Return the path of the document of a campaign's overlay."""
    return f"campaigns/{campaign}/desk/overlay"


def parsed(stored: DocumentSnapshot[Any], kind: TypeAdapter[T]) -> T | None:
    """Parse what a document holds; None where it does not exist."""
    return kind.validate_python(stored.to_dict()) if stored.exists else None


def overlay_in(stored: DocumentSnapshot[Any]) -> str:
    """Return what the document holds, which is JSON in one field, for nobody ever asks for a part of it."""
    return str(stored.get("overlay")) if stored.exists else "{}"


class FirestoreStore:
    """Keeps campaigns in the Firestore database that is given as to `FirestoreDatabase`."""

    def __init__(
        self,
        project: str,
        database: str,
        timeout_seconds: float = firestore.TIMEOUT_SECONDS,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.database = FirestoreDatabase(project, database, timeout_seconds, breaker)
        self._spread = _Spread()
        self._turns = WeakValueDictionary[str, asyncio.Lock]()

    async def admit(self, address: Address, submission: Submission, now: datetime) -> MailDecision:
        decide = partial(transitions.admit, address, submission, now)
        async with self._turn_of(address.domain):
            return await self._claim_mail(address, decide, now)

    async def claim(self, address: Address, key: str, kind: MailKind | None, now: datetime) -> MailDecision:
        return await self._claim_mail(address, partial(transitions.claim, address, key, kind, now), now)

    async def settle(self, grant: GrantMail, *, sent: bool) -> None:
        path = mailbox_path(grant.address.campaign, grant.address.mailbox)
        # The mailbox as this process wrote it: a read is needed only if somebody else wrote since.
        mailbox, version = grant.mailbox, grant.version

        async def work() -> None:
            nonlocal mailbox, version
            if version is None:
                [stored] = await self.database.read(path)
                mailbox, version = parsed(stored, MAILBOX) or Mailbox(), stored.update_time
            read, version = version, None
            settled = transitions.settle(mailbox, grant.key, sent=sent)
            if settled != mailbox:
                await self.database.commit(firestore.replace(path, MAILBOX.dump_python(settled), read))

        await until_committed(work)

    async def suppress(self, campaign: str, mailbox: str, until: datetime) -> bool:
        path = mailbox_path(campaign, mailbox)
        tried: Mailbox | None = None

        async def work() -> bool:
            nonlocal tried
            [stored] = await self.database.read(path)
            known = parsed(stored, MAILBOX)
            if known is None:
                return False
            if known == tried:
                return True
            tried = transitions.suppress(known, until)
            if tried == known:
                return False
            await self.database.commit(firestore.replace(path, MAILBOX.dump_python(tried), stored.update_time))
            return True

        return await until_committed(work)

    async def confirm(
        self,
        campaign: str,
        digest: str,
        submission_id: str,
        at: datetime,
        policy: Policy = DEFAULT_POLICY,
        *,
        deferred: bool = False,
    ) -> Confirmation:
        decide = partial(transitions.confirm, submission_id=submission_id, at=at, policy=policy, deferred=deferred)
        return await self._change(campaign, digest, decide)

    async def withdraw(self, campaign: str, digest: str, at: datetime, *, deferred: bool) -> Withdrawal:
        return await self._change(campaign, digest, partial(transitions.withdraw, at=at, deferred=deferred))

    async def tally(self, campaign: str) -> Tally:
        return _summed(await until_committed(lambda: self.database.query(_tally_path(campaign))))

    async def fold_tally(self, campaign: str, now: datetime) -> None:
        documents = await until_committed(lambda: self.database.query(_tally_path(campaign)))
        folded = [each for each in documents if each.id == _FOLDED]
        quiet = [each for each in documents if each.id != _FOLDED and now - each.update_time >= _FOLD_AFTER]
        version = folded[0].update_time if folded else None
        # A conflict: somebody has just added to one of them, or folds as well. The next fold goes on.
        with unavailable_for_errors(), contextlib.suppress(*firestore.CONFLICTS):
            for start in range(0, len(quiet), _FOLDED_AT_ONCE):
                moved = quiet[start : start + _FOLDED_AT_ONCE]
                folded.extend(moved)
                sums = firestore.replace(folded_path(campaign), asdict(_summed(folded)), version)
                deletes = [firestore.delete(each.reference.path, each.update_time) for each in moved]
                version, *_ = await self.database.commit(sums, *deletes)

    async def add_to_history(self, campaign: str, point: Point) -> None:
        hour = f"h{point.at:%H}"
        content = DAY.dump_python(Day(point, {hour: TotalAt(point.at, point.total)}))
        path = f"campaigns/{campaign}/history/{point.at:%Y-%m-%d}"
        await self._commit(firestore.put(path, content, only=("last", f"hours.{hour}")))

    async def history(self, campaign: str, since: date) -> Sequence[Day]:
        path = f"campaigns/{campaign}/history"
        days = await until_committed(lambda: self.database.query(path, start=f"{since}"))
        return [DAY.validate_python(day.to_dict()) for day in days]

    async def add_to_funnel(
        self, campaign: str, counts: Mapping[FunnelKey, int], write_id: str, now: datetime
    ) -> None:
        [day] = {key.day for key in counts}
        document: dict[str, Any] = {}
        for key, number in counts.items():
            document.setdefault(key.stage, {}).setdefault(key.dimension, {})[key.key] = number
        # One of a few documents: many processes write to the same day.
        path = _funnel_path(campaign, random.randrange(_FUNNEL_SHARDS), day)  # noqa: S311 - no secret
        marker = {"expire_at": now + FUNNEL_WRITE_TTL}
        once = firestore.replace(f"campaigns/{campaign}/funnel_writes/{write_id}", marker, None)
        await until_committed(partial(self._add_to_funnel, campaign, once, path, document))

    async def _add_to_funnel(self, campaign: str, once: Write, path: str, document: dict[str, Any]) -> None:
        try:
            await self.database.commit(once, firestore.increment(path, document))
        except AlreadyExists:
            pass  # this write was done before, and the answer lost
        except InvalidArgument as full:
            # Somebody has made up sources until the document was full (1 MiB): the rest is worth more.
            log.exception("funnel_is_full", full, campaign=campaign)
            for stage in document.values():
                stage.pop("source", None)
                stage.pop("ten_minutes", None)  # new ones come all day, too
            with contextlib.suppress(AlreadyExists, InvalidArgument):  # what is full stays full
                await self.database.commit(once, firestore.increment(path, document))

    async def funnel_of(
        self, campaign: str, days: Sequence[str], stages: Sequence[str], dimension: str
    ) -> Mapping[FunnelKey, int]:
        paths = [_funnel_path(campaign, shard, day) for day in days for shard in range(_FUNNEL_SHARDS)]
        fields = [f"{stage}.{dimension}" for stage in stages]
        sums = Counter[FunnelKey]()
        for document in await until_committed(lambda: self.database.read(*paths, fields=fields)):
            sums.update(funnel_numbers(document))
        return sums

    async def overlay(self, campaign: str) -> Overlay:
        [stored] = await until_committed(lambda: self.database.read(overlay_path(campaign)))
        return parse_overlay(Overlay, campaign, overlay_in(stored))

    async def change_overlay(self, campaign: str, change: Callable[[Overlay], Overlay]) -> Overlay:
        path = overlay_path(campaign)

        async def work() -> Overlay:
            [stored] = await self.database.read(path)
            changed = change(Overlay.model_validate_json(overlay_in(stored)))
            content = {"overlay": changed.model_dump_json(exclude_defaults=True)}
            await self.database.commit(firestore.replace(path, content, stored.update_time))
            return changed

        return await until_committed(work)

    async def add_dead_letter(self, task_id: str, body: bytes, reason: str, now: datetime) -> None:
        document = {"body": body, "reason": reason, "expire_at": now + TOMBSTONE_TTL}
        await self._commit(firestore.put(f"{DEAD_LETTERS}/{task_id}", document))

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self.database.close()

    def count(self, campaign: str, added: Delta) -> Sequence[Write]:
        """Add to the tally, where there is anything to add."""
        if not added:
            return []
        return [firestore.increment(f"{_tally_path(campaign)}/{self._spread.choose()}", tally_document(added))]

    def _turn_of(self, domain: str | None) -> AbstractAsyncContextManager[object]:
        """Admit the addresses of one mail domain in turn: hundreds at once would fight for its document."""
        return self._turns.setdefault(domain, asyncio.Lock()) if domain else contextlib.nullcontext()

    async def _claim_mail(
        self,
        address: Address,
        decide: Callable[[Signature | None, Mailbox], transitions.MailTransition],
        now: datetime,
    ) -> MailDecision:
        signature_at = signature_path(address.campaign, address.digest)
        mailbox_at = mailbox_path(address.campaign, address.mailbox)
        domain_at = [domain_path(address.campaign, address.domain)] if address.domain else []
        tried: transitions.MailTransition | None = None

        async def work() -> MailDecision:
            nonlocal tried
            signature, mailbox, *domains = await self.database.read(signature_at, mailbox_at, *domain_at)
            stored, claims = parsed(signature, SIGNATURE), parsed(mailbox, MAILBOX) or Mailbox()
            if tried and tried.mailbox == claims:
                return _granted(tried.decision, mailbox.update_time)
            tried = decide(stored, claims)
            for domain in domains:
                tried = domain_caps.apply(tried, stored, parsed(domain, DOMAIN) or Domain(), now)
            writes = []
            if tried.domain:
                [path], [domain] = domain_at, domains
                writes.append(firestore.replace(path, DOMAIN.dump_python(tried.domain), domain.update_time))
            if tried.signature:
                content = SIGNATURE.dump_python(tried.signature)
                writes.append(firestore.replace(signature_at, content, signature.update_time))
            if tried.mailbox:
                content = MAILBOX.dump_python(tried.mailbox)
                writes.append(firestore.replace(mailbox_at, content, mailbox.update_time))
            if not writes:
                return tried.decision
            try:
                versions = await self.database.commit(*writes)
            except firestore.CONFLICTS:
                if isinstance(tried.decision, Defer):
                    # Noting that it waits is best effort: contention on one mailbox must not hold up the queue.
                    return tried.decision
                raise
            return _granted(tried.decision, versions[-1])

        return await until_committed(work)

    async def _change(
        self,
        campaign: str,
        digest: str,
        decide: Callable[[Signature | None], tuple[T, Signature | None]],
    ) -> T:
        """Write what was decided about a signature if it is still as it was read, and count it."""
        path = signature_path(campaign, digest)
        tried: tuple[T, Signature | None] | None = None

        async def work() -> T:
            nonlocal tried
            [stored] = await self.database.read(path)
            signature = parsed(stored, SIGNATURE)
            if tried and signature and tried[1] == signature:
                return tried[0]
            outcome, changed = tried = decide(signature)
            if changed:
                counted = self.count(campaign, delta(signature, changed))
                content = SIGNATURE.dump_python(changed)
                await self.database.commit(firestore.replace(path, content, stored.update_time), *counted)
            return outcome

        return await until_committed(work)

    async def _commit(self, write: Write) -> None:
        await until_committed(lambda: self.database.commit(write))


def _granted(decision: MailDecision, version: Any) -> MailDecision:
    return replace(decision, version=version) if isinstance(decision, GrantMail) else decision


class _Spread:
    """Chooses documents of the tally in turn: as many as this process has counted signatures in ten seconds.

    So reading the tally costs little while few confirm, and in a rush no document is written too often. Each
    process begins with another document, so that it need not know how many others there are.
    """

    def __init__(self) -> None:
        self._first = random.randrange(TALLY_DOCUMENTS)  # noqa: S311 - no secret
        self._position = -1
        self._counted_at = deque[float]()

    def choose(self) -> int:
        """Return the number of the document to add the next signature to."""
        now = time.monotonic()
        self._counted_at.append(now)
        while self._counted_at[0] < now - SPREAD_SECONDS:
            self._counted_at.popleft()
        self._position = (self._position + 1) % len(self._counted_at)
        return (self._first + self._position) % TALLY_DOCUMENTS


def _summed(documents: Iterable[DocumentSnapshot[Any]]) -> Tally:
    sums = Counter[tuple[str, str]]()
    for document in documents:
        sums.update(tally_numbers(document.to_dict() or {}))
    return tally_of(sums)


def _funnel_path(campaign: str, shard: int, day: str) -> str:
    return f"campaigns/{campaign}/funnel/{shard}.{day}"


def funnel_numbers(document: DocumentSnapshot[Any]) -> dict[FunnelKey, int]:
    """Return what a document of the funnel holds; nothing where it does not exist."""
    day = document.id.partition(".")[2]
    return {
        FunnelKey(day, stage, dimension, key): number
        for stage, dimensions in (document.to_dict() or {}).items()
        for dimension, values in dimensions.items()
        for key, number in values.items()
    }


def tally_document(numbers: Delta) -> dict[str, Any]:
    """Return numbers of the tally, by field and key, as its documents hold them."""
    document = dict[str, Any]()
    for (field, key), number in numbers.items():
        if key:
            document.setdefault(f"by_{field}", {})[key] = number
        else:
            document[field] = number
    return document


def tally_numbers(document: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Return what a document of the tally holds, by field and key."""
    numbers = dict[tuple[str, str], int]()
    for name, held in document.items():
        values = held if isinstance(held, Mapping) else {"": held}
        numbers |= {(name.removeprefix("by_"), key): value for key, value in values.items()}
    return numbers
