"""What `uv tool install` makes: the organisers' command from its package, far from the checkout."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.desk.commands import PASSPHRASE, plain_key
from tests.support.deployment import REPOSITORY
from tests.support.polling import PATIENCE_SECONDS

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed from a wheel of this checkout into an environment of its own."""
    folder = tmp_path_factory.mktemp("Zoë O'Neil")
    building = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(building, cwd=REPOSITORY, check=True, capture_output=True)
    [wheel] = folder.glob("undersign-*.whl")
    uv, venv = [sys.executable, "-m", "uv", "--quiet"], folder / "venv"
    subprocess.run([*uv, "venv", "--python", sys.executable, str(venv)], check=True)
    subprocess.run(
        [*uv, "pip", "install", "--python", str(venv), "--constraint", "requirements/dev.txt", str(wheel)],
        cwd=REPOSITORY,
        check=True,
        env={**os.environ, "UV_LINK_MODE": "copy"},
    )
    return venv / "bin" / "undersign"


@pytest.fixture
def undersign(program: Path, tmp_path: Path) -> Command:
    """Run the command in an empty folder, with no variable that names another."""

    def run(*command: str, entered: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *command],
            cwd=tmp_path,
            env=environment(),
            input=entered,
            capture_output=True,
            encoding="utf-8",
        )

    return run


@pytest.mark.parametrize("platform", ["x86_64-pc-windows-msvc", "aarch64-apple-darwin"])
def test_needs_no_compiler(platform: str) -> None:
    """Each package, in the version that is locked, is to be had ready-made for Windows and for Macs."""
    found = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "--quiet", "pip", "compile", "pyproject.toml", "--only-binary", ":all:"),
            *("--constraint", "requirements/run.txt", "--python-platform", platform, "--python-version", "3.13"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
    )

    assert found.returncode == 0, found.stderr


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONUTF8": "1"}


def test_makes_keys_and_the_page_for_keys(undersign: Command, tmp_path: Path) -> None:
    """They need no campaign and no deployment."""
    made = undersign("keygen", "ann.age", entered=f"{PASSPHRASE}\n" * 2)
    page = undersign("keys-page")

    assert (made.returncode, page.returncode) == (0, 0), made.stderr + page.stderr
    assert (tmp_path / "ann.age").exists()
    assert "<!doctype html>" in (tmp_path / "keys.html").read_text(encoding="utf-8").lower()


def test_begins_a_campaign_beside_the_working_folders_files(undersign: Command, tmp_path: Path) -> None:
    """Not within the package, which the next version replaces."""
    given = """new swifts --title Swifts --addressee Parliament --organisation Friends --postal-address Berlin
        --email info@swifts.example --website https://swifts.example --mail-provider Mailer --mail-place Germany"""
    keys = [option for name in ("ann", "bob") for option in ("--recipient", plain_key(tmp_path / name))]

    begun = undersign("campaign", *given.split(), *keys, "--goal", "5000")
    checked = undersign("campaign", "check", "swifts")

    assert begun.returncode == 0, begun.stderr
    assert (tmp_path / "campaigns" / "swifts.toml").exists()
    assert "still to do" in checked.stdout


def test_looks_for_a_deployments_file_in_the_working_folder(undersign: Command, tmp_path: Path) -> None:
    """It says where it belongs."""
    asked = undersign("--environment", "production", "campaign", "list")

    assert asked.returncode == 1
    assert f"There is no {tmp_path / 'environments' / 'production.tfvars'}" in asked.stderr


def test_opens_the_desk_with_all_its_files(undersign: Command, program: Path, tmp_path: Path) -> None:
    """Templates and styles are in the package."""
    (tmp_path / "campaigns").mkdir()
    with subprocess.Popen(
        [program, "desk", "--no-browser"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        link = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
        with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as browser:
            browser.get(link).raise_for_status()
            home = httpx.URL(link).join("/")
            first, style = browser.get(home), browser.get(home.join("style.css"))
            closed = browser.post(home.join("end"), headers={"Origin": str(home).rstrip("/")})

    assert [answer.status_code for answer in (first, style, closed)] == [200, 200, 200]
    assert process.returncode == 0
