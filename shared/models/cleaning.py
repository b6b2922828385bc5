"""Cleaning of texts from forms: removes what keyboards, web pages and mail programs add unseen.

Nothing is refused here. The widget cleans in the same way (`CLEAN` in v1.js), so that signers see what is sent.
"""

import re
import unicodedata

#: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt): shown as nothing, unless a character before
#: or after them makes use of them. Those of the category Cf are left out.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
#: All of C0, and DEL, but the white space among them.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
#: Joiners decide how the letters of some scripts are written (Arabic to Myanmar, Khmer, Mongolian, and their later
#: blocks), so the Persian and Sinhala of names need them. Anywhere else they are invisible.
_JOINING = "[\u0600-\u109f\u1700-\u18af\u1900-\u1c7f\ua800-\uabff]"
_JOINERS = re.compile(f"(?<={_JOINING})([\u200c\u200d])[\u200c\u200d]*(?={_JOINING})|[\u200c\u200d]+")
#: Typographic apostrophes, and dashes (category Pd, and the minus) as word processors put them in.
_APOSTROPHES = "‘’´′\u1ffd"
_DASHES = "\u058a\u05be\u1400\u1806‐‑‒–—―−⸗⸚⸺⸻⹀⹝〜〰゠︱︲﹘﹣\U00010ead"
#: As a keyboard for ASCII has them. Full-width forms are those of East Asian keyboards.
_PLAIN = (
    {ord(apostrophe): "'" for apostrophe in _APOSTROPHES}
    | {ord(dash): "-" for dash in _DASHES}
    | {full_width: full_width - 0xFEE0 for full_width in range(0xFF01, 0xFF5F)}
)
#: What stands around an address in a sentence, a list or a spreadsheet, and in no address.
_BEFORE = ' "“„<'
_AFTER = ' "“”>.,;:!?'


def clean_text(text: str) -> str:
    """Remove invisible characters, make all white space, line breaks too, single spaces, and trim the ends."""
    if not (text.isascii() and text.isprintable()):
        text = _CONTROLS.sub("", _IGNORABLE.sub("", text))
        text = "".join(c for c in text if c in "\u200c\u200d" or unicodedata.category(c) != "Cf")
        text = _JOINERS.sub(r"\1", " ".join(text.split()))
    return " ".join(text.split())


def clean_email(text: str) -> str:
    """Clean an address as people copy it: `Ann <ann@example.org>`, `mailto:ann@example.org`, `ann@example.org,`.

    What holds two addresses, or a space inside, stays so.
    """
    whole = _plain(clean_text(text)).lstrip(_BEFORE).rstrip(_AFTER)
    shown, bracket, address = whole.rpartition("<")
    if address[:7].lower() == "mailto:":
        address = address[7:].partition("?")[0]
    address = address.strip()
    # Some programs write the address itself where the name should be.
    is_same = shown.strip(" \"'").lower() == address.lower()
    return address if not bracket or "@" not in shown or is_same else whole


def clean_postal_code(text: str) -> str:
    """Clean a postal code: every dash is a hyphen, and a sentence's dot or comma goes."""
    return _plain(clean_text(text)).rstrip(" .,;")


def _plain(text: str) -> str:
    return text if text.isascii() else text.translate(_PLAIN)


#: By field; the others hold plain text.
_CLEAN_BY_FIELD = {"email": clean_email, "postal_code": clean_postal_code}


def clean(field: str, text: str) -> str:
    """Clean the text of the field of this name."""
    return _CLEAN_BY_FIELD.get(field, clean_text)(text)
