"""The OpenAPI document, and whether every answer is one that it describes, whatever Schemathesis asks."""

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

#: Called by the queue and the scheduler alone: anybody who reads the public description cannot reach them.
PRIVATE = {(f"/v1/tasks/{name}", "post") for name in ("deliver", "sweep", "snapshot", "fold")}

#: JSON Schema can say neither what an address of mail is nor what a name may hold (letters, but no web address),
#: so what fits the schema may still be refused. That the examples are accepted has a test of its own.
_NOT_CHECKED = "positive_data_acceptance"
_EXAMPLES_PER_OPERATION = "100"
_SEED = "20261122"
_PATIENCE_SECONDS = 240


@pytest.fixture
def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(openapi.document(PUBLIC_URL))
    return content


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server")) as started:
        yield started


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    """By the schema of the OpenAPI Initiative, with every reference leading somewhere and every name unique."""
    schemathesis.openapi.from_dict(document).validate()

    assert document["openapi"].startswith("3.1.")
    schemas = document["components"]["schemas"]
    assert {f"#/components/schemas/{name}" for name in schemas} >= set(_values_of("$ref", document))
    operations = list(_values_of("operationId", document))
    assert len(operations) == len(set(operations))


async def test_every_route_is_described_and_nothing_else(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Path by path and method by method, as the functions themselves list them."""
    async with world(tmp_path, monkeypatch) as deployed:
        routes = [route for module in deployed.functions.values() for route in module.app.routes]
    served = {(route.path, method.lower()) for route in routes for method in route.handlers}

    described = {(path, method) for path, method, _ in operations(document)}

    assert described == served - PRIVATE
    assert {path for path, _ in served} == set(function_by_path())


def test_every_operation_has_a_tag_and_a_summary(document: dict[str, Any]) -> None:
    """A sentence of its own, so that a list of operations reads as one."""
    tags = {tag["name"] for tag in document["tags"]}
    summaries = [operation["summary"] for _, _, operation in operations(document)]

    for _, _, operation in operations(document):
        assert operation["tags"]
        assert set(operation["tags"]) <= tags
        assert re.fullmatch(r"[A-Z]\S*( \S+){2,}\.", operation["summary"]), operation["summary"]
    assert len(summaries) == len(set(summaries))


def test_every_json_body_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    """Of every request, and of every answer to one that succeeds."""
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


def succeeding(operation: dict[str, Any]) -> list[dict[str, Any]]:
    return [answer for status, answer in operation["responses"].items() if status.startswith("2")]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each."""
    for path, item in document["paths"].items():
        yield from ((path, method, item[method]) for method in item if method != "parameters")


def test_every_answer_is_described(running: Server, tmp_path: Path) -> None:
    """No 500, no status, header, media type or shape that the document does not name, and no method it hides."""
    asked = _schemathesis(running, tmp_path, "--exclude-checks", _NOT_CHECKED)

    assert asked.returncode == 0, asked.stdout + asked.stderr


def test_every_answer_to_a_link_that_works_is_described(running: Server, tmp_path: Path) -> None:
    """Confirm, withdraw, and confirm again after that, with tokens that guessing would never find."""
    address = "links@example.org"
    httpx.post(running.url + SIGNATURES, json=signature(email=address), trust_env=False).raise_for_status()
    links = running.mail_to(address).links

    asked = _schemathesis(
        running,
        tmp_path,
        "--exclude-checks",
        _NOT_CHECKED,
        "--include-path-regex",
        "^/v1/(confirm|withdraw)/",
        tokens={purpose: link.rsplit("/", 1)[1] for purpose, link in links.items()},
    )

    assert asked.returncode == 0, asked.stdout + asked.stderr


def test_the_examples_are_accepted(document: dict[str, Any], running: Server) -> None:
    """Who copies a body out of the document signs, and asks for links."""
    answers = {}
    for path, item in document["paths"].items():
        for body in _values_of("application/json", item.get("post", {}).get("requestBody")):
            url = running.url + path.format(campaign=CAMPAIGN)
            answers[path] = httpx.post(url, json=body["example"], trust_env=False).status_code

    assert answers == {path.replace(CAMPAIGN, "{campaign}"): 202 for path in (SIGNATURES, LINKS)}


def _schemathesis(
    running: Server, folder: Path, *options: str, tokens: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Let Schemathesis ask; it ends with 0 unless it finds fault. `tokens`: by purpose."""
    configuration = folder / "schemathesis.toml"
    configuration.write_text("".join(map(_with_token, (tokens or {}).items())))
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
        timeout=_PATIENCE_SECONDS,
        check=False,
    )


def _with_token(purpose_and_token: tuple[str, str]) -> str:
    purpose, token = purpose_and_token
    return f'[[operations]]\ninclude-path = "/v1/{purpose}/{{token}}"\nparameters = {{ token = "{token}" }}\n'


def _values_of(key: str, node: Any) -> Iterator[Any]:
    """Every value of `key`, however deep in the document."""
    if isinstance(node, dict):
        yield from [node[key]] if key in node else []
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _values_of(key, inner)
