"""Plain HTML forms: their strings as a request's fields, and the form again where they have errors.

Partners put our fields among their own, so forms may hold fields we do not know. What the signer can neither see
nor correct (language, partner, source) is left out where it is wrong: a partner's typing error must stop nobody.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from shared.campaigns.model import Campaign
from shared.errors import FieldError, InvalidFields
from shared.locales import Locale
from shared.models.fields import SLUG
from shared.models.requests import SignRequest
from shared.web.pages import Filled

T = TypeVar("T")

#: What browsers send for a ticked box or a chosen radio button.
_TRUTH = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def signature(fields: Mapping[str, str], campaign: Campaign, language: str) -> dict[str, Any]:
    """Return the fields of a `SignRequest`, as they would come in JSON."""
    known: dict[str, Any] = {name: fields[name] for name in SignRequest.model_fields.keys() & fields.keys()}
    known["locale"] = language
    known["consent"] = _truth(fields, "consent") is True
    known["newsletter"] = _truth(fields, "newsletter")
    return without_wrong_hints(known, campaign)


def without_wrong_hints(fields: Mapping[str, T], campaign: Campaign) -> dict[str, T]:
    """Drop a partner that the campaign does not have and a source that cannot be one."""
    kept = dict(fields)
    if fields.get("partner") not in campaign.partners:
        kept.pop("partner", None)
    if not re.fullmatch(SLUG, str(fields.get("source", ""))):
        kept.pop("source", None)
    return kept


def _truth(fields: Mapping[str, str], name: str) -> bool | None:
    return _TRUTH.get(fields.get(name, "").strip().lower())


def signature_with_errors(
    fields: Mapping[str, str], invalid: InvalidFields, campaign: Campaign, locale: Locale
) -> Filled:
    """Return the form of a signature with its errors, and unticked if another consent text was shown beside it."""
    if fields.get("consent_version") == campaign.consent_version:
        return with_errors(fields, invalid, locale)
    unticked = {name: value for name, value in fields.items() if name != "consent"}
    errors = [*invalid.errors, FieldError("consent", "consent_changed")]
    return with_errors(unticked, InvalidFields(errors), locale)


def with_errors(fields: Mapping[str, str], invalid: InvalidFields, locale: Locale) -> Filled:
    """Return the form as its signer left it, with each error's text beside its field."""
    # Our own page's policy lets its form lead nowhere else, so a form that had errors ends with us.
    values = {name: value for name, value in fields.items() if name != "return_url"}
    return Filled(values, {wrong.field: locale(f"fields.{wrong.code}") for wrong in invalid.errors})
