"""Signatures, mailboxes, mail domains and days of the history as plain documents, as the adapters keep them.

Every field is always present, so that writing a document leaves nothing behind of what it replaces.
"""

from pydantic import TypeAdapter

from shared.store.entities import Day, Domain, Mailbox, Signature

SIGNATURE = TypeAdapter(Signature)
MAILBOX = TypeAdapter(Mailbox)
DOMAIN = TypeAdapter(Domain)
DAY = TypeAdapter(Day)
