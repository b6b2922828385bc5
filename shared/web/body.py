"""Request bodies: read under a cap, decoded, and validated."""

from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from shared.errors import InvalidFields, NestedTooDeeply, NotJson, NotUtf8, TooLarge, UnsupportedMediaType
from shared.models.fields import field_errors
from shared.web.call import FORM, JSON, Call

MAX_BODY_BYTES = 16 * 1024
_MAX_FORM_FIELDS = 100

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Body:
    """A body under the cap, of a media type we read."""

    content: bytes
    is_form: bool

    def fields(self) -> Any:
        """Decode JSON to whatever it holds, a form to a dictionary of its non-empty fields, the first of each.

        Raises:
            MalformedBody: not UTF-8, not JSON, or nested too deeply.
        """
        try:
            text = self.content.decode("utf-8")
            if self.is_form:
                pairs = parse_qsl(text, errors="strict", max_num_fields=_MAX_FORM_FIELDS)
                return {name: value for name, value in reversed(pairs) if value.strip()}
            return from_json(text, allow_inf_nan=False)
        except UnicodeDecodeError:
            raise NotUtf8 from None
        except ValueError as error:
            if self.is_form:
                raise TooLarge from None  # more fields than any form has
            raise (NestedTooDeeply if "recursion limit" in str(error) else NotJson) from None


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
    return Body(bytes(content), is_form=call.media_type == FORM)


def parse(model: type[M], fields: Any) -> M:
    """Validate fields as an instance of `model`.

    Raises:
        InvalidFields: names every field that is wrong.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidFields(field_errors(error)) from None
