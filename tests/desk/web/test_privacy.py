"""Access and erasure on the desk: an address leaves no trace, and nothing is shown that it finds."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from desk.settings import RightsSettings, load_for_desk
from desk.store.maintenance import Kept
from desk.store.sqlite import SqliteMaintenance
from desk.web import privacy, rendering, rights
from infra.deploy.desk_settings import desk_settings
from infra.deploy.gcloud import Environment
from shared.clock import utc_now
from shared.errors import StoreUnavailable
from shared.settings import load
from shared.store.entities import Address
from tests.desk.web.browsing import browsing, last_page, press
from tests.support.deployment import CAMPAIGN, World, world

ANN = "canary@example.org"
_RECEIPT = re.compile(r'href="(/privacy/receipt[^"]+)"')
_QUESTION = re.compile(r'name="question" value="([^"]+)"')


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A local deployment with one confirmed signature."""
    monkeypatch.chdir(tmp_path)
    async with world(tmp_path / "var", monkeypatch) as made:
        await made.press(await made.sign_and_deliver(email=ANN, name="Canary Signer"))
        yield made


@pytest.fixture
async def desk(here: World) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing() as browser:
        yield browser


async def ask(desk: httpx.AsyncClient, address: str, do: str) -> httpx.Response:
    """Send the form for an address."""
    return await press(desk, "/privacy", {"address": address, "do": do})


async def question(desk: httpx.AsyncClient, address: str = ANN) -> dict[str, str]:
    """Ask for an erasure, and return the form that asks once more."""
    [reference] = _QUESTION.findall((await ask(desk, address, "erase")).text)
    return {"question": reference, "address": address}


async def total(here: World) -> int:
    counted: int = (await here.count())["total"]
    return counted


class TestAccess:
    async def test_writes_the_answer_into_a_private_file_and_shows_nothing_of_it(
        self, desk: httpx.AsyncClient
    ) -> None:
        """The page names the file; its title, its address and its text name nobody."""
        answer = await ask(desk, f"Canary <{ANN.upper()}>", "access")

        [file] = Path().glob("access-*.json")
        [report] = json.loads(file.read_text())
        assert (report["campaign"], report["signature"]["status"]) == (CAMPAIGN, "confirmed")
        assert file.stat().st_mode & 0o077 == 0
        assert str(file.absolute()) in answer.text
        assert answer.url.path == "/privacy/access"
        assert "canary" not in f"{answer.url}{answer.text}".lower()

    async def test_of_an_address_of_which_nothing_is_kept_writes_no_file(self, desk: httpx.AsyncClient) -> None:
        """The page says so."""
        answer = await ask(desk, "nobody@example.org", "access")

        assert "Nothing is kept of this address" in answer.text
        assert list(Path().glob("access-*")) == []

    @pytest.mark.parametrize("do", ["access", "erase"])
    @pytest.mark.parametrize(
        "address",
        [
            "",
            "canary",
            f"{ANN}\r\nbob@example.org",
            f"{ANN}\nBcc: bob@example.org",
            f"{ANN} bob@example.org",
            "../canary",
            "canary@" + "x" * 5_000,
        ],
    )
    async def test_of_what_is_no_address_is_refused_without_repeating_it(
        self, here: World, desk: httpx.AsyncClient, address: str, do: str
    ) -> None:
        """Neither on the page nor in its URL; and nothing is looked for."""
        answer = await ask(desk, address, do)

        assert "That is no email address" in answer.text
        assert "canary" not in f"{answer.url}{answer.text}".lower()
        assert [file.name for file in Path().iterdir()] == ["var"]
        assert await total(here) == 1

    async def test_while_another_runs_has_a_page_of_its_own(
        self, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No answer is taken for that to another question."""
        may_end, campaigns = asyncio.Event(), SqliteMaintenance.campaigns

        async def slow(records: SqliteMaintenance) -> list[str]:
            await may_end.wait()
            return [*await campaigns(records)]

        monkeypatch.setattr(SqliteMaintenance, "campaigns", slow)
        first = await desk.post("/privacy", data={"address": ANN, "do": "access"})
        second = await desk.post("/privacy", data={"address": "bob@example.org", "do": "access"})
        may_end.set()
        answers = [await last_page(desk, page) for page in (second, first)]

        assert "data-refresh" in first.text
        assert "Nothing is kept of this address" in answers[0].text
        assert "The answer is written" in answers[1].text
        assert answers[0].url != answers[1].url

    async def test_of_a_page_that_no_question_led_to_is_refused(self, desk: httpx.AsyncClient) -> None:
        """Rather than show the answer that came last."""
        await ask(desk, ANN, "access")

        for query in ("", "?question=", "?question=guessed"):
            shown = (await desk.get(f"/privacy/access{query}")).text
            assert "Nothing is asked for any more" in shown
            assert "The answer is written" not in shown

    async def test_that_needs_a_key_names_the_command_for_the_same_deployment(
        self, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without the name it would look on this machine, and find nothing."""
        monkeypatch.setattr(rendering, "command", lambda: "undersign --environment production")

        answer = await ask(desk, ANN, "access")

        assert "<code>undersign --environment production access - -i KEY</code>" in answer.text


class TestErase:
    async def test_is_asked_for_once_more_and_gives_a_receipt(self, here: World, desk: httpx.AsyncClient) -> None:
        """To ask changes nothing; the receipt is a file, too, and does not say whom it concerns."""
        asked = await ask(desk, ANN, "erase")
        before = await total(here)
        form = {"question": _QUESTION.findall(asked.text)[0], "address": f" Canary <{ANN.upper()}>"}
        erased = await press(desk, "/privacy/erase", form)
        receipt = await desk.get(_RECEIPT.findall(erased.text)[0])

        [file] = Path().glob("receipt-*.txt")
        assert (before, await total(here)) == (1, 0)
        assert "Delete all of it on this machine" in asked.text or "Delete all of it in" in asked.text
        assert "the confirmed signature was removed, and taken off the count" in erased.text
        assert receipt.headers["content-disposition"].startswith("attachment")
        assert receipt.content == file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
        for page in (asked, erased, receipt):
            assert "canary" not in f"{page.url}{page.headers}{page.text}".lower()

    async def test_pressed_twice_erases_once(self, here: World, desk: httpx.AsyncClient) -> None:
        """The second press shows the receipt of the first."""
        form = await question(desk)
        answers = await asyncio.gather(*(press(desk, "/privacy/erase", form) for _ in range(2)))
        later = await press(desk, "/privacy/erase", form)

        assert all("signature was removed" in answer.text for answer in (*answers, later))
        assert len(list(Path().glob("receipt-*"))) == 1
        assert await total(here) == 0

    @pytest.mark.parametrize("form", [{}, {"question": ""}, {"question": "guessed"}, {"address": ANN}])
    async def test_that_nobody_has_asked_for_is_refused(
        self, here: World, desk: httpx.AsyncClient, form: dict[str, str]
    ) -> None:
        """With a form that the desk has not made."""
        before = await press(desk, "/privacy/erase", form)
        await question(desk)
        after = await press(desk, "/privacy/erase", form)

        assert "Nothing is asked for any more" in before.text
        assert "Nothing is asked for any more" in after.text
        assert await total(here) == 1

    async def test_in_a_tab_that_asked_before_another_is_refused(
        self, here: World, desk: httpx.AsyncClient
    ) -> None:
        """Neither address is erased by the button of the other."""
        first = await question(desk)
        await question(desk, "bob@example.org")

        refused = await press(desk, "/privacy/erase", first)

        assert "Nothing is asked for any more" in refused.text
        assert await total(here) == 1

    async def test_shows_a_receipt_on_the_page_of_its_question_alone(
        self, here: World, desk: httpx.AsyncClient
    ) -> None:
        """A tab in which something else was asked about stays without one, and keeps no other from its own."""
        ann = await press(desk, "/privacy/erase", await question(desk))
        bob = await ask(desk, "bob@example.org", "erase")
        await question(desk, "carl@example.org")

        reloaded = (await desk.get(bob.url)).text

        assert "Nothing is asked for any more" in reloaded
        assert "Nothing is left of it" not in reloaded
        assert "signature was removed" in (await desk.get(ann.url)).text
        assert "Nothing is asked for any more" in (await desk.get("/privacy/erase")).text
        assert (await desk.get("/privacy/receipt")).status_code == 404

    @pytest.mark.parametrize(
        ("address", "sentence"),
        [
            ("canary@example.com", "This is not the address that you wrote before"),
            ("canary", "That is no email address"),
            ("", "That is no email address"),
        ],
    )
    async def test_of_another_address_than_was_asked_about_is_refused(
        self, here: World, desk: httpx.AsyncClient, address: str, sentence: str
    ) -> None:
        """One of the two was mistyped. Nothing is deleted, and the page asks again without repeating it."""
        form = await question(desk)

        refused = await press(desk, "/privacy/erase", {**form, "address": address})
        before = await total(here)
        await press(desk, "/privacy/erase", form)

        assert refused.status_code == 400
        assert f'<p class="fault" id="address-fault">{sentence}' in refused.text
        assert "canary" not in f"{refused.url}{refused.text}".lower()
        assert (before, await total(here)) == (1, 0)

    async def test_asked_about_long_ago_is_refused(
        self, here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody remembers which address it was."""
        form = await question(desk)
        later = utc_now() + privacy.QUESTION_TTL
        monkeypatch.setattr(privacy, "utc_now", lambda: later)

        refused = await press(desk, "/privacy/erase", form)

        assert "Nothing is asked for any more" in refused.text
        assert await total(here) == 1

    async def test_of_two_addresses_at_once_ends_for_both(self, here: World, desk: httpx.AsyncClient) -> None:
        """One waits for the other, so that neither leaves a trace."""
        first = await desk.post("/privacy/erase", data=await question(desk))
        second = await desk.post("/privacy/erase", data=await question(desk, "bob@example.org"))

        for page in (first, second):
            assert "Nothing is left of it" in (await last_page(desk, page)).text

    async def test_is_not_offered_where_nothing_may_be_changed(
        self, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The page may have been open before the rights were taken away."""
        asked = await ask(desk, ANN, "erase")
        monkeypatch.setattr(rights, "read_only", lambda: "Your account may not change it.")

        shown = (await desk.get(asked.url)).text

        assert "Your account may not change it." in shown
        assert 'action="/privacy/erase"' not in shown

    async def test_that_the_database_ended_says_so_and_keeps_the_receipt(
        self, here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It names what is left to do; a second erasure does that."""

        async def away(records: SqliteMaintenance, address: Address) -> Kept:
            raise StoreUnavailable("DeadlineExceeded")

        with monkeypatch.context() as broken:
            broken.setattr(SqliteMaintenance, "forget", away)
            first = (await press(desk, "/privacy/erase", await question(desk))).text
        second = (await press(desk, "/privacy/erase", await question(desk))).text

        assert "It is not finished" in first
        assert "NOT finished" in first
        assert "Nothing is left of it" in second
        assert await total(here) == 0

    async def test_ended_with_the_desk_leaves_a_receipt_of_what_is_gone(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file says that it was broken off."""
        begun = asyncio.Event()

        async def endless(records: SqliteMaintenance) -> None:
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(SqliteMaintenance, "overwrite", endless)
        async with browsing() as desk:
            await desk.post("/privacy/erase", data=await question(desk))
            await begun.wait()
            ended = (await desk.post("/end")).text

        [file] = Path().glob("receipt-*.txt")
        assert "Not finished: Erasure" in ended
        assert "signature was removed" in file.read_text()
        assert "it was broken off" in file.read_text()


async def test_no_log_line_holds_the_address(
    here: World, desk: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor does the terminal in which the desk runs."""
    caplog.set_level(logging.DEBUG)
    await ask(desk, ANN, "access")
    await press(desk, "/privacy/erase", await question(desk))

    printed = capfd.readouterr()

    assert "canary" not in f"{caplog.text}{printed.out}{printed.err}".lower()


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (None, "gcloud is not installed"),
        ("echo 'ERROR: (gcloud.secrets) PERMISSION_DENIED: ask for the role' >&2; exit 1", "PERMISSION_DENIED"),
    ],
)
async def test_a_secret_that_cannot_be_read_ends_neither_the_desk_nor_a_job(
    here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, program: str | None, sentence: str
) -> None:
    """No gcloud, an expired login, a missing role: the page says why, and that nothing was done."""
    form = await question(desk)
    settings = {"project": "petition", "project_number": "1", "domain": "petition.example"}
    Path("bin").mkdir()
    if program:
        Path("bin/gcloud").write_text(f"#!/bin/sh\n{program}\n")
        Path("bin/gcloud").chmod(0o700)
    with monkeypatch.context() as deployed:
        deployed.setenv("PATH", str(Path("bin").absolute()))
        deployed.setattr(privacy, "load_for_desk", partial(of_deployment, Environment("production", settings)))
        pages = [await ask(desk, ANN, "access"), await press(desk, "/privacy/erase", form)]

    for page in pages:
        assert "The secret pepper of project petition cannot be read" in page.text
        assert sentence in page.text
    assert "Nothing was deleted." in pages[1].text
    assert (await desk.get("/privacy")).status_code == 200
    assert await total(here) == 1


def of_deployment(environment: Environment, kind: type[RightsSettings]) -> RightsSettings:
    """Load settings as for `--environment`."""
    return load(kind, desk_settings(environment, {"PEPPER", "DELIVER_IDENTITIES"}))


async def test_other_pages_are_shown_while_secrets_are_read(
    here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gcloud takes seconds."""
    may_end = threading.Event()

    def slow(kind: type[RightsSettings]) -> RightsSettings:
        assert may_end.wait(30)
        return load_for_desk(kind)

    monkeypatch.setattr(privacy, "load_for_desk", slow)
    waiting = await desk.post("/privacy", data={"address": ANN, "do": "access"})
    other = (await desk.get("/privacy")).status_code
    may_end.set()

    assert "data-refresh" in waiting.text
    assert other == 200
    assert "The answer is written" in (await last_page(desk, waiting)).text
