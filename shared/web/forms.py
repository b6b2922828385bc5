"""Plain HTML forms: their strings as a request's fields, and the form again where they have errors.

Partners put our fields among their own, so forms may hold fields we do not know. What the signer can neither see
nor correct (language, partner, source) is left out where it is wrong: a partner's typing error must stop nobody.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.campaigns.model import Campaign
from shared.errors import FieldError, InvalidFields
from shared.locales import Locale
from shared.models.cleaning import clean, clean_text
from shared.models.fields import SLUG, truth
from shared.models.requests import SignRequest
from shared.web.pages import Filled

#: A partner's form may have fields of these names, for something else.
_SENT_BY_SCRIPTS = {"page_seconds", "work"}


def signature(fields: Mapping[str, str], campaign: Campaign, language: str) -> dict[str, Any]:
    """Return the fields of a `SignRequest`, as they would come in JSON, but for those that only scripts send."""
    names = SignRequest.model_fields.keys() - _SENT_BY_SCRIPTS
    known: dict[str, Any] = {name: fields[name] for name in names & fields.keys()}
    known["locale"] = language
    known["consent"] = truth(fields.get("consent", "")) is True
    known["newsletter"] = truth(fields.get("newsletter", ""))
    return without_wrong_hints(known, campaign)


def without_wrong_hints(fields: Mapping[str, Any], campaign: Campaign) -> dict[str, Any]:
    """Clean partner and source; drop a partner that the campaign does not have and a source that cannot be one."""
    kept = {name: value for name, value in fields.items() if name not in {"partner", "source"}}
    partner, source = (clean_text(fields.get(name, "")) for name in ("partner", "source"))
    if partner in campaign.partners:
        kept["partner"] = partner
    if re.fullmatch(SLUG, source):
        kept["source"] = source
    return kept


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
    """Return the form as its signer left it, cleaned, with each error's text beside its field."""
    # Our own page's policy lets its form lead nowhere else, so a form that had errors ends with us.
    values = {name: clean(name, value) for name, value in fields.items() if name != "return_url"}
    return Filled(values, {wrong.field: locale(f"fields.{wrong.code}") for wrong in invalid.errors})
