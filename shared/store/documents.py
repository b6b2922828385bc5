"""Signatures, mailboxes and points of the history as the plain documents that the adapters keep, and back.

Every field is always present, so that writing a document leaves nothing behind of what it replaces.
"""

from pydantic import TypeAdapter

from shared.store import Mailbox, Point, Signature

SIGNATURE = TypeAdapter(Signature)
MAILBOX = TypeAdapter(Mailbox)
POINT = TypeAdapter(Point)
