"""The OpenAPI 3.1 document, generated from the models that parse the requests and make the answers."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared import locales
from shared.campaigns.overlay import PublishedOverlay
from shared.models.requests import LinksRequest, SignRequest
from shared.models.responses import CheckInbox, Count, Form, Health, History, OEmbed, Pressed, Problem
from shared.reference import licenses
from shared.settings import VERSION
from shared.stats import aliases, count_csv
from shared.stats.history import HOURS_KEPT_DAYS, as_csv
from shared.web import examples, routes
from shared.web.routes import ConfirmPath, CountPath, EmbedPath, SignPath

SIGNING, NUMBERS, WIDGET, PAGES, OPERATIONS = "Signing", "Numbers", "Widget", "Pages", "Operations"
_TAGS = {
    SIGNING: "Sign, confirm, withdraw.",
    NUMBERS: "The public counter and its history. Any page may read them: every ten seconds, without headers or "
    "parameters of its own; an answer is kept for five. Their licence is the `data_license` of the count: CC0-1.0 "
    f"(the public domain, {licenses.URLS['CC0-1.0']}) or CC-BY-4.0 (name the petition, "
    f"{licenses.URLS['CC-BY-4.0']}).",
    WIDGET: "The form and the counter in a partner's page.",
    PAGES: "What people see, in the campaign's languages.",
    OPERATIONS: "Health, and what the functions ask each other.",
}

_REQUESTS = (SignRequest, LinksRequest)
_ALIASES = (aliases.Progression, aliases.DistributionMap, aliases.PetitionCount, aliases.Petition)
_RESPONSES = (*_ALIASES, CheckInbox, Pressed, Count, History, Form, OEmbed, Health, Problem, PublishedOverlay)
_REFERENCE = "#/components/schemas/{model}"
_TEXT = {"type": "string"}
_HTML = {"text/html": {"schema": _TEXT, "example": "<!doctype html><html lang=en><title>…</title>…</html>"}}


def _in_path(name: str, description: str, pattern: str, **more: str) -> dict[str, Any]:
    schema = {**_TEXT, "pattern": f"^{pattern}$"}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema, **more}


def _in_query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": _TEXT}


_CAMPAIGN = _in_path("campaign", "A campaign's id.", "[a-z0-9-]{1,40}", example="reclaim-your-face")
_TOKEN = _in_path("token", "From a link in the mail.", "[A-Za-z0-9._~-]+")
_FILE = _in_path(
    "file",
    "`v1.js`, the name of one version of it, or `builder.js`, which the snippet page uses.",
    "[a-z0-9.-]{1,40}",
    example="v1.js",
)
_IMAGE_FILE = _in_path("file", "The name of a file, as pages have it.", r"[a-z0-9.-]{1,40}")
_LANG = _in_query("lang", "BCP 47; by default the campaign's language.")
_PARTNER = _in_query("partner", "The partner whose page leads here; an unknown one is ignored.")
_SOURCE = _in_query("source", "Where the signer comes from, such as `mastodon`; the page's script reads it.")
_EMBED = _in_query(
    "embed", "1: for another page than ours: a page without what surrounds it, the form with its countries."
)

_THEME = _in_query("theme", "`dark` or `light`: of what it is shown on.")
_THEME["schema"] = {**_TEXT, "enum": ["dark", "light"], "default": "dark"}
_SIZE = _in_query("size", "`compact`: without the bar towards the next goal.")
_SIZE["schema"] = {**_TEXT, "enum": ["compact"]}

_PROBLEMS = {
    400: "Not UTF-8, not JSON, or nested too deeply.",
    403: "The page's origin is not registered with the campaign; `hosted_page` is where one can sign.",
    404: "No such campaign, page or link.",
    405: "Not with this method; `Allow` names those that go.",
    409: "The campaign is paused, for now.",
    410: "The campaign is closed, or the link has expired.",
    413: "Over 16 KB.",
    415: "Neither JSON nor a plain form.",
    422: "Fields are missing or wrong; `errors` names them. A form comes back filled in.",
    429: "Too many requests from one address: answered by the load balancer in front, in a form of its own.",
    503: "Try again; `Retry-After` says when. Nothing was lost.",
}
_TAKING_BODIES = (400, 403, 404, 405, 413, 415, 422, 429, 503)


@cache
def document(public_url: str) -> str:
    """Write the document as JSON. `public_url`: where these paths are."""
    _, schemas = models_json_schema(
        [*((model, "validation") for model in _REQUESTS), *((model, "serialization") for model in _RESPONSES)],
        ref_template=_REFERENCE,
    )
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Undersign",
                "version": VERSION,
                "description": "Sign a public petition, open the mailed link, press its button, read the counter.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": public_url}],
            "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
            "paths": {**_signing(), **_numbers(), **_widget(), **_pages(), **_operations()},
            "components": {"schemas": schemas["$defs"]},
        }
    )


def _signing() -> dict[str, Any]:
    return {
        SignPath.SIGNATURES: {"parameters": [_CAMPAIGN], "post": _sign()},
        SignPath.LINKS: {"parameters": [_CAMPAIGN], "post": _links()},
        ConfirmPath.CONFIRM: {
            "parameters": [_TOKEN],
            "get": _button("confirm", "Show the page whose button confirms the signature."),
            "post": _press("confirm", "Confirm the signature and count it, once.", Pressed(status="confirmed")),
        },
        ConfirmPath.WITHDRAW: {
            "parameters": [_TOKEN],
            "get": _button("withdraw", "Show the page whose button withdraws the signature."),
            "post": _press(
                "withdraw", "Withdraw the signature: uncount it and empty its record.", Pressed(status="withdrawn")
            ),
        },
    }


def _sign() -> dict[str, Any]:
    return _operation(
        SIGNING,
        "sign",
        "Sign the petition.",
        {
            202: _json("Accepted: look into your inbox. The same for every address.", examples.CHECK_INBOX),
            200: _answer("To a form: the check-your-inbox page.", _HTML),
            303: _answer("To a form: to its `return_url`, or to the hosted page."),
        },
        (409, 410, *_TAKING_BODIES),
        description="JSON refuses unknown fields; a plain form ignores them, and may hold `return_url`, the "
        "address of a registered partner's page to go to afterwards.",
        requestBody=_body(examples.SIGN, form_fields=["return_url"]),
    )


def _links() -> dict[str, Any]:
    return _operation(
        SIGNING,
        "links",
        "Mail an address the links it is due.",
        {
            202: _json("Accepted, whether or not anything is due.", examples.CHECK_INBOX),
            200: _answer("To a form: a page that says so.", _HTML),
            303: _answer("To a form of an unregistered page: to the hosted page."),
        },
        _TAKING_BODIES,
        requestBody=_body(examples.LINKS),
    )


def _button(operation: str, summary: str) -> dict[str, Any]:
    page = _answer("The page with its button.", _HTML)
    description = "Changes nothing: mail scanners open links."
    return _operation(SIGNING, f"show_{operation}", summary, {200: page}, (404, 405, 410), description=description)


def _press(operation: str, summary: str, pressed: Pressed) -> dict[str, Any]:
    answer = _answer("Done, now or before.", {**_example(pressed), **_HTML})
    description = "A repeat answers the same. HTML unless `Accept` asks for JSON."
    problems = (404, 405, 410, 429, 503)
    return _operation(SIGNING, operation, summary, {200: answer}, problems, description=description)


def _numbers() -> dict[str, Any]:
    days, hours = "each day since the start", f"each hour of the last {HOURS_KEPT_DAYS} days"
    count = _json("The count, at most a few seconds old.", examples.COUNT)
    return {
        CountPath.COUNT: _number(
            "count",
            "Count the confirmed signatures.",
            count,
            description="By country, with the next goal and the thresholds of an initiative. Cacheable for five "
            "seconds; `ETag` and `If-None-Match` spare the body while nothing has changed.",
        ),
        CountPath.COUNT_CSV: _count_csv(),
        CountPath.BADGE: _badge(),
        **_aliases(),
        CountPath.MILESTONES: _milestones(),
        CountPath.HISTORY: _history("days", days, examples.HISTORY_DAYS),
        CountPath.HISTORY_CSV: _history_csv("days", days, examples.HISTORY_DAYS),
        CountPath.HOURS: _history("hours", hours, examples.HISTORY_HOURS),
        CountPath.HOURS_CSV: _history_csv("hours", hours, examples.HISTORY_HOURS),
    }


def _count_csv() -> dict[str, Any]:
    content = {"text/csv": {"schema": _TEXT, "example": count_csv.as_csv(examples.COUNT, locales.load("en"))}}
    table = _answer("A row for each country; its number is empty where it is folded into `other`.", content)
    summary = "List the count by country as a table (RFC 4180), with the countries' names in one language."
    return _in_language(_number("count_csv", summary, table))


def _aliases() -> dict[str, Any]:
    """Describe the count in other programs' shapes; docs/api.md says what they lack."""
    commission, parliament = "as the Commission's system for initiatives", "as UK Parliament's petitions"
    petition = _number(
        "uk_petition", f"Describe the petition {parliament} do.", _json("Texts and numbers.", examples.UK_PETITION)
    )
    return {
        CountPath.ECI_PROGRESSION: _number(
            "eci_progression",
            f"Show total and goal {commission} does.",
            _json("As `report/progression`.", aliases.progression(examples.COUNT)),
        ),
        CountPath.ECI_MAP: _number(
            "eci_map",
            f"Show the countries {commission} does.",
            _json("As `report/map`; 0 for a country under 10.", aliases.distribution_map(examples.COUNT)),
        ),
        CountPath.UK_PETITION: _in_language(petition),
        CountPath.UK_COUNT: _number(
            "uk_count",
            f"Show the total {parliament} do.",
            _json("As `count.json`.", aliases.petition_count(examples.COUNT)),
        ),
    }


def _badge() -> dict[str, Any]:
    picture = _answer(
        "The total, with a bar towards the next goal.",
        {"image/svg+xml": {"schema": _TEXT, "example": examples.BADGE}},
    )
    badge = _in_language(_number("badge", "Draw the count as a picture, 200 x 48 pixels, or 24 high.", picture))
    return {**badge, "parameters": [*badge["parameters"], _THEME, _SIZE]}


def _milestones() -> dict[str, Any]:
    content = {"application/atom+xml": {"schema": _TEXT, "example": examples.MILESTONES}}
    summary = "List the goals that were reached, as a feed (Atom, RFC 4287)."
    return _in_language(_number("milestones", summary, _answer("A feed, the newest first.", content)))


def _in_language(path: dict[str, Any]) -> dict[str, Any]:
    path["get"]["responses"]["302"] = _answer("To the same in a language that there is.")
    return {**path, "parameters": [*path["parameters"], _LANG]}


def _number(operation: str, summary: str, answer: dict[str, Any], **more: str) -> dict[str, Any]:
    answers = {200: answer, 304: _answer("The numbers are those of the `If-None-Match`.")}
    return _at_campaign(_operation(NUMBERS, operation, summary, answers, (404, 405, 503), **more))


def _history(name: str, what: str, example: History) -> dict[str, Any]:
    points = _json("The points, oldest first.", example)
    return _number(f"history_{name}", f"List how the count has grown: {what}.", points)


def _history_csv(name: str, what: str, example: History) -> dict[str, Any]:
    content = {"text/csv": {"schema": _TEXT, "example": as_csv(example)}}
    table = _answer("A row for each point, a column for each country.", content)
    return _number(f"history_{name}_csv", f"List how the count has grown as a table (RFC 4180): {what}.", table)


def _widget() -> dict[str, Any]:
    form = _operation(
        WIDGET,
        "form",
        "Describe the petition's form in one language.",
        {
            200: _json("Texts, countries, what is asked, and whose pages may post.", examples.FORM),
            302: _answer("To the same with `lang`."),
        },
        (404, 405),
        parameters=[_EMBED],
    )
    summary = "Load the widget: at its moving address, or at one that never changes."
    module = _answer("An ES module.", {"text/javascript": {"schema": _TEXT, "example": examples.SCRIPT}})
    return {
        EmbedPath.FORM: {"parameters": [_CAMPAIGN, _LANG], "get": form},
        EmbedPath.SCRIPT: {
            "parameters": [_FILE],
            "get": _operation(WIDGET, "script", summary, {200: module}, (404, 405)),
        },
        EmbedPath.OEMBED: {"get": _oembed()},
    }


def _oembed() -> dict[str, Any]:
    url = {**_in_query("url", "Of the petition, or of its numbers."), "required": True}
    url["example"] = "https://petition.example.org/c/reclaim-your-face?lang=de"
    pixels = {"type": "integer", "minimum": 1}
    limits = [{**_in_query(name, "In pixels."), "schema": pixels} for name in ("maxwidth", "maxheight")]
    format_ = {**_in_query("format", "By default json."), "schema": {"enum": ["json", "xml"]}}
    content = {**_example(examples.OEMBED), "text/xml": {"schema": _TEXT, "example": examples.OEMBED_XML}}
    return _operation(
        WIDGET,
        "oembed",
        "Describe what an editor shows in place of a page's address (oEmbed).",
        {200: _answer("The numbers in a frame; a link, where there is too little room for it.", content)},
        (404, 405, 422),
        parameters=[url, *limits, format_],
    )


def _pages() -> dict[str, Any]:
    home = _operation(
        PAGES,
        "home",
        "List the petitions, or lead to the only one that is open.",
        {200: _answer("The list.", _HTML), 302: _answer("To the petition.")},
        (405,),
        description="Addresses as people pass them on (`/c/x/`, `/C/X.`) lead to the page that is meant, too.",
    )
    return {
        EmbedPath.HOME: {"parameters": [_LANG], "get": home},
        EmbedPath.PETITION: {
            **_page("petition", "Show the petition and its form.", _PARTNER, _SOURCE, _EMBED),
            "post": _petition_again(),
        },
        EmbedPath.LINKS: _page("ask_links", "Show the form that asks for one's links again."),
        EmbedPath.PRIVACY: _page("privacy", "Show the privacy notice."),
        EmbedPath.SNIPPETS: _page("snippets", "Show what a partner pastes into a page.", _PARTNER),
        CountPath.PROGRESS: _page("progress", "Show the numbers, for journalists.", _PARTNER, _EMBED),
        CountPath.STREAM: _page("stream", "Show the number for a live stream, up to date.", _THEME, _SIZE),
        EmbedPath.SHEET: _page("sheet", "Show a sheet to print, for signatures on paper.", _PARTNER),
        EmbedPath.QR: {"parameters": [_CAMPAIGN, _LANG], "get": _qr()},
        EmbedPath.SHARE_IMAGE: _at_campaign(_share_image()),
        EmbedPath.IMAGE: _image(),
    }


def _page(operation: str, summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    answers = {200: _answer("The page in one language.", _HTML), 302: _answer("To the same page with `lang`.")}
    more = {"parameters": list(parameters)} if parameters else {}
    get = _operation(PAGES, operation, summary, answers, (404, 405), **more)
    return {"parameters": [_CAMPAIGN, _LANG], "get": get}


def _petition_again() -> dict[str, Any]:
    fields = ["name", "email", "country", "postal_code", "partner", "source"]
    return _operation(
        PAGES,
        "petition_again",
        "Show the petition with its form filled in, to correct a wrong address.",
        {200: _answer("The page in one language.", _HTML)},
        (400, 404, 405, 413, 415),
        description="Never ticks the consent, never answers for the newsletter.",
        requestBody={"required": True, "content": _form(fields, required=[])},
    )


def _qr() -> dict[str, Any]:
    picture = _answer("The picture.", {"image/svg+xml": {"schema": _TEXT, "example": examples.QR}})
    moved = _answer("To the same in a language, and for a partner, that there is.")
    return _operation(
        PAGES,
        "qr",
        "Draw the QR code of the petition's address, for print.",
        {200: picture, 302: moved},
        (404, 405),
        description="What is signed there has the source `qr`.",
        parameters=[_PARTNER],
    )


def _share_image() -> dict[str, Any]:
    summary = "Load the picture that networks show beside a link to the petition."
    content = {"image/png": {"schema": {**_TEXT, "contentMediaType": "image/png"}}}
    image = _answer("The image (PNG, 1200 x 630 pixels).", content)
    return _operation(PAGES, "share_image", summary, {200: image}, (404, 405))


def _image() -> dict[str, Any]:
    types = ("image/webp", "image/jpeg", "image/png")
    content = {each: {"schema": {**_TEXT, "contentMediaType": each}} for each in types}
    image = _answer("The image.", content)
    summary = "Load a size of the petition's picture, or a logo."
    get = _operation(PAGES, "image", summary, {200: image}, (404, 405))
    return {"parameters": [_CAMPAIGN, _IMAGE_FILE], "get": get}


def _operations() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}}}
    described = _answer("This document.", content)
    return {
        CountPath.OVERLAY: _at_campaign(_overlay()),
        **{routes.health(function): {"get": _health(function)} for function in routes.FUNCTIONS},
        EmbedPath.OPENAPI: {
            "get": _operation(OPERATIONS, "openapi", "Describe this API in OpenAPI 3.1.", {200: described}, (405,))
        },
    }


def _overlay() -> dict[str, Any]:
    return _operation(
        OPERATIONS,
        "overlay",
        "List what changed about the campaign since the last deployment.",
        {200: _json("Whether the campaign is paused, and partners admitted since.", examples.OVERLAY)},
        (404, 405, 503),
        description="For the functions that may not read the database.",
    )


def _health(function: str) -> dict[str, Any]:
    summary = f"Check whether {function} is up, and its version."
    answer = _json("The function is up.", Health(function=function, version=VERSION))
    return _operation(OPERATIONS, f"health_{function}", summary, {200: answer}, (405,))


def _at_campaign(get: dict[str, Any]) -> dict[str, Any]:
    return {"parameters": [_CAMPAIGN], "get": get}


def _operation(
    tag: str, operation: str, summary: str, answers: dict[int, Any], problems: Sequence[int], **more: Any
) -> dict[str, Any]:
    """`problems`: the statuses of errors, which are described once. `more`: other members of the operation."""
    problem = {"application/problem+json": {"schema": _reference(Problem)}, **_HTML}
    answers = {**answers, **{status: _answer(_PROBLEMS[status], problem) for status in problems}}
    responses = {str(status): answer for status, answer in answers.items()}
    return {"operationId": operation, "tags": [tag], "summary": summary, **more, "responses": responses}


def _body(example: BaseModel, form_fields: Sequence[str] = ()) -> dict[str, Any]:
    """Describe a model as JSON, or as a form, which may leave out the language and hold `form_fields`, too."""
    fields = type(example).model_fields
    required = [name for name, field in fields.items() if field.is_required() and name != "locale"]
    form = _form([*fields, *form_fields], required)
    return {"required": True, "content": {**_example(example), **form}}


def _form(names: Sequence[str], required: Sequence[str]) -> dict[str, Any]:
    properties = dict.fromkeys(names, _TEXT)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": _TEXT}
    return {"application/x-www-form-urlencoded": {"schema": schema}}


def _answer(description: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": description, **({"content": content} if content else {})}


def _json(description: str, example: BaseModel) -> dict[str, Any]:
    return _answer(description, _example(example))


def _example(example: BaseModel) -> dict[str, Any]:
    """Return the schema of a model with an instance of it."""
    shown = example.model_dump(mode="json", exclude_none=True)
    return {"application/json": {"schema": _reference(type(example)), "example": shown}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
