"""The desk's side of the store on Firestore."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from google.api_core.exceptions import GoogleAPIError, NotFound, PermissionDenied
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import AsyncClient, DocumentSnapshot

from desk.store.maintenance import PAGE, Difference, Kept, Recount, StoredSignature
from shared.campaigns.overlay import Overlay
from shared.databases import firestore
from shared.databases.firestore import Write, unavailable_for_errors, until_committed
from shared.errors import StoreUnavailable
from shared.store.documents import MAILBOX, SIGNATURE
from shared.store.entities import Address, FunnelKey, Mailbox, Signature
from shared.store.firestore import (
    FirestoreStore,
    domain_path,
    folded_path,
    funnel_numbers,
    mailbox_path,
    overlay_in,
    overlay_path,
    parsed,
    signature_path,
    tally_document,
    tally_numbers,
)
from shared.store.tally import delta

#: How often in a row a query may break off without having given a page.
_ATTEMPTS = 3
#: A document that never exists.
_NOWHERE = "rights/probe"
#: Signatures in one commit: well below the 4 MiB that the emulator takes, and Google's 10 MiB.
_CHANGED_AT_ONCE = 100


class FirestoreMaintenance(FirestoreStore):
    """Implements `maintenance.Maintenance`."""

    async def may_write(self) -> bool:
        # Asked of the database itself, for rights may be granted on it alone. To change a document that must exist
        # needs datastore.entities.update (https://firebase.google.com/docs/firestore/security/iam).
        with unavailable_for_errors():
            try:
                await self.database.commit(lambda client, batch: batch.update(client.document(_NOWHERE), {"a": 1}))
            except PermissionDenied:
                return False
            except NotFound:
                return True
        return True

    async def scan(self, campaign: str, after: str = "") -> AsyncIterator[Sequence[StoredSignature]]:
        async for page in self._pages(campaign, "signatures", after):
            yield [StoredSignature(each.id, SIGNATURE.validate_python(each.to_dict())) for each in page]

    async def campaigns(self) -> Sequence[str]:
        # Listed, not queried: a campaign is a document that is not there, with collections below it.
        documents = await until_committed(
            lambda: self.database.collect(lambda client: client.collection("campaigns").list_documents(PAGE))
        )
        return sorted(document.id for document in documents)

    async def find(self, address: Address) -> Kept:
        signature, mailbox = await until_committed(lambda: self._read(address))
        return _found(signature, mailbox)

    async def forget(self, address: Address) -> Kept:
        async def work() -> Kept:
            stored = await self._read(address)
            found = _found(*stored)
            writes = [firestore.delete(each.reference.path, each.update_time) for each in stored if each.exists]
            writes += self.count(address.campaign, delta(found.signature, None))
            if address.domain:
                writes.append(firestore.delete(domain_path(address.campaign, address.domain)))
            if writes:
                await self.database.commit(*writes)
            return found

        return await until_committed(work)

    async def _read(self, address: Address) -> list[DocumentSnapshot[Any]]:
        mailbox_at = mailbox_path(address.campaign, address.mailbox)
        return await self.database.read(signature_path(address.campaign, address.digest), mailbox_at)

    async def overwrite(self) -> None:
        """Nothing to do: what is deleted is Google's to overwrite."""

    async def recount(self, campaign: str, progress: Callable[[int], None]) -> Recount:
        recount = Recount()
        # The database's own clock: what is read as of it is one state of the whole database.
        [snapshot] = await until_committed(lambda: self.database.read(f"campaigns/{campaign}"))
        at: datetime = snapshot.read_time

        for document in await self._all(campaign, "tally", at):
            recount.kept.update(tally_numbers(document.to_dict() or {}))
        async for page in self._pages(campaign, "signatures", at=at):
            for each in page:
                recount.count(SIGNATURE.validate_python(each.to_dict()))
            progress(len(page))
        return recount

    async def overlay(self, campaign: str) -> Overlay:
        [stored] = await until_committed(lambda: self.database.read(overlay_path(campaign)))
        return Overlay.model_validate_json(overlay_in(stored))

    async def funnel(self, campaign: str) -> Mapping[FunnelKey, int]:
        sums = Counter[FunnelKey]()
        for document in await self._all(campaign, "funnel"):
            sums.update(funnel_numbers(document))
        return sums

    async def repair(self, campaign: str, differences: Sequence[Difference]) -> None:
        lacking = {(each.field, each.key): each.counted - each.kept for each in differences}
        if lacking:
            repaired = firestore.increment(folded_path(campaign), tally_document(lacking))
            # Not retried: where the answer got lost, the difference would be added twice.
            await until_committed(lambda: self.database.commit(repaired, retried=()))

    async def purge(self, campaign: str, progress: Callable[[int], None]) -> int:
        removed = 0
        for collection in ("signatures", "mailboxes", "domains"):
            async for page in self._pages(campaign, collection, names_only=True):
                deletes = [firestore.delete(each.reference.path) for each in page]
                await until_committed(partial(self.database.commit, *deletes))
                removed += len(page)
                progress(len(page))
        return removed

    async def change(
        self,
        campaign: str,
        digests: Sequence[str],
        choose: Callable[[str, Signature | None], Signature | None],
    ) -> int:
        changed = 0
        for start in range(0, len(digests), _CHANGED_AT_ONCE):
            some = digests[start : start + _CHANGED_AT_ONCE]
            changed += await until_committed(partial(self._change_some, campaign, some, choose))
        return changed

    async def _change_some(
        self,
        campaign: str,
        digests: Sequence[str],
        choose: Callable[[str, Signature | None], Signature | None],
    ) -> int:
        documents = await self.database.read(*(signature_path(campaign, digest) for digest in digests))
        writes, counted = list[Write](), Counter[tuple[str, str]]()
        for document in documents:
            stored = parsed(document, SIGNATURE)
            if chosen := choose(document.id, stored):
                content = SIGNATURE.dump_python(chosen)
                writes.append(firestore.replace(document.reference.path, content, document.update_time))
                counted.update(delta(stored, chosen))
        if writes:
            added = {place: number for place, number in counted.items() if number}
            await self.database.commit(*writes, *self.count(campaign, added))
        return len(writes)

    async def _all(
        self, campaign: str, collection: str, at: datetime | None = None
    ) -> Sequence[DocumentSnapshot[Any]]:
        """Read the whole collection of a campaign; `at`: as of this moment."""

        def start(client: AsyncClient) -> AsyncGenerator[DocumentSnapshot[Any], Any]:
            return client.collection("campaigns", campaign, collection).stream(read_time=at)

        return await until_committed(lambda: self.database.collect(start))

    async def _pages(
        self,
        campaign: str,
        collection: str,
        after: str = "",
        *,
        at: datetime | None = None,
        names_only: bool = False,
    ) -> AsyncIterator[Sequence[DocumentSnapshot[Any]]]:
        """Yield the documents of a collection by name, page by page; `at`: as of this moment, else as each is.

        One long query, begun again after the last page where it breaks off: a query for each page would cost a
        round trip each.
        """

        def start(client: AsyncClient) -> AsyncGenerator[DocumentSnapshot[Any], Any]:
            documents = client.collection("campaigns", campaign, collection)
            ordered = documents.order_by("__name__")
            if names_only:
                ordered = ordered.select(["__name__"])
            query = ordered.start_after({"__name__": documents.document(after)}) if after else ordered
            return query.stream(read_time=at)

        failures = 0
        while True:
            page = list[DocumentSnapshot[Any]]()
            try:
                async for each in self.database.stream(start):
                    page.append(each)
                    if len(page) == PAGE:
                        yield page
                        after, page, failures = page[-1].id, [], 0
            except (GoogleAPIError, GoogleAuthError) as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise StoreUnavailable(type(error).__name__) from error
                self.database.close()  # the next query opens another connection
                continue
            if page:
                yield page
            return


def _found(signature: DocumentSnapshot[Any], mailbox: DocumentSnapshot[Any]) -> Kept:
    return Kept(parsed(signature, SIGNATURE), parsed(mailbox, MAILBOX) or Mailbox())
