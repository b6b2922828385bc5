"""What `make build` stages is what the platform is given: it must run from there alone, with its own lock."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from infra.deploy.build import build
from shared.campaigns.loader import FOLDER
from shared.web.routes import FUNCTIONS
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, SIGNATURES, Identities, campaign_file, signature
from tests.support.processes import function

#: The environment variables, beyond what all need, that each function needs to start.
NEEDS = {
    "sign": {"TASKS", "DELIVER_RECIPIENT"},
    "deliver": {
        "TASKS",
        "STORE",
        "MAIL",
        "DELIVER_RECIPIENT",
        "DELIVER_IDENTITIES",
        "PEPPER",
        "TOKEN_KEYS",
        "THROWAWAY_RECIPIENT",
    },
    "confirm": {"TASKS", "STORE", "DELIVER_RECIPIENT", "TOKEN_KEYS"},
    "count": {"STORE"},
    "embed": set[str](),
}


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("build")
    build(target)
    return target


def test_campaigns_of_a_folder_of_ones_own_are_staged_in_place_of_those_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With translations and pictures, so that a new version of Undersign can be taken without a merge."""
    own = tmp_path / "campaigns"
    campaign_file(own, "swifts")
    picture = (FOLDER / CAMPAIGN / "share.png").read_bytes()
    (own / "swifts" / "share.png").write_bytes(picture)
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(own))

    build(tmp_path / "build")

    for name in FUNCTIONS:
        staged = tmp_path / "build" / name / "shared" / "campaigns"
        assert [file.name for file in staged.glob("*.toml")] == ["swifts.toml"]
        assert not list(staged.glob("reclaim*"))
        assert (staged / "swifts" / "share.png").read_bytes() == picture
        # The sizes that pages load, in place of the files that they are made of.
        assert {file.suffix for file in (staged / "swifts" / "images-made").iterdir()} == {
            ".json",
            ".webp",
            ".jpg",
            ".png",
        }
        assert not (staged / "swifts" / "picture.png").exists()


def environment_of(name: str, folder: Path) -> dict[str, str]:
    """What this function needs to start on SQLite and the local queue, and nothing that another one needs."""
    everything = {**Identities().environment(), "TASKS": "local", "STORE": "sqlite", "MAIL": "outbox"}
    local = {"LOCAL_FOLDER": str(folder)} if NEEDS[name] & {"TASKS", "STORE", "MAIL"} else {}
    return {"PUBLIC_URL": PUBLIC_URL, **local, **{key: everything[key] for key in NEEDS[name]}}


@pytest.fixture(params=FUNCTIONS)
def running(
    request: pytest.FixtureRequest, staged: Path, deployed_python: Callable[[str], Path], tmp_path: Path
) -> Iterator[tuple[str, str]]:
    """Name and address of a function that runs from its staged folder, on what its own lock installs."""
    name: str = request.param
    python, environment = deployed_python(name), environment_of(name, tmp_path)
    with function(name, environment, tmp_path / "log", source=staged / name, python=python) as url:
        yield name, url


def test_a_staged_function_runs_from_its_folder_alone(running: tuple[str, str], tmp_path: Path) -> None:
    """It is healthy, and sign takes a signature."""
    name, url = running

    health = httpx.get(f"{url}/v1/health/{name}", trust_env=False)

    assert health.json()["function"] == name
    if name == "sign":
        assert httpx.post(url + SIGNATURES, json=signature(), trust_env=False).status_code == 202
        assert (tmp_path / "tasks.db").exists()
    if name == "embed":
        page = httpx.get(f"{url}/c/reclaim-your-face?lang=en", trust_env=False).text
        assert "<form" in page
        [picture] = re.findall('class="picture" src="(.*?)"', page)
        assert httpx.get(url + picture, trust_env=False).headers["content-type"] == "image/jpeg"
    if name in {"count", "confirm"}:
        count = httpx.get(f"{url}/v1/campaigns/reclaim-your-face/count", trust_env=False)
        assert count.status_code == (200 if name == "count" else 404)


def test_two_builds_are_the_same_to_the_byte(staged: Path, tmp_path: Path) -> None:
    """A bundle is named by its content."""
    build(tmp_path)

    first, second = (
        {
            path.relative_to(root): (
                path.stat().st_mode,
                path.stat().st_mtime,
                path.is_file() and path.read_bytes(),
            )
            for path in root.rglob("*")
        }
        for root in (staged, tmp_path)
    )
    assert first == second


def test_a_bundle_holds_no_litter_and_no_other_function(staged: Path) -> None:
    """Neither caches nor the development server."""
    names = {path.name for path in staged.rglob("*")}

    assert not names & {"__pycache__", "devserver.py", "server.py", ".env", "var"}
    assert {path.name for path in (staged / "sign").iterdir()} == {"main.py", "requirements.txt", "shared"}


def test_a_bundle_holds_each_template_compiled(staged: Path) -> None:
    """Nothing is left to compile when the first page is asked for."""
    folder = staged / "embed" / "shared" / "web" / "templates"

    assert len(list(folder.glob("compiled/tmpl_*.py"))) == len([*folder.glob("*.html"), *folder.glob("*.txt")])


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("sign", {"aiosmtplib"}),
        ("count", {"google-cloud-tasks", "pyrage", "aiosmtplib", "email-validator"}),
        (
            "embed",
            {"google-cloud-tasks", "google-cloud-firestore", "google-auth", "grpcio", "pyrage", "aiosmtplib"},
        ),
        ("confirm", {"aiosmtplib", "email-validator"}),
        ("deliver", {"email-validator"}),
    ],
)
def test_each_lock_holds_only_what_its_function_needs(staged: Path, name: str, absent: set[str]) -> None:
    """Less to start, less to attack."""
    locked = {line.split("==")[0] for line in (staged / name / "requirements.txt").read_text().splitlines()}

    assert "functions-framework" in locked
    assert not locked & absent


@pytest.mark.parametrize("name", ["sign", "count", "embed"])
def test_the_functions_that_face_readers_hold_no_secret(name: str, tmp_path: Path) -> None:
    """They start without any, which is how they are deployed."""
    secret = {"TOKEN_KEYS", "PEPPER", "DELIVER_IDENTITIES"}
    held = environment_of(name, tmp_path).keys()

    assert not held & secret
    assert not [variable for variable in held if variable.startswith("SMTP_PASSWORD")]
