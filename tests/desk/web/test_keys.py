"""The page with a campaign's keys does what `undersign prove` and `undersign answer` do."""

import hashlib
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from desk.web import keys
from shared import campaigns
from shared.campaigns.model import Sealing
from tests.desk.commands import plain_key, run, undersign
from tests.desk.web.browsing import browsing
from tests.support.deployment import campaign_file

KEYS = "/campaigns/mine/keys"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a campaign that has no key yet, on a machine that has no store."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "TASKS", "FIRESTORE_PROJECT", "LOCAL_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(tmp_path / "campaigns"))
    (tmp_path / "campaigns").mkdir()
    return campaign_file(tmp_path / "campaigns", "mine")


@pytest.fixture
async def desk(file: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing() as client:
        yield client


def sealing(file: Path) -> Sealing:
    return campaigns.load(file).sealing


async def add(desk: httpx.AsyncClient, recipient: str, holder: str = "") -> httpx.Response:
    given = {"recipient": recipient, "holder": holder}
    return await desk.post(f"{KEYS}/add", data=given)


async def ask(desk: httpx.AsyncClient, recipient: str, **fields: str) -> httpx.Response:
    return await desk.post(f"{KEYS}/test", data={"recipient": recipient, **fields})


async def answer(desk: httpx.AsyncClient, given: str) -> httpx.Response:
    return await desk.post(f"{KEYS}/answer", data={"answer": given})


async def answered(desk: httpx.AsyncClient, recipient: str, key: Path) -> str:
    """Download the test file as the page links it, and return what its holder answers."""
    [link] = re.findall(rf'href="([^"]*/test\?recipient={recipient})"', (await desk.get(KEYS)).text)
    downloaded = await desk.get(html.unescape(link))
    name = re.search('filename="(.+)"', downloaded.headers["content-disposition"])
    assert name
    Path(name[1]).write_bytes(downloaded.content)
    return (await run("answer", name[1], "-i", key)).output.splitlines()[-1]


async def test_a_key_is_added_asked_and_proven(desk: httpx.AsyncClient, file: Path, tmp_path: Path) -> None:
    """Each page says who holds it, and how far it is."""
    ann, bob = plain_key(tmp_path / "ann.age"), plain_key(tmp_path / "bob.age")

    added = (await add(desk, ann, "Ann <at the office>")).text
    await add(desk, bob)
    asked = (await ask(desk, ann)).text
    given = await answered(desk, ann, tmp_path / "ann.age")
    done = (await answer(desk, f" {given} \n")).text

    assert "Ann &lt;at the office&gt;" in added
    assert "needs 1 more key" in added
    assert "Waits for its holder" in asked
    assert "Proven: its holder has opened" in done
    assert sealing(file).unproven == [bob]


async def test_a_second_press_and_a_second_tab_keep_the_test(
    desk: httpx.AsyncClient, file: Path, tmp_path: Path
) -> None:
    """Its answer counts until another test is asked for; then that of the new one does."""
    ann = plain_key(tmp_path / "ann.age")
    await add(desk, ann)
    await ask(desk, ann)
    first = await answered(desk, ann, tmp_path / "ann.age")
    await ask(desk, ann)
    assert await answered(desk, ann, tmp_path / "ann.age") == first

    await ask(desk, ann, again="yes")
    refused = await answer(desk, first)
    await answer(desk, await answered(desk, ann, tmp_path / "ann.age"))

    assert refused.status_code == 400
    assert f'value="{first}"' in refused.text
    assert "newer test" in refused.text
    assert sealing(file).unproven == []


async def test_a_proven_key_is_neither_removed_nor_made_unproven(
    desk: httpx.AsyncClient, file: Path, tmp_path: Path
) -> None:
    """Nor is the only key removed; the page says why."""
    ann, bob = plain_key(tmp_path / "ann.age"), plain_key(tmp_path / "bob.age")
    await add(desk, ann)
    only = await desk.post(f"{KEYS}/remove", data={"recipient": ann})
    await add(desk, bob)
    await run("prove", "mine", "-i", tmp_path / "ann.age", "--folder", tmp_path)
    before = file.read_bytes()

    removed = await desk.post(f"{KEYS}/remove", data={"recipient": ann})
    tested = await ask(desk, ann, again="yes")

    assert (only.status_code, removed.status_code, tested.status_code) == (400, 400, 400)
    assert "only key" in only.text
    assert "signatures may be sealed to it" in removed.text
    assert "leave it unproven" in tested.text
    assert file.read_bytes() == before
    await desk.post(f"{KEYS}/remove", data={"recipient": bob})
    assert list(sealing(file).recipients) == [ann]


async def test_a_file_that_changed_meanwhile_keeps_what_changed(
    desk: httpx.AsyncClient, file: Path, tmp_path: Path
) -> None:
    """An editor or git may change it while the page is open; one that no longer loads is left alone."""
    ann, text = plain_key(tmp_path / "ann.age"), file.read_text(encoding="utf-8")
    await desk.get(KEYS)
    file.write_text(f"# By git\n{text}", encoding="utf-8")
    await add(desk, ann)
    changed = file.read_text(encoding="utf-8")
    file.write_text("goal = ", encoding="utf-8")

    refused = await ask(desk, ann)

    assert changed.startswith("# By git\n")
    assert ann in changed
    assert refused.status_code == 400
    assert "mine.toml:1" in refused.text
    assert file.read_text(encoding="utf-8") == "goal = "
    assert "Does not load" in (await desk.get("/")).text


async def test_a_secret_key_is_not_shown_again(desk: httpx.AsyncClient, tmp_path: Path) -> None:
    """Whichever field it was pasted into; what else was written stays."""
    plain_key(tmp_path / "ann.age")
    secret = (tmp_path / "ann.age").read_text().splitlines()[-1]

    refused = await add(desk, secret, "Ann")
    answered_with_it = await answer(desk, secret)

    assert "SECRET key" in refused.text
    assert 'value="Ann"' in refused.text
    assert secret not in refused.text + answered_with_it.text


@pytest.mark.parametrize("path", ["add", "remove", "test", "answer"])
async def test_a_form_without_its_fields_changes_nothing(desk: httpx.AsyncClient, file: Path, path: str) -> None:
    """The key for local runs is nobody's, and is not tested either."""
    before = file.read_bytes()

    for given in ({}, {"recipient": "throwaway"}, {"recipient": "../" * 1_000}):
        assert (await desk.post(f"{KEYS}/{path}", data=given)).status_code == 400

    assert file.read_bytes() == before


async def test_a_test_file_of_an_earlier_desk_is_not_there(desk: httpx.AsyncClient, tmp_path: Path) -> None:
    """It was sent, or another one is made; its answer counts all the same."""
    ann = plain_key(tmp_path / "ann.age")
    await add(desk, ann)
    undersign("prove", "mine")

    missing = await desk.get(f"{KEYS}/test", params={"recipient": ann})
    test = next(tmp_path.glob("mine-test-*.age"))
    done = await answer(desk, (await run("answer", test, "-i", tmp_path / "ann.age")).output.splitlines()[-1])

    assert missing.status_code == 400
    assert "make another one" in missing.text
    assert "Proven: its holder" in done.text


async def test_the_page_that_makes_keys_is_the_one_of_the_command(desk: httpx.AsyncClient, tmp_path: Path) -> None:
    """The digest is there to compare."""
    undersign("keys-page", tmp_path)

    downloaded = await desk.get("/keys.html")

    assert downloaded.content == (tmp_path / "keys.html").read_bytes()
    assert downloaded.headers["content-disposition"] == 'attachment; filename="keys.html"'
    assert hashlib.sha256(downloaded.content).hexdigest() in (await desk.get(KEYS)).text


async def test_no_button_is_offered_where_the_file_cannot_be_written(
    desk: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for keys that wait for an answer nor for others; the test file can still be downloaded."""
    asked, other = plain_key(tmp_path / "ann.age"), plain_key(tmp_path / "bob.age")
    for recipient in (asked, other):
        await add(desk, recipient)
    await ask(desk, asked)
    monkeypatch.setattr(keys, "files_read_only", lambda: "Campaign files cannot be written here.")

    shown = (await desk.get(KEYS)).text

    assert "Campaign files cannot be written here." in shown
    assert "Download the test file" in shown
    assert shown.count("<form") == 1  # closes the desk
