"""The store on SQLite: one file, safe with several processes. For local runs and small campaigns on one machine.

One transaction per operation, so that a decision is never made on what another process is changing.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path

from shared.campaigns.overlay import Overlay, parse_overlay
from shared.campaigns.screening import DEFAULT_POLICY, Policy
from shared.databases.sqlite import SqliteDatabase
from shared.errors import StoreUnavailable
from shared.store import domain_caps, transitions
from shared.store.documents import DAY, DOMAIN, MAILBOX, SIGNATURE
from shared.store.entities import (
    FUNNEL_WRITE_TTL,
    TOMBSTONE_TTL,
    Address,
    Confirmation,
    Day,
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

SCHEMA = """
CREATE TABLE IF NOT EXISTS signatures (
    campaign TEXT, digest TEXT, document TEXT NOT NULL, expire_at REAL, PRIMARY KEY (campaign, digest)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS signatures_by_expire_at ON signatures (expire_at) WHERE expire_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS mailboxes (
    campaign TEXT, mailbox TEXT, document TEXT NOT NULL, expire_at REAL, PRIMARY KEY (campaign, mailbox)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mailboxes_by_expire_at ON mailboxes (expire_at);
CREATE TABLE IF NOT EXISTS domains (
    campaign TEXT, domain TEXT, document TEXT NOT NULL, expire_at REAL, PRIMARY KEY (campaign, domain)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS domains_by_expire_at ON domains (expire_at);
-- `shard` is 0; files of earlier versions have rows with others, too.
CREATE TABLE IF NOT EXISTS tally (
    campaign TEXT, shard INTEGER, field TEXT, key TEXT, value INTEGER NOT NULL,
    PRIMARY KEY (campaign, shard, field, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS funnel (
    campaign TEXT, day TEXT, stage TEXT, dimension TEXT, key TEXT, value INTEGER NOT NULL,
    PRIMARY KEY (campaign, day, stage, dimension, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS funnel_writes (id TEXT PRIMARY KEY, expire_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS funnel_writes_by_expire_at ON funnel_writes (expire_at);
CREATE TABLE IF NOT EXISTS history (
    campaign TEXT, day TEXT, document TEXT NOT NULL, PRIMARY KEY (campaign, day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overlays (campaign TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    task_id TEXT PRIMARY KEY, body BLOB NOT NULL, reason TEXT NOT NULL, expire_at REAL NOT NULL
);
"""


class SqliteStore:
    """Keeps everything in the file at `path`, which it creates."""

    def __init__(self, path: Path) -> None:
        self.database = SqliteDatabase(path, SCHEMA, StoreUnavailable)

    async def admit(self, address: Address, submission: Submission, now: datetime) -> MailDecision:
        decide = partial(transitions.admit, address, submission, now)
        return await self.database.transact(lambda database: self._claim_mail(database, address, decide, now))

    async def claim(self, address: Address, key: str, kind: MailKind | None, now: datetime) -> MailDecision:
        decide = partial(transitions.claim, address, key, kind, now)
        return await self.database.transact(lambda database: self._claim_mail(database, address, decide, now))

    async def settle(self, grant: GrantMail, *, sent: bool) -> None:
        def work(database: sqlite3.Connection) -> None:
            mailbox = read_mailbox(database, grant.address)
            settled = transitions.settle(mailbox, grant.key, sent=sent)
            _write_mailbox(database, grant.address.campaign, grant.address.mailbox, settled)

        await self.database.transact(work)

    async def suppress(self, campaign: str, mailbox: str, until: datetime) -> bool:
        def work(database: sqlite3.Connection) -> bool:
            stored = _read_mailbox(database, campaign, mailbox)
            changed = transitions.suppress(stored, until) if stored else None
            if changed is None or changed == stored:
                return False
            _write_mailbox(database, campaign, mailbox, changed)
            return True

        return await self.database.transact(work)

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
        def work(database: sqlite3.Connection) -> Confirmation:
            stored = read_signature(database, campaign, digest)
            outcome, signature = transitions.confirm(stored, submission_id, at, policy, deferred=deferred)
            write_signature(database, campaign, digest, stored, signature)
            return outcome

        return await self.database.transact(work)

    async def withdraw(self, campaign: str, digest: str, at: datetime, *, deferred: bool) -> Withdrawal:
        def work(database: sqlite3.Connection) -> Withdrawal:
            stored = read_signature(database, campaign, digest)
            outcome, signature = transitions.withdraw(stored, at, deferred=deferred)
            write_signature(database, campaign, digest, stored, signature)
            return outcome

        return await self.database.transact(work)

    async def tally(self, campaign: str) -> Tally:
        select = "SELECT field, key, SUM(value) FROM tally WHERE campaign = ? GROUP BY field, key"

        def work(database: sqlite3.Connection) -> Tally:
            return tally_of({(field, key): value for field, key, value in database.execute(select, (campaign,))})

        return await self.database.run(work)

    async def fold_tally(self, campaign: str, now: datetime) -> None:  # noqa: ARG002 - of all campaigns
        """Delete what has expired, even if nobody signs any more. The tally is one row for each number already."""
        await self.database.transact(lambda database: _delete_expired(database, now))

    async def add_to_history(self, campaign: str, point: Point) -> None:
        day, name = f"{point.at:%Y-%m-%d}", f"h{point.at:%H}"
        select = "SELECT document FROM history WHERE campaign = ? AND day = ?"

        def work(database: sqlite3.Connection) -> None:
            row = database.execute(select, (campaign, day)).fetchone()
            hours = DAY.validate_json(row[0]).hours if row else {}
            kept = Day(point, {**hours, name: TotalAt(point.at, point.total)})
            document = DAY.dump_json(kept).decode()
            database.execute("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", (campaign, day, document))

        await self.database.transact(work)

    async def history(self, campaign: str, since: date) -> Sequence[Day]:
        select = "SELECT document FROM history WHERE campaign = ? AND day >= ? ORDER BY day"

        def work(database: sqlite3.Connection) -> Sequence[Day]:
            rows = database.execute(select, (campaign, f"{since}"))
            return [DAY.validate_json(document) for [document] in rows]

        return await self.database.run(work)

    async def add_to_funnel(
        self, campaign: str, counts: Mapping[FunnelKey, int], write_id: str, now: datetime
    ) -> None:
        mark = "INSERT OR IGNORE INTO funnel_writes VALUES (?, ?)"
        add = (
            "INSERT INTO funnel VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value"
        )
        rows = [(campaign, *key, number) for key, number in counts.items()]

        def work(database: sqlite3.Connection) -> None:
            if database.execute(mark, (write_id, (now + FUNNEL_WRITE_TTL).timestamp())).rowcount:
                database.executemany(add, rows)

        await self.database.transact(work)

    async def funnel_of(
        self, campaign: str, days: Sequence[str], stages: Sequence[str], dimension: str
    ) -> Mapping[FunnelKey, int]:
        select = (
            "SELECT day, stage, dimension, key, value FROM funnel "
            "WHERE campaign = ? AND day = ? AND stage = ? AND dimension = ?"
        )

        def work(database: sqlite3.Connection) -> Mapping[FunnelKey, int]:
            places = ((campaign, day, stage, dimension) for day in days for stage in stages)
            return {FunnelKey(*key): value for place in places for *key, value in database.execute(select, place)}

        return await self.database.run(work)

    async def overlay(self, campaign: str) -> Overlay:
        stored = await self.database.run(lambda database: read_overlay(database, campaign))
        return parse_overlay(Overlay, campaign, stored)

    async def change_overlay(self, campaign: str, change: Callable[[Overlay], Overlay]) -> Overlay:
        insert = "INSERT OR REPLACE INTO overlays VALUES (?, ?)"

        def work(database: sqlite3.Connection) -> Overlay:
            changed = change(Overlay.model_validate_json(read_overlay(database, campaign)))
            database.execute(insert, (campaign, changed.model_dump_json(exclude_defaults=True)))
            return changed

        return await self.database.transact(work)

    async def add_dead_letter(self, task_id: str, body: bytes, reason: str, now: datetime) -> None:
        insert = "INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?)"
        row = (task_id, body, reason, (now + TOMBSTONE_TTL).timestamp())
        await self.database.run(lambda database: database.execute(insert, row))

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def _claim_mail(
        self,
        database: sqlite3.Connection,
        address: Address,
        decide: Callable[[Signature | None, Mailbox], transitions.MailTransition],
        now: datetime,
    ) -> MailDecision:
        _delete_expired(database, now)
        stored = read_signature(database, address.campaign, address.digest)
        transition = decide(stored, read_mailbox(database, address))
        if address.domain:
            transition = domain_caps.apply(transition, stored, _read_domain(database, address), now)
        write_signature(database, address.campaign, address.digest, stored, transition.signature)
        if transition.mailbox:
            _write_mailbox(database, address.campaign, address.mailbox, transition.mailbox)
        if transition.domain:
            _write_domain(database, address, transition.domain)
        return transition.decision


def write_signature(
    database: sqlite3.Connection,
    campaign: str,
    digest: str,
    stored: Signature | None,
    changed: Signature | None,
) -> None:
    """Write a signature in the place of the one that is stored, and count the difference; None: leave it."""
    if changed:
        database.execute(
            "INSERT OR REPLACE INTO signatures VALUES (?, ?, ?, ?)",
            (campaign, digest, SIGNATURE.dump_json(changed).decode(), _seconds(changed.expire_at)),
        )
        add_to_tally(database, campaign, delta(stored, changed))


def add_to_tally(database: sqlite3.Connection, campaign: str, added: Delta) -> None:
    """Add to the tally."""
    database.executemany(
        "INSERT INTO tally VALUES (?, 0, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        ((campaign, *place, number) for place, number in added.items()),
    )


def read_signature(database: sqlite3.Connection, campaign: str, digest: str) -> Signature | None:
    """Read the signature of one address; None where there is none."""
    row = database.execute(
        "SELECT document FROM signatures WHERE campaign = ? AND digest = ?", (campaign, digest)
    ).fetchone()
    return SIGNATURE.validate_json(row[0]) if row else None


def read_mailbox(database: sqlite3.Connection, address: Address) -> Mailbox:
    """Read the claims of one mailbox; an empty one where there are none."""
    return _read_mailbox(database, address.campaign, address.mailbox) or Mailbox()


def _read_mailbox(database: sqlite3.Connection, campaign: str, mailbox: str) -> Mailbox | None:
    row = database.execute(
        "SELECT document FROM mailboxes WHERE campaign = ? AND mailbox = ?", (campaign, mailbox)
    ).fetchone()
    return MAILBOX.validate_json(row[0]) if row else None


def read_overlay(database: sqlite3.Connection, campaign: str) -> str:
    """Read the overlay of a campaign as it is stored, in JSON; an empty one where nothing was changed."""
    row = database.execute("SELECT document FROM overlays WHERE campaign = ?", (campaign,)).fetchone()
    return str(row[0]) if row else "{}"


def _write_mailbox(database: sqlite3.Connection, campaign: str, digest: str, mailbox: Mailbox) -> None:
    database.execute(
        "INSERT OR REPLACE INTO mailboxes VALUES (?, ?, ?, ?)",
        (campaign, digest, MAILBOX.dump_json(mailbox).decode(), _seconds(mailbox.expire_at)),
    )


def _read_domain(database: sqlite3.Connection, address: Address) -> Domain:
    row = database.execute(
        "SELECT document FROM domains WHERE campaign = ? AND domain = ?", (address.campaign, address.domain)
    ).fetchone()
    return DOMAIN.validate_json(row[0]) if row else Domain()


def _write_domain(database: sqlite3.Connection, address: Address, domain: Domain) -> None:
    database.execute(
        "INSERT OR REPLACE INTO domains VALUES (?, ?, ?, ?)",
        (address.campaign, address.domain, DOMAIN.dump_json(domain).decode(), _seconds(domain.expire_at)),
    )


def _delete_expired(database: sqlite3.Connection, now: datetime) -> None:
    """Delete what has expired, as Firestore does by itself: it was promised to be gone."""
    for table in ("signatures", "mailboxes", "domains", "funnel_writes", "dead_letters"):
        database.execute(f"DELETE FROM {table} WHERE expire_at <= ?", (now.timestamp(),))  # noqa: S608 - our own names


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
