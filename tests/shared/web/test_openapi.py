"""The OpenAPI document, and whether it describes every answer to what Schemathesis sends."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis

from shared.web import openapi
from shared.web.routes import function_by_path
from tests.support.deployment import CAMPAIGN, LINKS, PUBLIC_URL, REPOSITORY, SIGNATURES, signature, world
from tests.support.servers import Server, server

#: Called by the queue and the scheduler alone; readers of the public document cannot call them.
PRIVATE = {(f"/v1/tasks/{name}", "post") for name in ("deliver", "sweep", "snapshot", "fold", "bounces")}

#: JSON Schema can express neither what an email address is nor what a name may hold (letters, but no URL), so a
#: body that fits the schema may still be refused. That the examples are accepted is tested separately.
_NOT_CHECKED = "positive_data_acceptance"
#: An address that is not written as it should be is not refused where it is plain which page is meant.
_CHECKS = "[checks]\nnegative_data_rejection.expected-statuses = [302, 400, 404, 405, 406, 413, 415, 422]\n"
_EXAMPLES_PER_OPERATION = "100"
_SEED = "20261122"
_TIMEOUT_SECONDS = 240


@pytest.fixture
def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(openapi.document(PUBLIC_URL))
    return content


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server")) as started:
        yield started


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    """It is valid by OpenAPI's own schema, its references resolve, and the names of its operations are unique."""
    schemathesis.openapi.from_dict(document).validate()

    assert document["openapi"].startswith("3.1.")
    schemas = document["components"]["schemas"]
    assert {f"#/components/schemas/{name}" for name in schemas} >= set(_values_of("$ref", document))
    operations = list(_values_of("operationId", document))
    assert len(operations) == len(set(operations))


async def test_the_document_describes_every_public_route_and_no_other(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its paths and methods are those of the functions' own routes, except for the private ones."""
    async with world(tmp_path, monkeypatch) as deployed:
        routes = [route for module in deployed.functions.values() for route in module.app.routes]
    served = {(route.path, method.lower()) for route in routes for method in route.handlers}

    described = {(path, method) for path, method, _ in operations(document)}

    assert described == served - PRIVATE
    assert {path for path, _ in served} == set(function_by_path())


def test_every_operation_has_a_tag_and_a_summary(document: dict[str, Any]) -> None:
    """Each summary is a sentence that no other operation has, so that a list of operations can be read."""
    tags = {tag["name"] for tag in document["tags"]}
    summaries = [operation["summary"] for _, _, operation in operations(document)]

    for _, _, operation in operations(document):
        assert operation["tags"]
        assert set(operation["tags"]) <= tags
        assert re.fullmatch(r"[A-Z]\S*( \S+){2,}\.", operation["summary"]), operation["summary"]
    assert len(summaries) == len(set(summaries))


def test_every_json_body_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    """Every request and every successful response has one."""
    bodies = [
        body
        for _, _, operation in operations(document)
        for holder in [operation.get("requestBody", {}), *succeeding(operation)]
        for media_type, body in holder.get("content", {}).items()
        if media_type == "application/json"
    ]

    assert len(bodies) > 10
    for body in bodies:
        schema = {**body["schema"], "components": document["components"]}  # where its references lead
        jsonschema_rs.validator_for(schema).validate(body["example"])


def test_every_answer_that_is_text_has_an_example(document: dict[str, Any]) -> None:
    """So that every operation shows what it answers; a picture of pixels cannot be shown in JSON."""
    without = [
        (operation["operationId"], media_type)
        for _, _, operation in operations(document)
        for holder in succeeding(operation)
        for media_type, body in holder.get("content", {}).items()
        if "example" not in body and media_type not in {"image/png", "image/jpeg", "image/webp"}
    ]

    assert without == []


def succeeding(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [answer for status, answer in operation["responses"].items() if status.startswith("2")]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and description of each operation."""
    for path, item in document["paths"].items():
        yield from ((path, method, item[method]) for method in item if method != "parameters")


def test_every_answer_is_described(running: Server, tmp_path: Path) -> None:
    """No answer is a 500 or has a status, header, media type or shape that the document does not name."""
    finished = _schemathesis(running, tmp_path, "--exclude-checks", _NOT_CHECKED)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_answer_to_a_valid_link_is_described(running: Server, tmp_path: Path) -> None:
    """Schemathesis confirms and withdraws with real tokens, which it could never guess."""
    address = "links@example.org"
    httpx.post(running.url + SIGNATURES, json=signature(email=address), trust_env=False).raise_for_status()
    links = running.mail_to(address).links

    finished = _schemathesis(
        running,
        tmp_path,
        "--exclude-checks",
        _NOT_CHECKED,
        "--include-path-regex",
        "^/v1/(confirm|withdraw)/",
        tokens={purpose: link.rsplit("/", 1)[1] for purpose, link in links.items()},
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_examples_are_accepted(document: dict[str, Any], running: Server) -> None:
    """The request bodies in the document, sent as they are, sign and request links."""
    answers = {}
    for path, item in document["paths"].items():
        for body in _values_of("application/json", item.get("post", {}).get("requestBody")):
            url = running.url + path.format(campaign=CAMPAIGN)
            answers[path] = httpx.post(url, json=body["example"], trust_env=False).status_code

    assert answers == {path.replace(CAMPAIGN, "{campaign}"): 202 for path in (SIGNATURES, LINKS)}


def _schemathesis(
    running: Server, folder: Path, *options: str, tokens: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis, which exits with 0 unless a check fails. `tokens`: by purpose."""
    configuration = folder / "schemathesis.toml"
    configuration.write_text(_CHECKS + "".join(map(_with_token, (tokens or {}).items())))
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "--no-color"),
            *("run", f"{running.url}/v1/openapi.json", "--continue-on-failure", "--generation-database", "none"),
            *("--seed", _SEED, "--max-examples", _EXAMPLES_PER_OPERATION, *options),
        ],
        cwd=folder,
        env={
            **os.environ,
            "NO_PROXY": "localhost",
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        },
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )


def _with_token(purpose_and_token: tuple[str, str]) -> str:
    purpose, token = purpose_and_token
    return f'[[operations]]\ninclude-path = "/v1/{purpose}/{{token}}"\nparameters = {{ token = "{token}" }}\n'


def _values_of(key: str, node: Any) -> Iterator[Any]:
    """Yield every value of `key` at any depth of the document."""
    if isinstance(node, dict):
        yield from [node[key]] if key in node else []
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _values_of(key, inner)
