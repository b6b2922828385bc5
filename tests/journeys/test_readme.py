"""The README's own commands, run as its reader would; and its tables, held against the code."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared import errors, settings
from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port, wait_for_port
from tests.support.polling import PATIENCE_SECONDS
from tests.support.servers import server

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CONTRACT = README.split("## The HTTP contract")[1].split("\n## ")[0]
ELLIPSIS = "…"


def fits(actual: Any, shown: Any) -> bool:
    """Whether an answer is the one shown, in which … stands for anything."""
    if shown == ELLIPSIS:
        return True
    if isinstance(shown, dict):
        return (
            isinstance(actual, dict)
            and actual.keys() == shown.keys()
            and all(fits(actual[key], shown[key]) for key in shown)
        )
    if isinstance(shown, list):
        return len(actual) == len(shown) and all(map(fits, actual, shown))
    return bool(actual == shown)


def test_the_contracts_commands_answer_as_shown(tmp_path: Path) -> None:
    """Every command of the chapter, in its order, in one shell."""
    blocks = re.findall(r"```(sh|json|text)\n(.*?)```", CONTRACT, re.DOTALL)
    with server(tmp_path) as running:
        variables = ""
        for number, (kind, command) in enumerate(blocks):
            if kind != "sh":
                continue
            if command.startswith("until LINK="):
                variables = command
                continue
            answer = run(variables + command, running.url)
            shown_as, shown = blocks[number + 1]
            if shown_as == "json":
                assert fits(json.loads(answer), json.loads(shown)), answer
            else:
                assert answer == shown


def test_the_form_to_copy_is_accepted(tmp_path: Path) -> None:
    """Filled in as its labels ask, it signs, and leads back to the partner's page."""
    [html] = re.findall(r"```html\n(.*?)```", CONTRACT, re.DOTALL)
    given = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', html))
    typed = {"name": "Cleo Example", "email": "cleo@example.org", "country": "DE", "newsletter": "no"}
    [path] = re.findall(r'action="http://localhost:8080([^"]+)"', html)

    with server(tmp_path) as running:
        answer = httpx.post(running.url + path, data={**given, **typed}, trust_env=False)

    assert (answer.status_code, answer.headers["location"]) == (303, given["return_url"])


def run(commands: str, url: str) -> str:
    """What the commands print."""
    here = commands.replace("http://localhost:8080", url)
    done = subprocess.run(["bash", "-euc", here], capture_output=True, text=True, check=True)
    return done.stdout


def test_make_run_starts_the_petition(tmp_path: Path) -> None:
    """The one command of the first screen."""
    port = free_port()
    environment = {**os.environ, "LOCAL_FOLDER": str(tmp_path / "var"), "PORT": str(port)}

    process = subprocess.Popen(["make", "run"], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE)
    try:
        assert wait_for_port(port, process)
        page = httpx.get(
            f"http://localhost:{port}/", follow_redirects=True, trust_env=False, timeout=PATIENCE_SECONDS
        )
    finally:
        process.terminate()
        printed, _ = process.communicate()

    assert page.status_code == 200
    assert f"http://localhost:{port}/dev/mail" in printed.decode()


def test_make_alone_prints_help() -> None:
    """For whoever does not know what to type."""
    printed = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    assert {"make run", "make test", "make check", "make build"} <= {
        line.strip()[:10].strip() for line in printed.splitlines()
    }


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("sign", settings.SignSettings),
        ("deliver", settings.DeliverSettings),
        ("confirm", settings.ConfirmSettings),
        ("count", settings.CountSettings),
        ("embed", settings.EmbedSettings),
    ],
)
def test_the_table_of_settings_names_what_each_function_reads(
    function: str, kind: type[settings.Settings]
) -> None:
    """No more and no less."""
    table = README.split("## Configure the functions")[1].split("\n## ")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines() if row.startswith("| `")]

    told = {
        name
        for names, functions in rows
        if function in functions or "all" in functions
        for name in re.findall(r"`([A-Z_]+)`", names)
    }

    read = {name.upper() for name in kind.model_fields}
    assert read - {"LOCAL_FOLDER"} == told - {"LOCAL_FOLDER"}


def test_the_tables_of_the_widget_name_what_the_script_has() -> None:
    """Each property with its default, and each event."""
    chapter = README.split("## Put it into any page")[1].split("\n## ")[0]
    script = (REPOSITORY / "functions" / "embed" / "static" / "v1.js").read_text(encoding="utf-8")

    for row in re.findall(r"^\| `--undersign.*$", chapter, re.M):
        names, _, defaults = row.strip("| ").split(" | ")
        for name, default in zip(re.findall(r"--[\w-]+", names), defaults.split(", "), strict=True):
            assert "page" in default or f"var({name}, {default.strip('`')})" in script
    assert set(re.findall(r"--undersign-[a-z-]+", chapter)) == set(re.findall(r"--undersign-[a-z-]+", script))
    events = {*re.findall(r'#tell\("(\w+)"', script), *re.findall(r'CustomEvent\("undersign:(\w+)"', script)}
    assert set(re.findall(r"^\| `undersign:(\w+)`", chapter, re.M)) == events


def test_the_table_of_errors_names_every_code() -> None:
    """And no other."""
    table = CONTRACT.split("Faults are found in this order")[1]
    told = set(
        re.findall(r"`([a-z_0-9]+)`", "".join(row.split("|")[2] for row in table.splitlines() if "|" in row))
    )

    assert told - {"code"} == {code for code in codes(errors.PublicError) if code != "internal"}


def codes(kind: type[errors.PublicError]) -> set[str]:
    """The codes of an error and of all below it in the tree."""
    return {kind.code}.union(*(codes(below) for below in kind.__subclasses__()))


def headings(page: Path) -> set[str]:
    """What links into a page may name."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("name", ["README.md", "infra/README.md", "infra/RUNBOOK.md"])
def test_every_link_within_the_repository_leads_somewhere(name: str) -> None:
    """Files and headings."""
    page = REPOSITORY / name
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        led_to = page.parent / file if file else page
        assert led_to.exists(), target
        assert not heading or heading in headings(led_to), target


def test_every_target_of_the_makefile_that_is_named_is_there() -> None:
    """In the three pages that tell people what to type."""
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.M))

    for name in ("README.md", "infra/README.md", "infra/RUNBOOK.md"):
        named = set(re.findall(r"`?make ([a-z]+)", (REPOSITORY / name).read_text(encoding="utf-8")))
        assert {word for word in named if word not in {"a", "the", "it", "sure", "them"}} <= targets, name
