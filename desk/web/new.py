"""The page that begins a campaign, with the questions of `undersign campaign new`."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from desk import runtime
from desk.campaigns.new import Beginning, find_errors, with_defaults, write_campaign
from desk.errors import CommandError
from desk.web.forms import hide_secret, read_fields, redirect_done
from desk.web.rendering import render
from shared import locales
from shared.campaigns import drafted
from shared.clock import utc_now

#: The questions, by the heading above them.
_QUESTIONS = {
    "The petition": ("title", "addressee", "campaign", "language"),
    "The organisation": ("organisation", "postal_address", "email", "website", "mail_provider", "mail_place"),
    "Goal and days": ("goal", "opens", "closes", "minimum_age", "retention_days"),
    "Keys": ("recipient",),
}
#: What a field is, unless it is a line of text.
_ATTRIBUTES = {
    "campaign": 'autocapitalize="none" spellcheck="false" maxlength="40"',
    "email": 'type="email"',
    "website": 'type="url" placeholder="https://"',
    "goal": 'inputmode="numeric"',
    "minimum_age": 'inputmode="numeric"',
    "retention_days": 'inputmode="numeric"',
    "opens": 'type="date"',
    "closes": 'type="date"',
    "recipient": 'autocapitalize="none" spellcheck="false"',
}


async def show_new(_request: Request) -> Response:
    """Ask what a campaign begins with."""
    return _ask(with_defaults({}, utc_now().date()), {})


async def begin(request: Request) -> Response:
    """Write the file of a new campaign, and lead to its editor; an answer that is wrong is asked for again."""
    fields, today = await read_fields(request), utc_now().date()
    given = {name: fields[name] for name in Beginning.model_fields if fields.get(name)}
    answers = with_defaults(given, today)
    if found := dict(reversed(find_errors(answers))):  # of several about one field, the first
        return _ask(
            fields, {name: found[name] for names in _QUESTIONS.values() for name in names if name in found}
        )
    begun = Beginning.model_validate(answers)
    try:
        write_campaign(begun, runtime.campaigns_folder(), today)
    except CommandError as error:
        return _ask(fields, {"campaign": str(error)})
    return redirect_done(f"/campaigns/{begun.campaign}/edit/petition", "begun")


def _ask(values: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    """`errors`: by field."""
    return render(
        "new.html",
        400 if errors else 200,
        questions=_QUESTIONS,
        labels={name: _label(name) for name in Beginning.model_fields},
        attributes=_ATTRIBUTES,
        optional=with_defaults({}, utc_now().date()),
        languages=[(code, locales.native_name(code)) for code in drafted.languages()],
        values={name: hide_secret(value) for name, value in values.items()},
        errors={name: sentence.removesuffix(f" ({_description(name)})") for name, sentence in errors.items()},
        folder=runtime.campaigns_folder().absolute(),
    )


def _description(name: str) -> str:
    return Beginning.model_fields[name].description or ""


def _label(name: str) -> tuple[str, str]:
    """Return what a field is called, and the rest of its description."""
    description = _description(name)
    called = description.partition(";")[0].partition(",")[0]
    return called[:1].upper() + called[1:], description.removeprefix(called)
