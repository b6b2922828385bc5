"""The desk's side of the store on Firestore."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import Any, TypeVar

import google.auth
from google.api_core.exceptions import GoogleAPIError
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.cloud.firestore_v1 import AsyncClient, DocumentSnapshot

from desk.store.maintenance import PAGE, Difference, Found, Record, Recount, delta_of
from shared.campaigns.overlay import Overlay
from shared.errors import StoreUnavailable
from shared.google_cloud import firestore
from shared.google_cloud.access import Access, AccessUnavailable
from shared.store.documents import MAILBOX, SIGNATURE
from shared.store.entities import Address, FunnelKey, Mailbox, shard_of
from shared.store.firestore import FirestoreStore, overlay_of, parsed

_TIMEOUT_SECONDS = 10
#: For as much as comes in one query.
_STREAM_TIMEOUT_SECONDS = 300
#: How often in a row a query may break off without having given a page.
_ATTEMPTS = 3
#: What the tally's documents call the fields of a recount.
_MAPS = {"country": "by_country", "partner": "by_partner"}
_SCOPE = "https://www.googleapis.com/auth/datastore"

T = TypeVar("T")


class ApplicationDefault:
    """Implements `access.Access` for whoever sits at this machine (gcloud auth application-default login)."""

    async def token(self) -> str:
        try:
            return await asyncio.to_thread(self._fresh)
        except GoogleAuthError as fault:
            raise AccessUnavailable(type(fault).__name__) from fault

    def _fresh(self) -> str:
        if not self._credentials.valid:
            self._credentials.refresh(Request())  # type: ignore[no-untyped-call]
        return str(self._credentials.token)

    @cached_property
    def _credentials(self) -> Credentials:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        return credentials


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
            return Found(parsed(signature, SIGNATURE), parsed(mailbox, MAILBOX) or Mailbox())

        return await self._until_committed(work)

    async def forget(self, address: Address) -> Found:
        async def work() -> Found:
            stored = await self._read(self._signature(address.campaign, address.digest), self._mailbox(address))
            signature, mailbox = stored
            found = Found(parsed(signature, SIGNATURE), parsed(mailbox, MAILBOX) or Mailbox())
            writes = [firestore.delete(each.name, each.version) for each in stored if each.version is not None]
            if delta := delta_of(found.signature, -1):
                writes.append(self._count(address.campaign, address.digest, delta))
            if writes:
                await self._commit(*writes)
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
            await self._commit(firestore.replace(stored, {"overlay": changed.model_dump_json()}))
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
            writes = []
            for shard in {each.shard for each in differences}:
                document: dict[str, Any] = {}
                for each in differences:
                    if each.shard == shard:
                        place = document.setdefault(_MAPS[each.field], {}) if each.key else document
                        place[each.key or "total"] = each.counted - each.kept
                writes.append(
                    firestore.add(self._database.name("campaigns", campaign, "tally", str(shard)), document)
                )
            await self._commit(*writes)

        if differences:
            await self._until_committed(work)

    async def purge(self, campaign: str, progress: Callable[[int], None]) -> int:
        removed = 0
        for collection in ("signatures", "mailboxes"):
            async for page in self._pages(campaign, collection, names_only=True):
                names = [self._database.name("campaigns", campaign, collection, each.id) for each in page]
                await self._until_committed(partial(self._commit, *map(firestore.delete, names)))
                removed += len(page)
                progress(len(page))
        return removed

    def close(self) -> None:
        super().close()
        if "_client" in self.__dict__:
            self._client.close()  # type: ignore[no-untyped-call]

    @cached_property
    def _client(self) -> AsyncClient:
        """Google's own, for what reads whole collections: it uses the emulator where that is named, too."""
        return AsyncClient(project=self._project, database=self._name)

    def _access(self) -> Access:
        return ApplicationDefault()

    async def _until_committed(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await super()._until_committed(work)
        except (GoogleAPIError, GoogleAuthError) as fault:
            raise StoreUnavailable(type(fault).__name__) from fault

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
