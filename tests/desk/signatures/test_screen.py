"""`undersign screen`: organisers look at what may be a bot's, hold it, count it or drop it, and undo that."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from desk import runtime
from desk.signatures import purge, selection
from shared.models.labels import Label
from tests.desk.commands import refusal, run
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, World

HOUR = f"{NOW:%Y-%m-%dT%H}"


async def confirm(here: World, email: str, *labels: Label, country: str = "DE") -> None:
    await here.press(await here.sign_with_labels(*labels, email=email, country=country))


@pytest.fixture
async def here(deployed: World) -> World:
    """A counted signature without labels, one in a burst of a network, and an hour later three that are held."""
    await confirm(deployed, "ann@example.org")
    await confirm(deployed, "bea@example.org", Label.NETWORK_BURST, country="FR")
    deployed.now += timedelta(hours=1)
    for name in ("c", "d"):
        await confirm(deployed, f"{name}@bots.example", Label.TOO_FAST)
    await confirm(deployed, "e@gmail.com", Label.NO_PAGE, Label.NETWORK_BURST)
    return deployed


async def screen(*command: str) -> Result:
    """Run a command that must succeed."""
    done = await run("screen", *command)
    assert done.exit_code == 0, done.output
    return done


async def numbers(here: World) -> tuple[int, int]:
    """How many are counted, and how many are held; audit must agree."""
    tally = await here.functions["count"].deps.store.tally(CAMPAIGN)
    assert "The tally is right" in (await run("audit", CAMPAIGN)).output
    return tally.total, tally.held


def rows(done: Result) -> list[list[str]]:
    """The cells of all tables that a command has printed."""
    return [re.split(r"\s*│\s*", line.strip("│ ")) for line in done.output.splitlines() if line.startswith("│")]


class TestList:
    async def test_groups_by_labels_hours_and_mail_domains(self, here: World) -> None:
        """It names neither an address nor a domain, and no domain of one signature alone."""
        done = await screen("list", CAMPAIGN)

        shown = rows(done)
        assert ["network_burst", "1", "0", "0"] in shown
        assert ["network_burst + no_page", "0", "1", "0"] in shown
        assert ["too_fast", "0", "2", "0"] in shown
        assert [HOUR, "1", "0", "0", "1"] in shown
        assert [f"{NOW + timedelta(hours=1):%Y-%m-%dT%H}", "0", "3", "0", "0"] in shown
        assert len([row for row in shown if re.fullmatch("[a-z2-7]{8}", row[0])]) == 1
        assert "mail domain" in done.output
        assert not re.search(r"@|bots|example|gmail", done.output)

    async def test_mail_domains_are_kept_of_nobody_without_labels(self, here: World) -> None:
        """Nor of large providers, whose domain says nothing."""
        store = runtime.desk().maintenance
        domains = {
            (bool(kept.labels), kept.mailbox_class): kept.domain
            async for page in store.scan(CAMPAIGN)
            for record in page
            for kept in record.signature.submissions
        }
        store.close()

        assert domains[False, "other"] is None
        assert domains[True, "google"] is None
        assert re.fullmatch("[a-z2-7]{52}", domains[True, "other"] or "")

    async def test_shows_no_table_of_mail_domains_where_none_has_several(self, deployed: World) -> None:
        """An empty one would say nothing."""
        await confirm(deployed, "bot@example.org", Label.TOO_FAST)

        assert "mail domain" not in (await screen("list", CAMPAIGN)).output

    async def test_says_where_nothing_has_a_sign(self, deployed: World) -> None:
        """Unconfirmed signatures are of no interest."""
        await confirm(deployed, "ann@example.org")
        await deployed.sign_with_labels(Label.TOO_FAST, email="bot@example.org")

        assert "No signature has a label" in (await screen("list", CAMPAIGN)).output


class TestPreview:
    async def test_counts_whom_it_would_concern_and_changes_nothing(self, here: World) -> None:
        """Several labels are all wanted; of counted signatures it says what could be held."""
        burst = await screen("preview", CAMPAIGN, "--label", "network_burst")
        both = await screen("preview", CAMPAIGN, "--label", "network_burst", "--label", "no_page")

        assert ["FR", "1", "0", "0"] in rows(burst)
        assert "hold would take 1 off the count; release would count, and drop would drop, 1." in burst.output
        assert "hold would take 0 off the count; release would count, and drop would drop, 1." in both.output
        assert await numbers(here) == (2, 3)


class TestChange:
    async def test_releases_what_is_held(self, here: World) -> None:
        """It is counted with its country, and taken back by the command that is printed."""
        done = await screen("release", CAMPAIGN, "--label", "too_fast", "--yes")
        assert await numbers(here) == (4, 1)

        [undo] = re.findall(r"To undo it: undersign (.*)", done.output)
        await screen(*undo.split()[1:], "--yes")
        assert await numbers(here) == (2, 3)

    async def test_changes_more_than_are_held_in_memory_at_once(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some at a time, until all are changed."""
        monkeypatch.setattr(selection, "PAGE", 2)

        done = await screen("release", CAMPAIGN, "--yes")

        assert "3 signatures changed" in done.output
        assert await numbers(here) == (5, 0)

    async def test_drops_what_is_held_and_undoes_it(self, here: World) -> None:
        """It is in no number then; its signer is answered as before."""
        mail = await here.sign_with_labels(Label.TOO_FAST, email="f@bots.example")
        await here.press(mail)

        done = await screen("drop", CAMPAIGN, "--yes")

        assert await numbers(here) == (2, 0)
        assert (await here.press(mail)).json() == {"status": "confirmed"}
        [since] = re.findall(r"--since (\S+)", done.output)
        await screen("undo", CAMPAIGN, "--since", since, "--yes")
        assert await numbers(here) == (2, 4)

    async def test_undoes_the_last_step_alone(self, here: World) -> None:
        """What was held and then dropped is held again, and a repeat finds nothing more."""
        done = await screen("hold", CAMPAIGN, "--label", "network_burst", "--yes")
        await screen("drop", CAMPAIGN, "--yes")
        [since] = re.findall(r"--since (\S+)", done.output)

        await screen("undo", CAMPAIGN, "--since", since, "--yes")
        again = await screen("undo", CAMPAIGN, "--since", since, "--yes")

        assert await numbers(here) == (1, 4)
        assert "nothing was changed" in again.output

    async def test_holds_what_was_counted_before_the_burst_was_noticed(self, here: World) -> None:
        """Labels are kept, so that it can be found later; a repeat finds nothing more."""
        await screen("hold", CAMPAIGN, "--label", "network_burst", "--yes")
        again = await screen("hold", CAMPAIGN, "--label", "network_burst", "--yes")

        assert await numbers(here) == (1, 4)
        assert "nothing was changed" in again.output

    @pytest.mark.parametrize(("command", "lowers"), [("hold", True), ("release", False)])
    async def test_announces_a_total_that_it_lowers(self, here: World, command: str, lowers: bool) -> None:
        """Count and deliver would take it for a database that came back older."""
        label = "network_burst" if command == "hold" else "too_fast"

        await screen(command, CAMPAIGN, "--label", label, "--yes")

        overlay = await here.functions["count"].deps.store.overlay(CAMPAIGN)
        assert (overlay.lowered_at is not None) is lowers

    async def test_is_limited_to_hours_and_mail_domains(self, here: World) -> None:
        """A domain is named by the beginning of its digest."""
        [domain] = [row[0] for row in rows(await screen("list", CAMPAIGN)) if re.fullmatch("[a-z2-7]{8}", row[0])]

        none = await screen("release", CAMPAIGN, "--hour", HOUR, "--yes")
        await screen("release", CAMPAIGN, "--domain", domain, "--yes")

        assert "nothing was changed" in none.output
        assert await numbers(here) == (4, 1)

    async def test_is_limited_to_the_second_that_access_shows(self, here: World) -> None:
        """So that one person who objects can be released, among bots of the same hour."""
        here.now += timedelta(seconds=1)
        await confirm(here, "genuine@example.org", Label.TOO_FAST)

        await screen("release", CAMPAIGN, "--hour", f"{here.now:%Y-%m-%dT%H:%M:%S}", "--yes")

        assert await numbers(here) == (3, 3)

    async def test_asks_first(self, here: World) -> None:
        """The question says how many signatures, of which campaign, and where."""
        done = await run("screen", "drop", CAMPAIGN, typed="n\n")

        assert f"Drop 3 signatures of {CAMPAIGN} in " in done.output
        assert done.exit_code == 1
        assert await numbers(here) == (2, 3)

    async def test_leaves_what_is_withdrawn(self, here: World) -> None:
        """A person who is held may withdraw, and is not counted afterwards."""
        mail = await here.sign_with_labels(Label.TOO_FAST, email="g@example.org")
        await here.press(mail)
        await here.press(mail, "withdraw")

        await screen("release", CAMPAIGN, "--yes")

        assert await numbers(here) == (5, 0)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ["preview", CAMPAIGN, "--hour", "14:00"],
            "--hour: write an hour in UTC, as in 2026-11-27T14, and not 14:00",
        ),
        (
            ["release", CAMPAIGN, "--domain", "abc"],
            "--domain: write 8 characters, as list shows them, and not abc",
        ),
        (
            ["undo", CAMPAIGN, "--since", "today"],
            "--since: write a moment, as in 2026-11-27T14:03:00Z, and not today",
        ),
        (["list", "yours"], "There is no campaign yours"),
    ],
)
async def test_mistakes_are_named(options: list[str], error: str, var: Path) -> None:
    """Before anything is read."""
    assert error in refusal(await run("screen", *options))


class TestOfOtherCommands:
    async def test_stats_show_what_is_held_and_warn_of_presses_without_a_page(self, here: World) -> None:
        """The funnel counts those who came through, held or not."""
        await here.funnels()

        done = await run("stats", CAMPAIGN)
        as_json = json.loads((await run("stats", CAMPAIGN, "--json")).stdout)

        assert "3 more are held" in done.output
        assert f"Of those who signed on {NOW:%Y-%m-%d}, more confirmed than opened their link" in done.stderr
        assert (as_json["held"], as_json["count"]["held"], as_json["count"]["total"]) == (3, 0, 2)
        assert as_json["funnel"]["confirmed"] == 5

    async def test_an_export_has_what_is_held_in_a_file_of_its_own(self, here: World, tmp_path: Path) -> None:
        """It is not among the signatures, and cannot be handed over; what was dropped is in neither."""
        key = tmp_path / "key.txt"
        key.write_text(str(here.identities.campaign))
        await screen("drop", CAMPAIGN, "--label", "no_page", "--yes")

        done = await run("export", CAMPAIGN, "--to", "out")
        opened = await run("open", "out", "-i", key, "--to", "signed")
        looked_at = await run("open", "out/held.ndjson", "-i", key, "--to", "held")

        manifest = json.loads(Path("out/manifest.json").read_text())
        assert (manifest["signatures"], manifest["held"]["signatures"]) == (2, 2)
        assert "Not among them: 2 that are held" in done.stderr
        assert (opened.exit_code, looked_at.exit_code) == (0, 0), (opened.output, looked_at.output)
        assert "bots" not in Path("signed/signatures.csv").read_text()
        assert Path("held/signatures.csv").read_text().count("@bots.example") == 2
        given = await run("hand-over", CAMPAIGN, "held/manifest.json", "--to", "European Commission")
        assert "signatures that are held, which are not counted" in refusal(given)

    async def test_access_shows_a_signer_that_the_signature_is_held_and_why(self, here: World) -> None:
        """A person may know it, and nobody else learns it."""
        [report] = json.loads((await run("access", "c@bots.example")).stdout)

        [signed] = report["signature"]["signed"]
        assert (report["signature"]["status"], signed["labels"]) == ("held", ["too_fast"])

    async def test_audit_says_how_many_are_held(self, here: World) -> None:
        """It recounts them as it does those that are counted."""
        assert (
            "5 records read, 2 of them confirmed signatures, and 3 held." in (await run("audit", CAMPAIGN)).output
        )

    async def test_a_purge_waits_for_a_decision(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The final count would say for ever that some are being checked."""
        monkeypatch.setattr(purge, "utc_now", lambda: datetime(2030, 1, 1, tzinfo=UTC))
        options = ("purge", CAMPAIGN, "--yes", "--although-not-handed-over")

        refused = await run(*options)
        await screen("drop", CAMPAIGN, "--yes")
        done = await run(*options)

        assert "3 signatures are held. Release or drop them first" in refusal(refused)
        assert "The final count stays: 2" in done.output
        assert "was purged on 2030-01-01" in refusal(await run("screen", "list", CAMPAIGN))
