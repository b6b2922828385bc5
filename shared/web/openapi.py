"""The OpenAPI 3.1 document, generated from the models that parse the requests and make the answers."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.campaigns.overlay import PublishedOverlay
from shared.models.requests import LinksRequest, SignRequest
from shared.models.responses import CheckInbox, Count, Form, Health, History, Pressed, Problem
from shared.settings import VERSION
from shared.stats.history import HOURS_KEPT_DAYS

_REFERENCE = "#/components/schemas/{model}"
_HTML = {"text/html": {"schema": {"type": "string"}}}
_FUNCTIONS = ("sign", "deliver", "confirm", "count", "embed")

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
    "description": "From the mail.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]+$"},
}
_LANG = {
    "name": "lang",
    "in": "query",
    "description": "BCP 47; by default the campaign's language.",
    "schema": {"type": "string"},
}
_PARTNER = {"name": "partner", "in": "query", "schema": {"type": "string"}}
_SOURCE = {"name": "source", "in": "query", "schema": {"type": "string"}}
_ORIGIN = {
    "name": "origin",
    "in": "query",
    "description": "Of the page with the form.",
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
    429: "Too many requests from one address: told by the load balancer in front, with `Retry-After`.",
    503: "Try again; `Retry-After` says when. Nothing was lost.",
}
_TAKING_BODIES = (400, 403, 404, 405, 413, 415, 422, 429, 503)


@cache
def document(public_url: str) -> str:
    """The document as JSON. `public_url`: where these paths are."""
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
            "paths": _paths(),
            "components": {"schemas": schemas["$defs"]},
        }
    )


def _paths() -> dict[str, Any]:
    return {
        "/v1/campaigns/{campaign}/signatures": {"parameters": [_CAMPAIGN], "post": _sign()},
        "/v1/campaigns/{campaign}/links": {"parameters": [_CAMPAIGN], "post": _links()},
        "/v1/confirm/{token}": {"parameters": [_TOKEN], **_press("confirm", "Count the signature, once.")},
        "/v1/withdraw/{token}": {"parameters": [_TOKEN], **_press("withdraw", "Uncount and empty the signature.")},
        "/v1/campaigns/{campaign}/count": {"parameters": [_CAMPAIGN], "get": _count()},
        "/v1/campaigns/{campaign}/count.svg": {"parameters": [_CAMPAIGN, _LANG], "get": _badge()},
        **_histories(),
        "/v1/campaigns/{campaign}/overlay": {"parameters": [_CAMPAIGN], "get": _overlay()},
        "/v1/campaigns/{campaign}/form": {"parameters": [_CAMPAIGN, _LANG], "get": _form_for_widget()},
        "/embed/{file}": {"parameters": [_FILE], "get": _script()},
        "/c/{campaign}": {
            "parameters": [_CAMPAIGN, _LANG],
            "get": {**_page("petition", "The petition."), "parameters": [_PARTNER, _SOURCE, _EMBED]},
            "post": _petition_again(),
        },
        "/c/{campaign}/links": {
            "parameters": [_CAMPAIGN, _LANG],
            "get": _page("ask_links", "Ask for your links again."),
        },
        "/c/{campaign}/privacy": {
            "parameters": [_CAMPAIGN, _LANG],
            "get": _page("privacy", "The privacy notice."),
        },
        "/c/{campaign}/progress": {
            "parameters": [_CAMPAIGN, _LANG],
            "get": {**_page("progress", "The numbers, for journalists."), "parameters": [_EMBED]},
        },
        "/c/{campaign}/embed": {
            "parameters": [_CAMPAIGN, _LANG],
            "get": {**_page("snippets", "What a partner pastes into a page."), "parameters": [_PARTNER]},
        },
        "/c/{campaign}/share.png": {"parameters": [_CAMPAIGN], "get": _share_image()},
        **{f"/v1/health/{function}": {"get": _health(function)} for function in _FUNCTIONS},
        "/v1/openapi.json": {"get": _described()},
    }


def _sign() -> dict[str, Any]:
    return {
        "operationId": "sign",
        "summary": "Sign the petition.",
        "description": "JSON refuses unknown fields; a plain form ignores them, and may hold `return_url`, the "
        "address of a registered partner's page to go to afterwards.",
        "requestBody": _body(
            SignRequest,
            {"email": "ann@example.org", "name": "Ann Example", "country": "DE", "locale": "en", "consent": True},
            form_fields=["return_url"],
        ),
        "responses": {
            "202": _json("Accepted: look into your inbox. The same for every address.", CheckInbox),
            "200": _html("To a form: the check-your-inbox page."),
            "303": {"description": "To a form: to its `return_url`, or to the hosted page."},
            **_problems(409, 410, *_TAKING_BODIES),
        },
    }


def _links() -> dict[str, Any]:
    return {
        "operationId": "links",
        "summary": "Mail an address the links it is due.",
        "requestBody": _body(LinksRequest, {"email": "ann@example.org", "locale": "en"}),
        "responses": {
            "202": _json("Accepted, whether or not anything is due.", CheckInbox),
            "200": _html("To a form: a page that says so."),
            "303": {"description": "To a form of an unregistered page: to the hosted page."},
            **_problems(*_TAKING_BODIES),
        },
    }


def _press(operation: str, summary: str) -> dict[str, Any]:
    return {
        "get": {
            "operationId": f"show_{operation}",
            "summary": "A page with one button; changes nothing.",
            "responses": {"200": _html("The page."), **_problems(404, 405, 410)},
        },
        "post": {
            "operationId": operation,
            "summary": summary,
            "description": "A repeat answers the same. HTML unless `Accept` asks for JSON.",
            "responses": {
                "200": {"description": "Done.", "content": {**_schema(Pressed), **_HTML}},
                **_problems(404, 405, 410, 429, 503),
            },
        },
    }


def _count() -> dict[str, Any]:
    return {
        "operationId": "count",
        "summary": "The public counter.",
        "responses": {"200": _json("The numbers.", Count), "304": _NOT_MODIFIED, **_problems(404, 405, 503)},
    }


def _badge() -> dict[str, Any]:
    picture = {"description": "The total.", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}
    return {
        "operationId": "badge",
        "summary": "The public counter as a picture.",
        "responses": {"200": picture, "304": _NOT_MODIFIED, **_problems(404, 405, 503)},
    }


def _histories() -> dict[str, Any]:
    of_what = {
        "": ("days", "each day since the start"),
        "/hours": ("hours", f"each hour of the last {HOURS_KEPT_DAYS} days"),
    }
    paths: dict[str, Any] = {}
    for path, (name, what) in of_what.items():
        start = f"/v1/campaigns/{{campaign}}/history{path}"
        paths[start] = {"parameters": [_CAMPAIGN], "get": _history(name, what)}
        paths[f"{start}.csv"] = {"parameters": [_CAMPAIGN], "get": _history_csv(name, what)}
    return paths


def _history(name: str, what: str) -> dict[str, Any]:
    return {
        "operationId": f"history_{name}",
        "summary": f"How the count has grown: {what}.",
        "responses": {"200": _json("The numbers.", History), "304": _NOT_MODIFIED, **_problems(404, 405, 503)},
    }


def _history_csv(name: str, what: str) -> dict[str, Any]:
    table = {"description": "RFC 4180.", "content": {"text/csv": {"schema": {"type": "string"}}}}
    return {
        "operationId": f"history_{name}_csv",
        "summary": f"The same as a table, for {what}.",
        "responses": {"200": table, "304": _NOT_MODIFIED, **_problems(404, 405, 503)},
    }


def _overlay() -> dict[str, Any]:
    return {
        "operationId": "overlay",
        "summary": "What changed about the campaign since the last deployment, for the functions themselves.",
        "responses": {
            "200": _json("Whether it is paused, and partners.", PublishedOverlay),
            **_problems(404, 405, 503),
        },
    }


_NOT_MODIFIED = {"description": "The numbers are those of the `If-None-Match`."}


def _form_for_widget() -> dict[str, Any]:
    return {
        "operationId": "form",
        "summary": "The petition in one language, as the widget shows it on a page of the given origin.",
        "parameters": [_PARTNER, _ORIGIN],
        "responses": {
            "200": _json("Texts, countries, what is asked, and whether this origin may post.", Form),
            "302": {"description": "To the same with `lang`."},
            **_problems(404, 405),
        },
    }


def _script() -> dict[str, Any]:
    content = {"text/javascript": {"schema": {"type": "string"}}}
    return {
        "operationId": "script",
        "summary": "The widget: at its moving address, or at one that never changes.",
        "responses": {"200": {"description": "An ES module.", "content": content}, **_problems(404, 405)},
    }


def _share_image() -> dict[str, Any]:
    content = {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}}
    return {
        "operationId": "share_image",
        "summary": "The picture beside a link to the petition; 1200 x 630 pixels.",
        "responses": {"200": {"description": "It.", "content": content}, **_problems(404, 405)},
    }


def _page(operation: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": _html("The page."),
            "302": {"description": "To the same page with `lang`."},
            **_problems(404, 405),
        },
    }


def _petition_again() -> dict[str, Any]:
    return {
        "operationId": "petition_again",
        "summary": "The petition with its form filled in: where a wrong address is corrected.",
        "description": "Never ticks the consent, never answers for the newsletter.",
        "requestBody": {
            "required": True,
            "content": _form(["name", "email", "country", "postal_code", "partner", "source"], required=[]),
        },
        "responses": {"200": _html("The page."), **_problems(400, 404, 405, 413, 415)},
    }


def _health(function: str) -> dict[str, Any]:
    return {
        "operationId": f"health_{function}",
        "summary": f"Whether {function} is up, and its version.",
        "responses": {"200": _json("It is.", Health), **_problems(405)},
    }


def _described() -> dict[str, Any]:
    anything = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "openapi",
        "summary": "This document.",
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": anything}, **_problems(405)},
    }


def _body(model: type[BaseModel], example: dict[str, Any], form_fields: Sequence[str] = ()) -> dict[str, Any]:
    """`model` as JSON, or its fields in a form, which may leave the language to us and hold `form_fields`, too."""
    required = [name for name, field in model.model_fields.items() if field.is_required() and name != "locale"]
    form = _form([*model.model_fields, *form_fields], required)
    as_json = _schema(model)
    as_json["application/json"]["example"] = example
    return {"required": True, "content": {**as_json, **form}}


def _form(names: Sequence[str], required: Sequence[str]) -> dict[str, Any]:
    text = {"type": "string"}
    properties = dict.fromkeys(names, text)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": text}
    return {"application/x-www-form-urlencoded": {"schema": schema}}


def _html(description: str) -> dict[str, Any]:
    return {"description": description, "content": _HTML}


def _json(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "content": _schema(model)}


def _schema(model: type[BaseModel], media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def _problems(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {
            "description": _PROBLEMS[status],
            "content": {**_schema(Problem, "application/problem+json"), **_HTML},
        }
        for status in statuses
    }
