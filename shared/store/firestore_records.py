"""The desk's side of the store on Firestore."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1 import DocumentSnapshot, Increment

from shared.errors import StoreUnavailable
from shared.overlay import Overlay
from shared.store import Address, FunnelKey, Mailbox, shard_of
from shared.store.documents import MAILBOX, SIGNATURE
from shared.store.firestore import FirestoreStore, overlay_of
from shared.store.records import PAGE, Difference, Found, Record, Recount, delta_of

_TIMEOUT_SECONDS = 10
#: For as much as comes in one query.
_STREAM_TIMEOUT_SECONDS = 300
#: How often in a row a query may break off without having given a page.
_ATTEMPTS = 3
#: What the tally's documents call the fields of a recount.
_MAPS = {"country": "by_country", "partner": "by_partner"}


class FirestoreRecords(FirestoreStore):
    """Implements `records.Records`."""

    async def scan(self, campaign: str, after: str = "") -> AsyncIterator[Sequence[Record]]:
        async for page in self._pages(campaign, "signatures", after):
            yield [Record(each.id, SIGNATURE.validate_python(each.to_dict())) for each in page]

    async def campaigns(self) -> Sequence[str]:
        async def work() -> Sequence[str]:
            # Listed, not queried: a campaign is a document that is not there, with collections below it.
            documents = self._client.collection("campaigns").list_documents(PAGE, timeout=_STREAM_TIMEOUT_SECONDS)
            return sorted([document.id async for document in documents])

        return await self._until_committed(work)

    async def find(self, address: Address) -> Found:
        async def work() -> Found:
            signature, mailbox = await self._read(
                self._signature(address.campaign, address.digest), self._mailbox(address)
            )
            return Found(signature.parsed(SIGNATURE), mailbox.parsed(MAILBOX) or Mailbox())

        return await self._until_committed(work)

    async def forget(self, address: Address) -> Found:
        async def work() -> Found:
            stored = await self._read(self._signature(address.campaign, address.digest), self._mailbox(address))
            signature, mailbox = stored
            found = Found(signature.parsed(SIGNATURE), mailbox.parsed(MAILBOX) or Mailbox())
            batch = self._client.batch()
            for each in stored:
                if each.version is not None:
                    batch.delete(each.reference, option=self._client.write_option(last_update_time=each.version))
            if delta := delta_of(found.signature, -1):
                self._count(batch, address.campaign, address.digest, delta)
            if len(batch):
                await self._commit(batch)
            return found

        return await self._until_committed(work)

    async def overwrite(self) -> None:
        """Nothing to do: what is deleted is Google's to overwrite."""

    async def recount(self, campaign: str, progress: Callable[[int], None]) -> Recount:
        shards = self._client.collection("campaigns", campaign, "tally")
        recount, number = Recount(), self._shards(campaign)

        async def moment() -> datetime:
            # The database's own clock: what is read as of it is one state of the whole database.
            snapshot = await self._client.document("campaigns", campaign).get(timeout=_TIMEOUT_SECONDS)
            read_time: datetime = snapshot.read_time
            return read_time

        async def kept(at: datetime) -> None:
            recount.kept.clear()
            async for shard in shards.stream(timeout=_TIMEOUT_SECONDS, read_time=at):
                for name, key, value in _values(shard.to_dict() or {}):
                    recount.kept[int(shard.id), name, key] = value

        at = await self._until_committed(moment)
        await self._until_committed(lambda: kept(at))
        async for page in self._pages(campaign, "signatures", at=at):
            for each in page:
                recount.count(shard_of(each.id, number), SIGNATURE.validate_python(each.to_dict()))
            progress(len(page))
        return recount

    async def change_overlay(self, campaign: str, change: Callable[[Overlay], Overlay]) -> Overlay:
        async def work() -> Overlay:
            [stored] = await self._read(self._overlay(campaign))
            changed = change(overlay_of(stored))
            batch = self._client.batch()
            self._put(batch, stored, {"overlay": changed.model_dump_json()})
            await self._commit(batch)
            return changed

        return await self._until_committed(work)

    async def funnel(self, campaign: str) -> Mapping[FunnelKey, int]:
        async def work() -> Mapping[FunnelKey, int]:
            sums = Counter[FunnelKey]()
            documents = self._client.collection("campaigns", campaign, "funnel")
            async for document in documents.stream(timeout=_STREAM_TIMEOUT_SECONDS):
                day = document.id.partition(".")[2]
                for stage, dimensions in (document.to_dict() or {}).items():
                    for dimension, values in dimensions.items():
                        for key, number in values.items():
                            sums[FunnelKey(day, stage, dimension, key)] += number
            return sums

        return await self._until_committed(work)

    async def mend(self, campaign: str, differences: Sequence[Difference]) -> None:
        async def work() -> None:
            batch = self._client.batch()
            for shard in {each.shard for each in differences}:
                document: dict[str, Any] = {}
                for each in differences:
                    if each.shard == shard:
                        place = document.setdefault(_MAPS[each.field], {}) if each.key else document
                        place[each.key or "total"] = Increment(each.counted - each.kept)
                batch.set(self._client.document("campaigns", campaign, "tally", str(shard)), document, merge=True)
            await self._commit(batch)

        if differences:
            await self._until_committed(work)

    async def purge(self, campaign: str, progress: Callable[[int], None]) -> int:
        removed = 0
        for collection in ("signatures", "mailboxes"):
            async for page in self._pages(campaign, collection, names_only=True):
                await self._until_committed(partial(self._delete, page))
                removed += len(page)
                progress(len(page))
        return removed

    async def _delete(self, page: Sequence[DocumentSnapshot[Any]]) -> None:
        batch = self._client.batch()
        for each in page:
            batch.delete(each.reference)
        await self._commit(batch)

    async def _pages(
        self,
        campaign: str,
        collection: str,
        after: str = "",
        *,
        at: datetime | None = None,
        names_only: bool = False,
    ) -> AsyncIterator[Sequence[DocumentSnapshot[Any]]]:
        """The documents of a collection in the order of their names; `at`: as of this moment, else as each is.

        One long query, begun anew after the last page where it breaks off: a query for each page would cost a
        round trip each.
        """
        documents = self._client.collection("campaigns", campaign, collection)
        ordered = documents.order_by("__name__")
        if names_only:
            ordered = ordered.select(["__name__"])
        failures = 0
        while True:
            query = ordered.start_after({"__name__": documents.document(after)}) if after else ordered
            page = list[DocumentSnapshot[Any]]()
            try:
                async for each in query.stream(timeout=_STREAM_TIMEOUT_SECONDS, read_time=at):
                    page.append(each)
                    if len(page) == PAGE:
                        yield page
                        after, page, failures = page[-1].id, [], 0
            except (GoogleAPIError, GoogleAuthError) as fault:
                failures += 1
                if failures == _ATTEMPTS:
                    raise StoreUnavailable(type(fault).__name__) from fault
                continue
            if page:
                yield page
            return


def _values(shard: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Field, key and value of all that one document of the tally holds."""
    yield "total", "", shard.get("total", 0)
    for name, place in _MAPS.items():
        for key, value in shard.get(place, {}).items():
            yield name, key, value
