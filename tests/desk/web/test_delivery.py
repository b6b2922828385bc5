"""The pages of a campaign that is over: from the recount to the deletion."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk import runtime
from desk.signatures import export
from desk.store.maintenance import Difference
from desk.store.sqlite import SqliteMaintenance
from desk.web import purges
from infra.deploy.gcloud import Environment
from shared.campaigns.loader import load_all
from shared.campaigns.overlay import Overlay
from shared.errors import StoreUnavailable
from tests.desk.commands import run
from tests.desk.web.browsing import browsing, last_page, press
from tests.support.deployment import CAMPAIGN, World, world

AFTER, AUDIT, EXPORTS, HAND_OVER, PAPER, PURGE = (
    f"/campaigns/{CAMPAIGN}/{page}" for page in ("after", "audit", "exports", "hand-over", "paper", "purge")
)
EMAIL, NAME = "canary@example.org", "Canary Signer"


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A local deployment with one confirmed signature."""
    monkeypatch.chdir(tmp_path)
    async with world(tmp_path / "var", monkeypatch) as made:
        await made.press(await made.sign_and_deliver(email=EMAIL, name=NAME))
        yield made


@pytest.fixture
async def desk(here: World) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing() as browser:
        yield browser


async def overlay() -> Overlay:
    maintenance = runtime.desk().maintenance
    found = await maintenance.overlay(CAMPAIGN)
    maintenance.close()
    return found


async def hand_over(desk: httpx.AsyncClient, manifest: bytes, name: str = "manifest.json", **fields: str) -> str:
    """Send the form of a hand-over, and return the page."""
    files = {"manifest": (name, manifest, "application/json")}
    return (await desk.post(HAND_OVER, data={"to": "Commission", "file": "", **fields}, files=files)).text


async def opened_manifest(here: World) -> dict[str, Any]:
    """Export and open by command, and return the manifest."""
    Path("ann.age").write_text(str(here.identities.campaign))
    await run("export", CAMPAIGN, "--to", "out")
    await run("open", "out", "-i", "ann.age", "--to", "opened")
    manifest: dict[str, Any] = json.loads(Path("opened/manifest.json").read_text())
    return manifest


def end_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock of the page to the day on which the retention ends."""
    after = datetime.combine(load_all()[CAMPAIGN].purged_on, datetime.min.time(), UTC)
    monkeypatch.setattr(purges, "utc_now", lambda: after)


class TestSteps:
    async def test_say_what_is_done_and_when_the_signatures_are_deleted(
        self, here: World, desk: httpx.AsyncClient
    ) -> None:
        """And never who has signed."""
        before = (await desk.get(AFTER)).text
        await press(desk, EXPORTS)
        await press(desk, PAPER, {"country": "DE", "number": "12", "note": "Fair"})
        await hand_over(desk, json.dumps(await opened_manifest(here)).encode())

        after = (await desk.get(AFTER)).text

        assert "The counter says 1." in before
        assert "There is no export on this machine" in before
        assert "Not before 2028-04-28" in before
        assert "Exported:</span> 1, as of" in after
        assert "12 are recorded" in after
        assert "Handed over:</span> 1 to Commission" in after
        assert "canary" not in after.lower()

    @pytest.mark.parametrize("campaign", ["..", "%2e%2e%2fsecrets", "nothing", "nothing%0A", "..%5cnothing"])
    async def test_of_a_campaign_that_is_none_are_not_shown(self, desk: httpx.AsyncClient, campaign: str) -> None:
        """Nor is anything begun for it."""
        for page in ("after", "audit", "exports", "hand-over", "paper", "purge", "audit/repair"):
            path = f"/campaigns/{campaign}/{page}"

            answers = [await desk.get(path), await desk.post(path, data={"confirmed": campaign})]

            assert {answer.status_code for answer in answers} <= {400, 404, 405}
        assert [each.name for each in Path().iterdir()] == ["var"]


class TestPaper:
    async def test_is_added_and_listed_with_its_note(self, desk: httpx.AsyncClient) -> None:
        """A negative number corrects an earlier one."""
        await press(desk, PAPER, {"country": "de", "number": "120", "note": "Street <fair>, counted by Ann"})
        shown = (await press(desk, PAPER, {"country": "DE", "number": "-20", "note": "Counted twice"})).text

        assert "<strong>100</strong> in all: DE 100" in shown
        assert "Street &lt;fair&gt;, counted by Ann" in shown
        assert "-20" in shown

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"country": "Germany"}, "Country: "),
            ({"number": "12.000"}, "How many: write a whole number"),
            ({"number": "-1"}, "There are 0 for DE"),
            ({"number": "9" * 500}, "How many: write a whole number"),
            ({"note": ""}, "Note: "),
            ({"note": "x" * 20_000}, "more than this form takes"),
        ],
    )
    async def test_that_is_wrong_is_refused_and_stays_in_the_form(
        self, desk: httpx.AsyncClient, change: dict[str, str], sentence: str
    ) -> None:
        """A sentence says what is wrong, and nothing is changed."""
        answer = await desk.post(PAPER, data={"country": "DE", "number": "5", "note": "Fair", **change})

        assert answer.status_code == 400
        assert sentence in answer.text
        assert (await overlay()).paper == ()

    async def test_of_a_form_that_is_sent_twice_is_added_once(self, desk: httpx.AsyncClient) -> None:
        """By a double click, or again after a lost answer. The same number from another form is added, too."""
        fields = {"country": "DE", "number": "120", "note": "Fair"}
        shown = [re.findall('name="form" value="([^"]+)"', (await desk.get(PAPER)).text)[0] for _ in range(2)]
        for _ in range(2):
            await press(desk, PAPER, {**fields, "form": shown[0]})
        assert [each.number for each in (await overlay()).paper] == [120]

        await press(desk, PAPER, {**fields, "form": shown[1]})
        await press(desk, PAPER, fields)

        assert [each.number for each in (await overlay()).paper] == [120, 120, 120]

    async def test_of_a_form_without_fields_is_refused(self, desk: httpx.AsyncClient) -> None:
        """Each field that is missing is named."""
        answer = await desk.post(PAPER)

        assert answer.status_code == 400
        assert all(f"{label}: " in answer.text for label in ("Country", "How many", "Note"))


class TestHandOver:
    async def test_is_recorded_from_the_manifest(self, here: World, desk: httpx.AsyncClient) -> None:
        """To whom, how many, and the sum of the very file; the same once more is one hand-over."""
        manifest = await opened_manifest(here)

        shown = await hand_over(desk, json.dumps(manifest).encode(), name="../../C:\\manifest.json")

        [record] = (await overlay()).hand_overs
        assert (record.to, record.signatures) == ("Commission", 1)
        assert record.sha256 == manifest["files"]["signatures.csv"]["sha256"]
        assert "1 signature to Commission" in shown
        for _ in range(2):
            await hand_over(desk, json.dumps(manifest).encode(), form="of one page")
        assert len((await overlay()).hand_overs) == 2
        assert "C:" not in shown

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"campaign": "other"}, "is of other, not of"),
            ({"campaign": None}, "is of no campaign"),
            ({"source": "held.ndjson"}, "that are held"),
            ({"damaged": [1]}, "1 were not opened"),
            ({"files": {"signatures.csv": {"signatures": -5, "sha256": "0" * 64}}}, "holds -5 signatures"),
            ({"files": {"signatures.csv": {"signatures": 1, "sha256": "0"}}}, "sha256"),
            ({"files": {}}, "names no signatures.csv"),
        ],
    )
    async def test_of_a_manifest_of_anything_else_is_refused(
        self, here: World, desk: httpx.AsyncClient, change: dict[str, Any], sentence: str
    ) -> None:
        """What was written into the form stays."""
        manifest = {**await opened_manifest(here), **change}

        shown = await hand_over(desk, json.dumps(manifest).encode())

        assert sentence in shown
        assert 'value="Commission"' in shown
        assert (await overlay()).hand_overs == ()

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "hand-over.json: choose the file"),
            (b"\xff\xfe no JSON", "is no manifest of opened signatures"),
            (b"[" * 100_000, "is no manifest of opened signatures"),
            (b" " * 2_000_000, "larger than anything that this form takes"),
        ],
    )
    async def test_of_a_file_that_is_no_manifest_is_refused(
        self, desk: httpx.AsyncClient, content: bytes, sentence: str
    ) -> None:
        """Whatever it holds, and however large it is."""
        assert sentence in await hand_over(desk, content)
        assert (await overlay()).hand_overs == ()

    async def test_of_another_kind_of_form_is_refused(self, desk: httpx.AsyncClient) -> None:
        """One that the desk does not send."""
        plain = await desk.post(HAND_OVER, data={"manifest": "{}", "to": "Commission"})
        broken = await desk.post(
            HAND_OVER, content=b"--x", headers={"Content-Type": "multipart/form-data; boundary=y"}
        )

        assert (plain.status_code, broken.status_code) == (400, 400)

    async def test_needs_to_say_to_whom(self, here: World, desk: httpx.AsyncClient) -> None:
        """The page names the field."""
        manifest = json.dumps(await opened_manifest(here)).encode()

        assert "Given to: is empty" in await hand_over(desk, manifest, to=" ")


class TestExport:
    async def test_writes_what_the_command_writes_and_gives_out_three_files(
        self, here: World, desk: httpx.AsyncClient
    ) -> None:
        """As downloads: the browser shows none of them as a page of the desk."""
        shown = (await press(desk, EXPORTS)).text
        folder = Path(f"{CAMPAIGN}-export")

        assert "1 signature exported" in shown
        assert f"<code>{folder.absolute()}</code>" in shown
        for name in ("open.html", "signatures.ndjson", "manifest.json"):
            file = await desk.get(f"{EXPORTS}/{folder}/{name}")
            assert file.headers["content-disposition"].startswith("attachment")
            assert file.content == (folder / name).read_bytes()

    async def test_gives_out_nothing_else(self, here: World, desk: httpx.AsyncClient) -> None:
        """Neither a key, nor what was opened with it, nor what lies in other folders or is gone."""
        await opened_manifest(here)
        await press(desk, EXPORTS)
        folder = f"{CAMPAIGN}-export"
        Path(folder, "signatures.csv").write_text("opened")
        Path(folder, "signatures.ndjson").unlink()

        for path in (
            f"{folder}/../ann.age",
            f"{folder}/%2e%2e%2fann.age",
            "opened/signatures.csv",
            f"{folder}/signatures.csv",
            "../manifest.json",
            "%2e%2e/manifest.json",
            "out/manifest.json",
            f"{folder}/signatures.ndjson",
        ):
            assert (await desk.get(f"{EXPORTS}/{path}")).status_code == 404, path

    async def test_leaves_a_folder_alone_that_holds_something_else(self, desk: httpx.AsyncClient) -> None:
        """The page names another one, before anything is pressed."""
        mine = Path(f"{CAMPAIGN}-export")
        mine.mkdir()
        (mine / "diary.txt").write_text("mine")
        (mine / "unfinished.json").write_text('{"campaign": "other", "as_of": "2026-11-27T00:00:00Z"}')

        named = (await desk.get(EXPORTS)).text
        await press(desk, EXPORTS)

        assert f"{CAMPAIGN}-export-2</code>" in named
        assert sorted(file.name for file in mine.iterdir()) == ["diary.txt", "unfinished.json"]
        assert Path(f"{CAMPAIGN}-export-2/signatures.ndjson").exists()

    async def test_goes_on_where_it_was_stopped(
        self, here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The database was away in the middle; the page says so, and what the next press does."""
        scan = SqliteMaintenance.scan

        async def broken(records: SqliteMaintenance, campaign: str, after: str = "") -> AsyncIterator[Any]:
            async for page in scan(records, campaign, after):
                yield page
                raise StoreUnavailable("DeadlineExceeded")

        with monkeypatch.context() as away:
            away.setattr(SqliteMaintenance, "scan", broken)
            stopped = (await press(desk, EXPORTS)).text
        finished = (await press(desk, EXPORTS)).text

        assert "The database does not answer (DeadlineExceeded)" in stopped
        assert "stopped after 1 signature" in stopped
        assert "1 signature exported" in finished
        assert len(Path(f"{CAMPAIGN}-export/signatures.ndjson").read_text().splitlines()) == 1

    async def test_of_another_deployment_is_neither_shown_nor_continued(
        self, here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A rehearsal's signatures would be taken for real ones; nor is that of a campaign with a longer id."""
        await press(desk, EXPORTS)
        monkeypatch.setattr(export, "deployment", lambda: Environment("production", {}))
        stopped = {"campaign": CAMPAIGN, "place": "the database of staging", "as_of": "2026-11-27T00:00:00Z"}
        Path(f"{CAMPAIGN}-production-export").mkdir()
        Path(f"{CAMPAIGN}-production-export/unfinished.json").write_text(json.dumps(stopped))
        longer = Path(f"{CAMPAIGN}-production-export-2")
        longer.mkdir()
        manifest = json.loads(Path(f"{CAMPAIGN}-export/manifest.json").read_text())
        (longer / "manifest.json").write_text(json.dumps({**manifest, "campaign": f"{CAMPAIGN}-production"}))

        shown = (await desk.get(EXPORTS)).text

        assert "Exports on this machine" not in shown
        assert "An export was stopped" not in shown
        assert f"{CAMPAIGN}-production-export-3</code>" in shown

    async def test_pressed_twice_is_one_export(
        self, here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second press shows how far the first has come, and other pages are not kept waiting."""
        scan, may_end = SqliteMaintenance.scan, asyncio.Event()

        async def slow(records: SqliteMaintenance, campaign: str, after: str = "") -> AsyncIterator[Any]:
            await may_end.wait()
            async for page in scan(records, campaign, after):
                yield page

        monkeypatch.setattr(SqliteMaintenance, "scan", slow)
        first = (await desk.post(EXPORTS)).text
        second = (await desk.post(EXPORTS)).text
        other = (await desk.get(AFTER)).status_code
        may_end.set()
        shown = (await last_page(desk, await desk.get(EXPORTS))).text

        assert "exporting, 0 of 1" in first
        assert "exporting, 0 of 1" in second
        assert other == 200
        assert "1 signature exported" in shown
        assert [folder.name for folder in Path().glob("*-export*")] == [f"{CAMPAIGN}-export"]


class TestAudit:
    async def test_finds_what_is_wrong_and_repairs_it_when_asked_once_more(
        self, here: World, desk: httpx.AsyncClient
    ) -> None:
        """The button names what it works on; the repair is seen by everybody."""
        right = (await press(desk, AUDIT)).text
        maintenance = runtime.desk().maintenance
        await maintenance.repair(CAMPAIGN, [Difference("total", "", counted=5, kept=0)])
        maintenance.close()

        wrong = (await press(desk, AUDIT)).text
        asked = (await desk.get(f"{AUDIT}/repair")).text
        repaired = (await press(desk, f"{AUDIT}/repair")).text

        assert "The count is right:" in right
        assert "The count is wrong." in wrong
        assert "+5" in wrong
        assert "Repair the count on this machine" in asked or "Repair the count in" in asked
        assert "is repaired" in repaired
        assert (await here.count())["total"] == 1

    async def test_that_runs_is_not_taken_for_a_repair(
        self, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The page says that the repair was not begun."""
        may_end = asyncio.Event()
        recount = SqliteMaintenance.recount

        async def slow(*given: Any) -> Any:
            await may_end.wait()
            return await recount(*given)

        monkeypatch.setattr(SqliteMaintenance, "recount", slow)
        await desk.post(AUDIT)
        refused = await desk.post(f"{AUDIT}/repair")
        may_end.set()

        assert refused.status_code == 400
        assert "Under way: Recount. Wait until it is done. Nothing else was begun." in refused.text


class TestPurge:
    @pytest.mark.parametrize("fields", [{}, {"confirmed": CAMPAIGN, "unhanded": "yes"}])
    async def test_before_its_time_is_neither_offered_nor_done(
        self, here: World, desk: httpx.AsyncClient, fields: dict[str, str]
    ) -> None:
        """Not even with a forged form."""
        offered = (await desk.get(PURGE)).text
        refused = (await press(desk, PURGE, fields)).text

        assert 'name="confirmed"' not in offered
        assert "2028-04-28" in offered
        assert "Too early" in refused or "write reclaim-your-face" in refused
        assert (await overlay()).purged is None

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"confirmed": "reclaim", "unhanded": "yes"}, "write reclaim-your-face"),
            ({"unhanded": "yes"}, "write reclaim-your-face"),
            ({"confirmed": CAMPAIGN}, "1 of 1 signatures were never recorded as handed over"),
        ],
    )
    async def test_without_the_id_or_a_hand_over_is_refused(
        self, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], sentence: str
    ) -> None:
        """Nothing is deleted."""
        end_retention(monkeypatch)

        refused = (await press(desk, PURGE, fields)).text

        assert sentence in refused
        assert "--although-not-handed-over" not in refused
        assert (await overlay()).purged is None

    async def test_deletes_the_records_and_keeps_the_count(
        self, here: World, desk: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After that nothing is left to export or to recount."""
        end_retention(monkeypatch)
        offered = (await desk.get(PURGE)).text
        deleted = (await press(desk, PURGE, {"confirmed": CAMPAIGN, "unhanded": "yes"})).text

        assert "Although 1 signature was never recorded as handed over" in offered
        assert "The final count stays: 1." in deleted
        assert "nothing left to export" in (await desk.get(EXPORTS)).text
        assert "the count is final" in (await desk.get(AUDIT)).text
        assert "Deleted</span> on" in (await desk.get(AFTER)).text
