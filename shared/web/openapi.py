"""The OpenAPI 3.1 document, generated from the models that parse the requests and make the answers."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.campaigns.overlay import PublishedOverlay
from shared.models.requests import LinksRequest, SignRequest
from shared.models.responses import CheckInbox, Count, Form, Health, History, Pressed, Problem
from shared.settings import VERSION
from shared.stats.history import HOURS_KEPT_DAYS, as_csv
from shared.web import examples, routes
from shared.web.routes import ConfirmPath, CountPath, EmbedPath, SignPath

SIGNING, NUMBERS, WIDGET, PAGES, OPERATIONS = "Signing", "Numbers", "Widget", "Pages", "Operations"
_TAGS = {
    SIGNING: "Sign, confirm, withdraw.",
    NUMBERS: "The public counter and its history. Any page may read them.",
    WIDGET: "The form and the counter in a partner's page.",
    PAGES: "What people see, in the campaign's languages.",
    OPERATIONS: "Health, and what the functions ask each other.",
}

_REFERENCE = "#/components/schemas/{model}"
_HTML = {"text/html": {"schema": {"type": "string"}}}

_CAMPAIGN = {
    "name": "campaign",
    "in": "path",
    "required": True,
    "description": "A campaign's id.",
    "schema": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"},
    "example": "reclaim-your-face",
}
_TOKEN = {
    "name": "token",
    "in": "path",
    "required": True,
    "description": "From a link in the mail.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]+$"},
}
_LANG = {
    "name": "lang",
    "in": "query",
    "description": "BCP 47; by default the campaign's language.",
    "schema": {"type": "string"},
}
_PARTNER = {
    "name": "partner",
    "in": "query",
    "description": "The partner whose page leads here; an unknown one is ignored.",
    "schema": {"type": "string"},
}
_SOURCE = {
    "name": "source",
    "in": "query",
    "description": "Where the signer comes from, such as `mastodon`.",
    "schema": {"type": "string"},
}
_ORIGIN = {
    "name": "origin",
    "in": "query",
    "description": "The origin of the page that shows the form.",
    "schema": {"type": "string"},
}
_EMBED = {
    "name": "embed",
    "in": "query",
    "description": "1: without what surrounds it, for a frame in another page.",
    "schema": {"type": "string"},
}
_FILE = {
    "name": "file",
    "in": "path",
    "required": True,
    "description": "`v1.js`, or the name of one version of it.",
    "schema": {"type": "string", "pattern": "^[a-z0-9.-]{1,40}$"},
    "example": "v1.js",
}

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
    429: "Too many requests from one address: answered by the load balancer in front, with `Retry-After`.",
    503: "Try again; `Retry-After` says when. Nothing was lost.",
}
_NOT_MODIFIED = {"description": "The numbers are those of the `If-None-Match`."}
_TAKING_BODIES = (400, 403, 404, 405, 413, 415, 422, 429, 503)


@cache
def document(public_url: str) -> str:
    """Write the document as JSON. `public_url`: where these paths are."""
    models: list[type[BaseModel]] = [
        SignRequest,
        LinksRequest,
        CheckInbox,
        Pressed,
        Count,
        History,
        Form,
        Health,
        Problem,
        PublishedOverlay,
    ]
    _, schemas = models_json_schema(
        [(model, "validation" if model in (SignRequest, LinksRequest) else "serialization") for model in models],
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
            "paths": _paths(),
            "components": {"schemas": schemas["$defs"]},
        }
    )


def _paths() -> dict[str, Any]:
    return {**_signing(), **_numbers(), **_widget(), **_pages(), **_operations()}


def _signing() -> dict[str, Any]:
    return {
        SignPath.SIGNATURES: {"parameters": [_CAMPAIGN], "post": _sign()},
        SignPath.LINKS: {"parameters": [_CAMPAIGN], "post": _links()},
        ConfirmPath.CONFIRM: {
            "parameters": [_TOKEN],
            "get": _button("confirm", "Show the page whose button confirms the signature."),
            "post": _press("confirm", "Confirm the signature and count it, once.", "confirmed"),
        },
        ConfirmPath.WITHDRAW: {
            "parameters": [_TOKEN],
            "get": _button("withdraw", "Show the page whose button withdraws the signature."),
            "post": _press("withdraw", "Withdraw the signature: uncount it and empty its record.", "withdrawn"),
        },
    }


def _sign() -> dict[str, Any]:
    return {
        "operationId": "sign",
        "tags": [SIGNING],
        "summary": "Sign the petition.",
        "description": "JSON refuses unknown fields; a plain form ignores them, and may hold `return_url`, the "
        "address of a registered partner's page to go to afterwards.",
        "requestBody": _body(examples.SIGN, form_fields=["return_url"]),
        "responses": {
            "202": _json("Accepted: look into your inbox. The same for every address.", examples.CHECK_INBOX),
            "200": _html("To a form: the check-your-inbox page."),
            "303": {"description": "To a form: to its `return_url`, or to the hosted page."},
            **_problems(409, 410, *_TAKING_BODIES),
        },
    }


def _links() -> dict[str, Any]:
    return {
        "operationId": "links",
        "tags": [SIGNING],
        "summary": "Mail an address the links it is due.",
        "requestBody": _body(examples.LINKS),
        "responses": {
            "202": _json("Accepted, whether or not anything is due.", examples.CHECK_INBOX),
            "200": _html("To a form: a page that says so."),
            "303": {"description": "To a form of an unregistered page: to the hosted page."},
            **_problems(*_TAKING_BODIES),
        },
    }


def _button(operation: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": f"show_{operation}",
        "tags": [SIGNING],
        "summary": summary,
        "description": "Changes nothing: mail scanners open links.",
        "responses": {"200": _html("The page with its button."), **_problems(404, 405, 410)},
    }


def _press(operation: str, summary: str, status: Literal["confirmed", "withdrawn"]) -> dict[str, Any]:
    answer = _json("Done, now or before.", Pressed(status=status))
    return {
        "operationId": operation,
        "tags": [SIGNING],
        "summary": summary,
        "description": "A repeat answers the same. HTML unless `Accept` asks for JSON.",
        "responses": {
            "200": {**answer, "content": {**answer["content"], **_HTML}},
            **_problems(404, 405, 410, 429, 503),
        },
    }


def _numbers() -> dict[str, Any]:
    days, hours = "each day since the start", f"each hour of the last {HOURS_KEPT_DAYS} days"
    return {
        CountPath.COUNT: _at_campaign(_count()),
        CountPath.BADGE: {"parameters": [_CAMPAIGN, _LANG], "get": _badge()},
        CountPath.HISTORY: _at_campaign(_history("days", days, examples.HISTORY_DAYS)),
        CountPath.HISTORY_CSV: _at_campaign(_history_csv("days", days, examples.HISTORY_DAYS)),
        CountPath.HOURS: _at_campaign(_history("hours", hours, examples.HISTORY_HOURS)),
        CountPath.HOURS_CSV: _at_campaign(_history_csv("hours", hours, examples.HISTORY_HOURS)),
    }


def _at_campaign(get: dict[str, Any]) -> dict[str, Any]:
    return {"parameters": [_CAMPAIGN], "get": get}


def _count() -> dict[str, Any]:
    return {
        "operationId": "count",
        "tags": [NUMBERS],
        "summary": "Count the confirmed signatures.",
        "description": "By country, with the next goal and the thresholds of an initiative.",
        "responses": {
            "200": _json("The count, at most a few seconds old.", examples.COUNT),
            "304": _NOT_MODIFIED,
            **_problems(404, 405, 503),
        },
    }


def _badge() -> dict[str, Any]:
    picture = {"image/svg+xml": {"schema": {"type": "string"}}}
    return {
        "operationId": "badge",
        "tags": [NUMBERS],
        "summary": "Draw the count as a picture, 200 x 48 pixels.",
        "responses": {
            "200": {"description": "The total, with a bar towards the next goal.", "content": picture},
            "304": _NOT_MODIFIED,
            **_problems(404, 405, 503),
        },
    }


def _history(name: str, what: str, example: History) -> dict[str, Any]:
    return {
        "operationId": f"history_{name}",
        "tags": [NUMBERS],
        "summary": f"List how the count has grown: {what}.",
        "responses": {
            "200": _json("The points, oldest first.", example),
            "304": _NOT_MODIFIED,
            **_problems(404, 405, 503),
        },
    }


def _history_csv(name: str, what: str, example: History) -> dict[str, Any]:
    table = {"text/csv": {"schema": {"type": "string"}, "example": as_csv(example)}}
    return {
        "operationId": f"history_{name}_csv",
        "tags": [NUMBERS],
        "summary": f"List how the count has grown as a table (RFC 4180): {what}.",
        "responses": {
            "200": {
                "description": "A row for each point, a column for each country.",
                "content": table,
            },
            "304": _NOT_MODIFIED,
            **_problems(404, 405, 503),
        },
    }


def _widget() -> dict[str, Any]:
    return {
        EmbedPath.FORM: {"parameters": [_CAMPAIGN, _LANG], "get": _form_for_widget()},
        EmbedPath.SCRIPT: {"parameters": [_FILE], "get": _script()},
    }


def _form_for_widget() -> dict[str, Any]:
    return {
        "operationId": "form",
        "tags": [WIDGET],
        "summary": "Describe the petition's form in one language, for a page of the given origin.",
        "parameters": [_PARTNER, _ORIGIN],
        "responses": {
            "200": _json("Texts, countries, what is asked, and whether this origin may post.", examples.FORM),
            "302": {"description": "To the same with `lang`."},
            **_problems(404, 405),
        },
    }


def _script() -> dict[str, Any]:
    content = {"text/javascript": {"schema": {"type": "string"}}}
    return {
        "operationId": "script",
        "tags": [WIDGET],
        "summary": "Load the widget: at its moving address, or at one that never changes.",
        "responses": {"200": {"description": "An ES module.", "content": content}, **_problems(404, 405)},
    }


def _pages() -> dict[str, Any]:
    def at(operation: str, summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
        return {"parameters": [_CAMPAIGN, _LANG], "get": _page(operation, summary, *parameters)}

    return {
        EmbedPath.PETITION: {
            **at("petition", "Show the petition and its form.", _PARTNER, _SOURCE, _EMBED),
            "post": _petition_again(),
        },
        EmbedPath.LINKS: at("ask_links", "Show the form that asks for one's links again."),
        EmbedPath.PRIVACY: at("privacy", "Show the privacy notice."),
        EmbedPath.SNIPPETS: at("snippets", "Show what a partner pastes into a page.", _PARTNER),
        CountPath.PROGRESS: at("progress", "Show the numbers, for journalists.", _EMBED),
        EmbedPath.SHARE_IMAGE: _at_campaign(_share_image()),
    }


def _page(operation: str, summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "tags": [PAGES],
        "summary": summary,
        **({"parameters": list(parameters)} if parameters else {}),
        "responses": {
            "200": _html("The page in one language."),
            "302": {"description": "To the same page with `lang`."},
            **_problems(404, 405),
        },
    }


def _petition_again() -> dict[str, Any]:
    return {
        "operationId": "petition_again",
        "tags": [PAGES],
        "summary": "Show the petition with its form filled in, to correct a wrong address.",
        "description": "Never ticks the consent, never answers for the newsletter.",
        "requestBody": {
            "required": True,
            "content": _form(["name", "email", "country", "postal_code", "partner", "source"], required=[]),
        },
        "responses": {"200": _html("The page in one language."), **_problems(400, 404, 405, 413, 415)},
    }


def _share_image() -> dict[str, Any]:
    content = {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}}
    return {
        "operationId": "share_image",
        "tags": [PAGES],
        "summary": "Load the picture that networks show beside a link to the petition.",
        "responses": {
            "200": {"description": "The image (PNG, 1200 x 630 pixels).", "content": content},
            **_problems(404, 405),
        },
    }


def _operations() -> dict[str, Any]:
    return {
        CountPath.OVERLAY: _at_campaign(_overlay()),
        **{routes.health(function): {"get": _health(function)} for function in routes.FUNCTIONS},
        EmbedPath.OPENAPI: {"get": _described()},
    }


def _overlay() -> dict[str, Any]:
    return {
        "operationId": "overlay",
        "tags": [OPERATIONS],
        "summary": "List what changed about the campaign since the last deployment.",
        "description": "For the functions that may not read the database.",
        "responses": {
            "200": _json("Whether the campaign is paused, and partners admitted since.", examples.OVERLAY),
            **_problems(404, 405, 503),
        },
    }


def _health(function: str) -> dict[str, Any]:
    return {
        "operationId": f"health_{function}",
        "tags": [OPERATIONS],
        "summary": f"Check whether {function} is up, and its version.",
        "responses": {
            "200": _json("The function is up.", Health(function=function, version=VERSION)),
            **_problems(405),
        },
    }


def _described() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}}}
    return {
        "operationId": "openapi",
        "tags": [OPERATIONS],
        "summary": "Describe this API in OpenAPI 3.1.",
        "responses": {"200": {"description": "This document.", "content": content}, **_problems(405)},
    }


def _body(example: BaseModel, form_fields: Sequence[str] = ()) -> dict[str, Any]:
    """A model as JSON, or its fields in a form, which may leave the language to us and hold `form_fields`, too."""
    fields = type(example).model_fields
    required = [name for name, field in fields.items() if field.is_required() and name != "locale"]
    form = _form([*fields, *form_fields], required)
    return {"required": True, "content": {**_example(example), **form}}


def _form(names: Sequence[str], required: Sequence[str]) -> dict[str, Any]:
    text = {"type": "string"}
    properties = dict.fromkeys(names, text)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": text}
    return {"application/x-www-form-urlencoded": {"schema": schema}}


def _html(description: str) -> dict[str, Any]:
    return {"description": description, "content": _HTML}


def _json(description: str, example: BaseModel) -> dict[str, Any]:
    return {"description": description, "content": _example(example)}


def _example(example: BaseModel) -> dict[str, Any]:
    """The schema of a model, and an instance of it."""
    shown = example.model_dump(mode="json", exclude_none=True)
    return {"application/json": {"schema": _reference(type(example)), "example": shown}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _problems(*statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _reference(Problem)}, **_HTML}
    return {str(status): {"description": _PROBLEMS[status], "content": content} for status in statuses}
