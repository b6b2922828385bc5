"""The commands of the README and of docs/, run as a reader would; and the pages' tables, links and names."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import typer.main

from desk.main import app as desk
from shared import errors, settings
from shared.models.requests import SignRequest
from tests.support import pages
from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port, wait_for_port
from tests.support.pages import PAGES
from tests.support.polling import PATIENCE_SECONDS
from tests.support.servers import server

#: Pages whose commands are not run here, and why.
NOT_RUN = {
    "infra/README.md": "its commands create and change a Google Cloud project",
    "infra/RUNBOOK.md": "its commands look at a deployment on Google Cloud",
    "docs/organisers.md": "its commands ask for passphrases; test_tutorial.py runs it line by line",
}
#: Other names for a shell: blocks marked `sh` are run, blocks marked `console` are not.
OTHER_SHELLS = {"bash", "shell", "shellsession", "zsh"}
#: It keeps its terminal busy, so test_make_run_starts_the_petition runs it apart from the others.
START = "make run\n"
ELLIPSIS = "…"


def commands(page: str) -> list[str]:
    """What a reader of the page enters, except for the server's address, which is another one here."""
    entered = [block.text for block in pages.blocks(page) if block.language == "sh" and block.text != START]
    return [text for text in entered if not text.startswith("BASE=")]


def expected(page: str) -> list[pages.Block | None]:
    """The answer shown below each of the page's `commands`; None where there is none."""
    below = {block.text: after for block, after in pairwise([*pages.blocks(page), pages.Block("", "")])}
    shown = [below[command] for command in commands(page)]
    return [block if block.language in {"json", "text"} else None for block in shown]


def run(shell: Sequence[str], base: str) -> list[str]:
    """Run the commands in one shell, and return what each prints."""
    script = "\n".join(f"{command}printf '\\0'" for command in shell)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, "BASE": base},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.split("\0")[:-1]


def matches(actual: Any, shown: Any) -> bool:
    """Whether an answer equals the one shown, in which … stands for anything."""
    if shown == ELLIPSIS:
        return True
    if isinstance(shown, dict):
        return (
            isinstance(actual, dict)
            and actual.keys() == shown.keys()
            and all(matches(actual[key], shown[key]) for key in shown)
        )
    if isinstance(shown, list):
        return len(actual) == len(shown) and all(map(matches, actual, shown))
    return bool(actual == shown)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in NOT_RUN and commands(page)])
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    """All of them are run in the page's order, in one shell."""
    with server(tmp_path) as running:
        answers = run(commands(page), running.url)

    for answer, shown in zip(answers, expected(page), strict=True):
        if shown and shown.language == "json":
            assert matches(json.loads(answer), json.loads(shown.text)), answer
        elif shown:
            assert answer == shown.text


@pytest.mark.parametrize("page", PAGES)
def test_no_command_slips_past_these_tests(page: str) -> None:
    """No block has another name for a shell, and every page in NOT_RUN has commands."""
    assert not OTHER_SHELLS & {block.language for block in pages.blocks(page)}
    assert page not in NOT_RUN or commands(page)


def test_the_form_to_copy_is_accepted(tmp_path: Path) -> None:
    """Filled in as its labels ask, it signs, and redirects to the partner's page."""
    [html] = [block.text for block in pages.blocks("docs/api.md") if block.language == "html"]
    given = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', html))
    entered = {"name": "Cleo Example", "email": "cleo@example.org", "country": "DE", "newsletter": "no"}
    [action] = re.findall(r'action="([^"]+)"', html)

    with server(tmp_path) as running:
        answer = httpx.post(running.url + urlsplit(action).path, data={**given, **entered}, trust_env=False)

    assert (answer.status_code, answer.headers["location"]) == (303, given["return_url"])


def test_make_run_starts_the_petition(tmp_path: Path) -> None:
    """The page is served, and the address of the outbox is printed."""
    port = free_port()
    environment = {**os.environ, "LOCAL_FOLDER": str(tmp_path / "var"), "PORT": str(port)}

    process = subprocess.Popen(START.split(), cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE)
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
    """It lists the main targets."""
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
    """It names no others."""
    rows = [
        row.split("|")[1:3] for row in pages.read("docs/configuration.md").splitlines() if row.startswith("| `")
    ]

    documented = {
        name
        for names, functions in rows
        if function in functions or "all" in functions
        for name in re.findall(r"`([A-Z_]+?)(?:_<NAME>)?`", names)
    }

    read = {name.upper() for name in settings.variables(kind)}
    assert read - {"LOCAL_FOLDER"} == documented - {"LOCAL_FOLDER"}


def test_the_tables_of_the_widget_name_what_the_script_has() -> None:
    """They list each property with its default, and each event."""
    page = pages.read("docs/embedding.md")
    script = (REPOSITORY / "functions" / "embed" / "static" / "v1.js").read_text(encoding="utf-8")

    for row in re.findall(r"^\| `--undersign.*$", page, re.M):
        names, _, defaults = row.strip("| ").split(" | ")
        for name, default in zip(re.findall(r"--[\w-]+", names), defaults.split(", "), strict=True):
            assert "page" in default or f"var({name}, {default.strip('`')})" in script
    assert set(re.findall(r"--undersign-[a-z-]+", page)) == set(re.findall(r"--undersign-[a-z-]+", script))
    events = {*re.findall(r'#tell\("(\w+)"', script), *re.findall(r'CustomEvent\("undersign:(\w+)"', script)}
    assert set(re.findall(r"^\| `undersign:(\w+)`", page, re.M)) == events


def test_the_table_of_fields_names_what_a_form_may_contain() -> None:
    """It names no others."""
    rows = re.findall(r"^\| (`.*?) \|", pages.section("docs/api.md", "## Sign"), re.M)

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(SignRequest.model_fields)


def test_the_table_of_errors_names_every_code() -> None:
    """It names no others."""
    table = pages.section("docs/api.md", "## Errors")
    documented = set(
        re.findall(r"`([a-z_0-9]+)`", "".join(row.split("|")[2] for row in table.splitlines() if "|" in row))
    )

    assert documented - {"code"} == {code for code in codes(errors.PublicError) if code != "internal"}


def codes(kind: type[errors.PublicError]) -> set[str]:
    """The codes of an error and of all its subclasses."""
    return {kind.code}.union(*(codes(below) for below in kind.__subclasses__()))


def test_the_table_of_the_desk_names_every_command() -> None:
    """A row names the group of its commands once."""
    rows = re.findall(
        r"^\| (`undersign .*?) \|", pages.section("docs/organisers.md", "## The organiser's desk"), re.M
    )

    documented = set()
    for row in rows:
        first, *others = re.findall(r"`(?:undersign )?([a-z -]+)`", row)
        group = first.rpartition(" ")[0]
        documented |= {first, *(f"{group} {other}".strip() for other in others)}

    assert documented == set(full_names(typer.main.get_command(desk)))


def full_names(command: Any, before: str = "") -> Iterator[str]:
    """The full name of a command, or of each command in a group."""
    if not hasattr(command, "commands"):
        yield before
        return
    for name, each in command.commands.items():
        yield from full_names(each, f"{before} {name}".strip())


def test_the_tree_in_the_readme_matches_the_repository() -> None:
    """Each line names a file or a folder inside the folder above it."""
    [tree] = re.findall(r"```\n(.*?)```", pages.section("README.md", "## Where things live"), re.DOTALL)
    folder = ""

    for indent, name in re.findall(r"^( *)(\S+) ", tree, re.M):
        folder = folder if indent else name
        assert (REPOSITORY / folder / (name if indent else "")).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_repository_has_a_target(page: str) -> None:
    """The file exists, and so does the heading in it."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", pages.prose(page)):
        file, _, heading = target.partition("#")
        led_to = (REPOSITORY / page).parent / file if file else REPOSITORY / page
        assert led_to.exists(), target
        if heading:
            assert heading in pages.anchors(led_to.resolve().relative_to(REPOSITORY).as_posix()), target


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_is_named_exists(page: str) -> None:
    """It may be named in a block of commands or in a sentence."""
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M))
    code = [*pages.inline_code(page), *(block.text for block in pages.blocks(page))]

    assert {target for text in code for target in re.findall(r"^make ([a-z-]+)", text, re.M)} <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page: str) -> None:
    """Paths start at the top of the repository; files that are only made later are excepted."""
    tops = {name.partition("/")[0] for name in pages.files() if "/" in name}
    made_later = {"functions/embed/static/kept/"}
    named = {text for text in pages.inline_code(page) if re.fullmatch(r"[\w.-]+/[\w./-]*", text)}

    missing = [
        name for name in named - made_later if name.partition("/")[0] in tops and not (REPOSITORY / name).exists()
    ]

    assert missing == []
