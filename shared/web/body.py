"""Request bodies: read under a cap, decoded, and validated."""

from codecs import CodecInfo
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from shared.errors import InvalidFields, NestedTooDeeply, NotJson, NotUtf8, TooLarge, UnsupportedMediaType
from shared.models.fields import field_errors, truth
from shared.web.call import FORM, JSON, Call

MAX_BODY_BYTES = 16 * 1024
_MAX_FORM_FIELDS = 100

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Body:
    """A body under the cap, of a media type we read. `charset`: a label, as its Content-Type declares it."""

    content: bytes
    is_form: bool
    charset: str = ""

    def fields(self) -> Any:
        """Decode JSON to whatever it holds, a form to a dictionary of its non-empty fields, the last of each.

        The last, for PHP and Rails send a box's "no" in a hidden field before the box.

        Raises:
            MalformedBody: in no encoding we know, not JSON, or nested too deeply.
            TooLarge: more fields than any form has.
        """
        if self.is_form:
            pairs = [(name, value) for name, value in self._pairs() if value.strip()]
            fields = dict(pairs)
            # A ticked box is a yes, wherever the hidden field stands.
            if any(name == "consent" and truth(value) for name, value in pairs):
                fields["consent"] = "true"
            return fields
        try:
            return from_json(self.content.decode("utf-8"), allow_inf_nan=False)
        except UnicodeDecodeError:
            raise NotUtf8 from None
        except ValueError as error:
            raise (NestedTooDeeply if "recursion limit" in str(error) else NotJson) from None

    def _pairs(self) -> list[tuple[str, str]]:
        """Decode a form as its Content-Type, its field `_charset_` or UTF-8 say, else as windows-1252.

        Old pages send that, and browsers read as windows-1252 whatever calls itself Latin-1
        (https://encoding.spec.whatwg.org/#names-and-labels).
        """
        try:
            pairs = parse_qsl(self.content.decode("latin-1"), encoding="latin-1", max_num_fields=_MAX_FORM_FIELDS)
        except ValueError:
            raise TooLarge from None
        if self.content.isascii() and b"%" not in self.content:
            return pairs
        import webencodings  # here: most signatures come as JSON

        declared = webencodings.lookup(self.charset or dict(pairs).get("_charset_", "")) or webencodings.UTF8
        for encoding in (declared, webencodings.lookup("windows-1252")):
            with suppress(UnicodeError):
                return [
                    (_decode(name, encoding.codec_info), _decode(value, encoding.codec_info))
                    for name, value in pairs
                ]
        raise NotUtf8


def _decode(latin_1: str, codec: CodecInfo) -> str:
    return codec.decode(latin_1.encode("latin-1"), "strict")[0]


async def read_body(call: Call) -> Body:
    """Read the body of a request.

    Raises:
        TooLarge: over 16 KB, found out without keeping more than that.
        UnsupportedMediaType: neither JSON nor a plain form.
    """
    content = bytearray()
    async for chunk in call.request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise TooLarge
    if call.media_type not in {JSON, FORM}:
        raise UnsupportedMediaType
    return Body(bytes(content), is_form=call.media_type == FORM, charset=call.charset)


def parse(model: type[M], fields: Any) -> M:
    """Validate fields as an instance of `model`.

    Raises:
        InvalidFields: names every field that is wrong.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFields(field_errors(error)) from None
