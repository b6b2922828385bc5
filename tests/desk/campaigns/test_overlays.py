"""What an organiser can change without a deployment: pausing a campaign and admitting partners."""

from pathlib import Path

import httpx
import pytest

from shared.campaigns.overlay import Overlay
from shared.store.sqlite import SqliteStore
from tests.desk.commands import refusal, run, undersign
from tests.support.deployment import CAMPAIGN, SIGNATURES, signature
from tests.support.polling import until
from tests.support.servers import Server, server

NEW = "https://new.example.org"


async def overlay(var: Path) -> Overlay:
    """The overlay as it is stored."""
    store = SqliteStore(var / "store.db")
    try:
        return await store.overlay(CAMPAIGN)
    finally:
        store.close()


class TestWhileTheServerRuns:
    def sign(self, running: Server, origin: str | None = None, email: str = "ann@example.org") -> httpx.Response:
        headers = {"Origin": origin} if origin else {}
        return httpx.post(
            f"{running.url}{SIGNATURES}", json=signature(email=email), headers=headers, trust_env=False
        )

    def test_pause_and_resume_take_effect_within_a_minute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They need no restart, and neither does a new partner's page."""
        monkeypatch.setenv("LOCAL_FOLDER", str(tmp_path))
        with server(tmp_path) as running:
            assert self.sign(running).status_code == 202
            paused = undersign("campaign", "pause", CAMPAIGN)
            undersign("campaign", "admit-partner", CAMPAIGN, "new", "--origin", NEW, "--name", "New Partner")
            until(lambda: self.sign(running).status_code == 409, patience=60)
            undersign("campaign", "resume", CAMPAIGN)
            until(lambda: self.sign(running, NEW).status_code == 202, patience=60)

        assert paused.exit_code == 0, paused.output
        assert "within a minute" in paused.output


class TestProofOfWork:
    async def test_is_switched_over_what_the_file_says(self, var: Path) -> None:
        """And back to the file."""
        on = await run("campaign", "proof-of-work", CAMPAIGN, "on")
        asked = await overlay(var)
        await run("campaign", "proof-of-work", CAMPAIGN, "file")

        assert on.exit_code == 0, on.output
        assert "within a minute" in on.output
        assert asked.proof_of_work == "on"
        assert (await overlay(var)).proof_of_work is None

    async def test_can_be_left_to_confirmations_and_mails(self, var: Path) -> None:
        """deliver then turns it on and off by itself."""
        done = await run("campaign", "proof-of-work", CAMPAIGN, "automatic")

        assert "is automatic within a minute" in done.output
        assert (await overlay(var)).proof_of_work == "automatic"


class TestAdmitPartner:
    def test_adds_origins_to_a_known_partner(self, var: Path) -> None:
        """A second page of the same partner needs no name."""
        undersign(
            "campaign", "admit-partner", CAMPAIGN, "new", "--origin", NEW, "--name", "New", "--country", "FR"
        )
        second = undersign("campaign", "admit-partner", CAMPAIGN, "new", "--origin", "https://two.example.org")

        assert second.exit_code == 0, second.output
        assert "may show the form" in second.output

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            (["new", "--origin", NEW], "say what it is called, with --name"),
            (["new", "--origin", "https://new.example.org/", "--name", "New"], "leave out the slash"),
            (["new", "--origin", "new.example.org", "--name", "New"], "an origin is https://"),
            (["new", "--origin", NEW, "--name", "New", "--country", "Germany"], "two capital letters"),
            (["New Partner", "--origin", NEW, "--name", "New"], "short name"),
            (
                ["new", "--origin", "https://digital-rights.example.org", "--name", "New"],
                "belongs to digital-rights",
            ),
        ],
    )
    def test_refuses_invalid_options(self, var: Path, command: list[str], reason: str) -> None:
        """The error has the same words as one of the campaign file."""
        assert reason in refusal(undersign("campaign", "admit-partner", CAMPAIGN, *command))

    def test_can_be_undone(self, var: Path) -> None:
        """Partners of the campaign file cannot be dismissed, and the error lists those that can."""
        undersign("campaign", "admit-partner", CAMPAIGN, "new", "--origin", NEW, "--name", "New")

        dismissed = undersign("campaign", "dismiss-partner", CAMPAIGN, "new")

        assert "may no longer show the form" in dismissed.output
        assert "Admitted were: none" in refusal(undersign("campaign", "dismiss-partner", CAMPAIGN, "new"))
        assert "Admitted were: none" in refusal(
            undersign("campaign", "dismiss-partner", CAMPAIGN, "digital-rights")
        )

    def test_refuses_an_unencrypted_page_in_the_cloud(self, var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Plain HTTP is accepted on a local deployment only."""
        origin = "http://localhost:9000"
        admitted = undersign("campaign", "admit-partner", CAMPAIGN, "dev", "--origin", origin, "--name", "Dev")
        monkeypatch.setenv("STORE", "firestore")
        monkeypatch.setenv("FIRESTORE_PROJECT", "nowhere")

        refused = undersign("campaign", "admit-partner", CAMPAIGN, "dev", "--origin", origin, "--name", "Dev")

        assert admitted.exit_code == 0, admitted.output
        assert "http:// are for this machine alone" in refusal(refused)

    def test_refuses_an_unknown_campaign(self, var: Path) -> None:
        """The error lists those that exist."""
        assert "There are: reclaim-your-face" in refusal(undersign("campaign", "pause", "yours"))
