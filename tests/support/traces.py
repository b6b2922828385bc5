"""Search bytes for a text in any form in which somebody could read it, or test a guess of it."""

import base64
import binascii
import hashlib
import json
import quopri
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import idna

_DIGESTS = ("md5", "sha1", "sha256", "sha512")


def readable_forms(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield the text in each spelling and encoding, and its digests without a key, each with a name for it."""
    for spelling in {text, text.lower(), text.upper(), text.casefold(), unicodedata.normalize("NFD", text)}:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
            yield from _encoded(spelling.encode(encoding, "ignore"), encoding)
        yield "JSON", json.dumps(spelling)[1:-1].encode()
        yield "URL", quote(spelling, safe="").encode()
    if "@" in text:
        yield "IDNA", idna.encode(text.rpartition("@")[2], uts46=True)


def _encoded(raw: bytes, encoding: str) -> Iterator[tuple[str, bytes]]:
    yield encoding, raw
    yield f"{encoding}, hex", binascii.hexlify(raw)
    yield f"{encoding}, quoted-printable", quopri.encodestring(raw)
    for shift in range(3):  # a text may begin at any of three places in base64
        # What depends on the bytes around it is left out.
        inner = base64.b64encode(bytes(shift) + raw)[(0, 2, 3)[shift] :].rstrip(b"=")[:-1]
        yield f"{encoding}, base64", inner
        yield f"{encoding}, base64 for URLs", inner.replace(b"+", b"-").replace(b"/", b"_")
    for name in _DIGESTS:
        digest = hashlib.new(name, raw, usedforsecurity=False).digest()
        yield f"{encoding}, {name}", digest
        yield f"{encoding}, {name}, hex", binascii.hexlify(digest)
        yield f"{encoding}, {name}, base32", base64.b32encode(digest).rstrip(b"=").lower()
        yield f"{encoding}, {name}, base64", base64.b64encode(digest).rstrip(b"=")


def find(text: str, content: bytes) -> set[str]:
    """Return the forms in which the content holds the text, in capitals or small letters."""
    folded = content.lower()
    return {name for name, form in readable_forms(text) if form in content or form.lower() in folded}
