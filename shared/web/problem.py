"""Maps errors to answers: RFC 9457 for programs, a page for people."""

from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from shared.campaigns.listed import listed
from shared.crypto.proof_of_work import challenge
from shared.errors import InvalidFields, OriginNotAllowed, PublicError, UnknownCampaign
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
    # In the answer itself: a CDN may still describe the form with the text that has just been refused.
    changed = call.known_campaign if any(wrong.code == "consent_changed" for wrong in wrong_fields) else None
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
        campaigns=_open_campaigns(call) if isinstance(error, UnknownCampaign) else None,
        consent=changed.text(locale.language).consent if changed else None,
        consent_version=changed.consent_version if changed else None,
        work=challenge(call.now) if any(wrong.code == "work_required" for wrong in wrong_fields) else None,
    )
    return answer_json(document, error.status, {**NO_STORE, **error.headers}, "application/problem+json")


def _open_campaigns(call: Call) -> list[str]:
    """List the ids that a wrong one may have been meant to be; not of what is still to be announced."""
    return [campaign.id for campaign in listed(call.campaigns, call.now) if not campaign.closed_reason(call.now)]
