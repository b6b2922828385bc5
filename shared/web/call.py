"""One request on its way through a handler, and the small answers that handlers share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from http import HTTPStatus
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared import locales
from shared.campaigns.model import Campaign
from shared.errors import UnknownCampaign
from shared.locales import Locale

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

#: For what shows something typed, or belongs to one link.
NO_STORE = {"Cache-Control": "no-store"}


@dataclass(slots=True)
class Call:
    """One request on its way through a handler.

    `wanted_language`: what the body asked for, once it is read; errors answer in it.
    """

    request: Request
    params: Mapping[str, str]
    campaigns: Mapping[str, Campaign]
    now: datetime
    wanted_language: str | None = None
    is_page: bool = False

    @property
    def wants_page(self) -> bool:
        """Tell whether a person's browser asks, or a script: by Accept, else by what the path is for."""
        accept = self.request.headers.get("accept", "")
        if "text/html" in accept:
            return True
        return "json" not in accept and (self.is_page or self.media_type == FORM)

    @property
    def media_type(self) -> str:
        """Return the media type of the body, in small letters, without its parameters."""
        return self.request.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """Return the encoding that the Content-Type declares for the body; "" if none."""
        declared = Message()
        declared["Content-Type"] = self.request.headers.get("content-type", "")
        return str(declared.get_content_charset(""))

    @property
    def campaign(self) -> Campaign:
        """Return the campaign in the path.

        Raises:
            UnknownCampaign: there is none of this name.
        """
        known = self.known_campaign
        if known is None:
            raise UnknownCampaign
        return known

    @property
    def known_campaign(self) -> Campaign | None:
        """Return the campaign in the path; None if there is none of this name, or no name."""
        return self.campaigns.get(self.params.get("campaign", ""))

    def locale(self, campaign: Campaign | None = None, *, cacheable: bool = False) -> Locale:
        """Load the texts to answer with: as query, body or browser ask, else in the campaign's language.

        `cacheable`: whatever the browser asks, for a CDN caches nothing that varies by Accept-Language.
        """
        campaign = campaign or self.known_campaign
        return locales.load(
            locales.negotiate(
                without_punctuation(self.request.query_params.get("lang", "")) or self.wanted_language,
                None if cacheable else self.request.headers.get("accept-language"),
                campaign.texts if campaign else locales.LANGUAGES,
                campaign.default_language if campaign else locales.FALLBACK,
                campaign.vouched_languages if campaign else None,
            )
        )


def without_punctuation(value: str) -> str:
    """Return the value of a parameter without what stood before or behind it where its link was copied."""
    return re.sub(r"^[^0-9A-Za-z]+|[^0-9A-Za-z]+$", "", value)


def answer_json(
    content: BaseModel, status: int = HTTPStatus.OK, headers: Mapping[str, str] = NO_STORE, media_type: str = JSON
) -> Response:
    """Answer with a model as JSON, without its empty fields."""
    return Response(content.model_dump_json(exclude_none=True), status, dict(headers), media_type)


def hosted_page(campaign: Campaign, **query: str | None) -> str:
    """Return path and query of a campaign's own page."""
    given = {name: value for name, value in query.items() if value}
    return f"/c/{campaign.id}" + (f"?{urlencode(given)}" if given else "")
