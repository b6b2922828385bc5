"""Maps errors to answers: RFC 9457 for programs, a page for people."""

from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from shared.campaigns.model import Campaign
from shared.errors import InvalidFields, OriginNotAllowed, PublicError
from shared.models.responses import FieldProblem, Problem
from shared.web import pages
from shared.web.call import NO_STORE, Call, answer_json


def problem(call: Call, error: PublicError, campaigns: list[str] | None = None) -> Response:
    """Map an error to its answer, which happens here alone: a page for people, RFC 9457 for programs.

    `campaigns`: the ids that the one in the path may have been meant to be.
    """
    locale = call.locale()
    text = locale(f"errors.{error.code}", **{"hosted_page": "", **error.details})
    if call.wants_page:
        if isinstance(error, OriginNotAllowed):
            return RedirectResponse(f"{error.details['hosted_page']}&moved=1", HTTPStatus.SEE_OTHER, NO_STORE)
        return pages.error(
            locale,
            code=error.code,
            text=text,
            status=error.status,
            campaign=_way_on(call, error),
            headers=error.headers,
        )
    wrong_fields = error.errors if isinstance(error, InvalidFields) else []
    document = Problem(
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        detail=text,
        errors=[
            FieldProblem(field=wrong.field, code=wrong.code, message=locale(f"fields.{wrong.code}"))
            for wrong in wrong_fields
        ]
        or None,
        hosted_page=error.details.get("hosted_page"),
        campaigns=campaigns,
    )
    return answer_json(document, error.status, {**NO_STORE, **error.headers}, "application/problem+json")


def _way_on(call: Call, error: PublicError) -> Campaign | None:
    """Return the campaign that an error page leads to: the one it is about, else the only one there is."""
    about = call.known_campaign or call.campaigns.get(error.details.get("campaign", ""))
    return about or (next(iter(call.campaigns.values())) if len(call.campaigns) == 1 else None)
