"""A campaign begun in the browser is the one that `undersign campaign new` makes."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from desk.campaigns.new import Beginning
from tests.desk.campaigns.test_campaign_files import REQUIRED
from tests.desk.commands import plain_key, undersign
from tests.desk.web.browsing import browsing

ANSWERS = {
    "campaign": "trees",
    **{option.removeprefix("--").replace("-", "_"): value for option, value in REQUIRED.items()},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is not there yet, on a machine that has no store."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "TASKS", "FIRESTORE_PROJECT", "LOCAL_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(tmp_path / "campaigns"))
    return tmp_path / "campaigns"


@pytest.fixture
async def desk(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing() as client:
        yield client


async def test_the_desk_welcomes_where_there_is_no_folder_yet(desk: httpx.AsyncClient, folder: Path) -> None:
    """It says where files will be, and makes none before it is asked to."""
    shown = (await desk.get("/")).text

    assert 'href="/new"' in shown
    assert str(folder) in shown
    assert "No store answers" not in shown
    assert not folder.exists()


async def test_the_answers_become_the_file_that_the_command_makes(
    desk: httpx.AsyncClient, folder: Path, tmp_path: Path
) -> None:
    """A field that is left empty has the default; the page that edits it says that it is begun."""
    undersign(
        "campaign", "new", "trees", *(part for pair in REQUIRED.items() for part in pair), "--folder", "other"
    )

    begun = await desk.post("/new", data={**ANSWERS, "goal": ""})

    assert begun.status_code == 200
    assert "Begun." in begun.text
    assert (folder / "trees.toml").read_bytes() == (tmp_path / "other" / "trees.toml").read_bytes()


async def test_the_form_asks_what_the_command_asks(desk: httpx.AsyncClient) -> None:
    """With its defaults."""
    shown = (await desk.get("/new")).text

    assert set(re.findall(r'name="(\w+)"', shown)) - {"viewport"} >= set(Beginning.model_fields)
    assert 'name="goal" value="10000"' in shown


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("campaign", "../trees", "which becomes its address"),
        ("campaign", "", "is missing"),
        ("title", "", "is missing"),
        ("email", "Ann <ann@example.org>", "write one mail address alone"),
        ("closes", "2020-01-01", "lies before the first day"),
        ("recipient", "age1qqq", "is no age recipient"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field(
    desk: httpx.AsyncClient, folder: Path, field: str, value: str, sentence: str
) -> None:
    """The other answers stay, and nothing is made."""
    refused = await desk.post("/new", data={**ANSWERS, field: value})

    assert refused.status_code == 400
    [beside] = re.findall(rf'id="{field}-fault">(.*?)</p>', refused.text)
    assert sentence in beside.lower()
    assert ANSWERS["postal_address"] in refused.text
    assert not folder.exists()


async def test_a_secret_key_is_not_shown_again(desk: httpx.AsyncClient, tmp_path: Path) -> None:
    """Somebody may look over a shoulder; the sentence says what to put there."""
    plain_key(tmp_path / "ann.age")
    secret = (tmp_path / "ann.age").read_text().splitlines()[-1]

    refused = await desk.post("/new", data={**ANSWERS, "recipient": secret})

    assert "this is the SECRET key" in refused.text
    assert secret not in refused.text


async def test_no_file_is_written_over(desk: httpx.AsyncClient, folder: Path) -> None:
    """Neither that of another campaign, nor the same one when a second tab sends the form as well."""
    await desk.post("/new", data=ANSWERS)
    (folder / "trees.toml").write_text("precious")

    again = await desk.post("/new", data=ANSWERS)

    assert again.status_code == 400
    assert "exists already" in again.text
    assert (folder / "trees.toml").read_text() == "precious"
    assert (await desk.get("/")).status_code == 200


async def test_a_folder_that_cannot_be_made_is_said(desk: httpx.AsyncClient, folder: Path) -> None:
    """What was filled in stays."""
    folder.write_text("a file in its place")

    refused = await desk.post("/new", data=ANSWERS)

    assert refused.status_code == 400
    assert "cannot be written" in refused.text
    assert ANSWERS["organisation"] in refused.text
