"""Maps errors to answers: RFC 9457 for programs, a page for people."""

from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from shared.campaigns.listed import listed
from shared.errors import InvalidFields, OriginNotAllowed, PublicError
from shared.models.responses import FieldProblem, Problem
from shared.web import pages
from shared.web.call import NO_STORE, Call, answer_json


def problem(call: Call, error: PublicError) -> Response:
    """Map an error to its answer, which happens here alone: a page for people, RFC 9457 for programs."""
    locale = call.locale()
    text = locale(f"errors.{error.code}", **{"hosted_page": "", **error.details})
    if call.wants_page:
        if isinstance(error, OriginNotAllowed):
            return RedirectResponse(f"{error.details['hosted_page']}&moved=1", HTTPStatus.SEE_OTHER, NO_STORE)
        about = call.known_campaign or call.campaigns.get(error.details.get("campaign", ""))
        petitions = [] if about else listed(call.campaigns, call.now)
        return pages.error(
            locale,
            code=error.code,
            text=text,
            status=error.status,
            campaign=about,
            petitions=petitions,
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
    )
    return answer_json(document, error.status, {**NO_STORE, **error.headers}, "application/problem+json")
