"""Signatures, mailboxes and days of the history as the plain documents that the adapters keep, and back.

Every field is always present, so that writing a document leaves nothing behind of what it replaces.
"""

from pydantic import TypeAdapter

from shared.store.entities import Day, Mailbox, Signature

SIGNATURE = TypeAdapter(Signature)
MAILBOX = TypeAdapter(Mailbox)
DAY = TypeAdapter(Day)
