"""QR codes of our pages, as pictures that print sharply at any size."""

import io


def svg(url: str) -> bytes:
    """Draw the QR code of an address, black on white, with the margin that scanners need (ISO/IEC 18004).

    Level M: it can be read with up to 15 % of it dirty or torn off.
    """
    import segno  # here: it delays a start, and few ask for a code

    picture = io.BytesIO()
    code = segno.make_qr(url, error="m")
    code.save(picture, kind="svg", light="#fff", omitsize=True, xmldecl=False, nl=False)
    return picture.getvalue()
