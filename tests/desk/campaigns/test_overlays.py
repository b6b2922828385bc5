"""What an organiser changes without a deployment: pause, partners, paper; and what ends a campaign."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from desk.signatures import purge
from shared.campaigns.loader import load_all
from tests.desk.commands import told, undersign
from tests.support.deployment import CAMPAIGN, COUNT, SIGNATURES, signature
from tests.support.polling import until
from tests.support.servers import Server, server

NEW = "https://new.example.org"


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local run's folder, in which nobody runs."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "secrets.json").write_text("{}")
    return folder


class TestWhileTheServerRuns:
    def sign(self, running: Server, origin: str | None = None, email: str = "ann@example.org") -> httpx.Response:
        headers = {"Origin": origin} if origin else {}
        return httpx.post(
            f"{running.url}{SIGNATURES}", json=signature(email=email), headers=headers, trust_env=False
        )

    def test_pause_and_resume_are_in_force_within_a_minute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a restart; so is a new partner's page."""
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


class TestAdmitPartner:
    def test_adds_up_over_several_times(self, var: Path) -> None:
        """A second page of the same partner, whose name need not be told again."""
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
    def test_says_what_is_wrong_and_changes_nothing(self, var: Path, command: list[str], reason: str) -> None:
        """In the words of the campaign file's own errors."""
        assert reason in told(undersign("campaign", "admit-partner", CAMPAIGN, *command))

    def test_can_be_taken_back(self, var: Path) -> None:
        """What the file says cannot; and whoever was not admitted is named."""
        undersign("campaign", "admit-partner", CAMPAIGN, "new", "--origin", NEW, "--name", "New")

        dismissed = undersign("campaign", "dismiss-partner", CAMPAIGN, "new")

        assert "may no longer show the form" in dismissed.output
        assert "Admitted were: none" in told(undersign("campaign", "dismiss-partner", CAMPAIGN, "new"))
        assert "Admitted were: none" in told(undersign("campaign", "dismiss-partner", CAMPAIGN, "digital-rights"))

    def test_admits_no_unencrypted_page_to_a_deployment(self, var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On one's own machine there is nothing else."""
        origin = "http://localhost:9000"
        admitted = undersign("campaign", "admit-partner", CAMPAIGN, "dev", "--origin", origin, "--name", "Dev")
        monkeypatch.setenv("STORE", "firestore")
        monkeypatch.setenv("FIRESTORE_PROJECT", "nowhere")

        refused = undersign("campaign", "admit-partner", CAMPAIGN, "dev", "--origin", origin, "--name", "Dev")

        assert admitted.exit_code == 0, admitted.output
        assert "http:// are for this machine alone" in told(refused)

    def test_needs_a_campaign_that_there_is(self, var: Path) -> None:
        """And says which there are."""
        assert "There are: reclaim-your-face" in told(undersign("campaign", "pause", "yours"))


class TestPaper:
    def test_is_added_corrected_and_listed(self, var: Path) -> None:
        """Each entry with its note."""
        undersign("offline", "add", CAMPAIGN, "de", "1200", "--note", "Sheets from Berlin")
        added = undersign("offline", "add", CAMPAIGN, "DE", "-200", "--note", "counted twice [/]")

        listed = undersign("offline", "list", CAMPAIGN)

        assert "1,000 on paper from DE now, 1,000 in all" in added.output
        assert "Sheets from Berlin" in listed.output
        assert "-200" in listed.output
        assert "counted twice [/]" in listed.output

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            (["Germany", "5", "--note", "x"], "two capital letters"),
            (["DE", "5", "--note", ""], "note: is empty"),
            (["DE", "-1", "--note", "x"], "There are 0 for DE"),
            (["DE", "0", "--note", "x"], "write a whole number up to 10,000,000"),
            (["FR", "1" + "0" * 32, "--note", "x"], "write a whole number up to 10,000,000"),
        ],
    )
    def test_says_what_is_wrong(self, var: Path, command: list[str], reason: str) -> None:
        """And adds nothing."""
        assert reason in told(undersign("offline", "add", CAMPAIGN, *command))
        assert "0 in all" in undersign("offline", "list", CAMPAIGN).output


class TestPurge:
    @pytest.fixture(autouse=True)
    def _signed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two confirmed signatures, exported and opened."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LOCAL_FOLDER", str(tmp_path / "var"))
        with server(tmp_path / "var") as running:
            for email in ("ann@example.org", "bob@example.org"):
                httpx.post(f"{running.url}{SIGNATURES}", json=signature(email=email), trust_env=False)
                httpx.post(running.mail_to(email).links["confirm"], trust_env=False)
        undersign("export", CAMPAIGN, "--to", "out")
        undersign("open", "out", "-i", "var/throwaway-identity.txt", "--to", "read")

    def in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the desk's clock say that retention is over."""
        after = datetime.combine(load_all()[CAMPAIGN].purged_on, datetime.min.time(), UTC)

        monkeypatch.setattr(purge, "utc_now", lambda: after)

    def test_removes_the_records_and_keeps_the_count(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """After the hand-over and the retention; from then on nobody recounts what is no more."""
        undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "European Commission")
        self.in_time(monkeypatch)

        purged = undersign("purge", CAMPAIGN, "--yes")

        assert "Handed over: 2 signatures to European Commission" in purged.output
        assert "The final count stays: 2" in purged.output
        assert "its count is final" in told(undersign("audit", CAMPAIGN, "--repair"))
        assert "nothing left to export" in told(undersign("export", CAMPAIGN, "--to", "again"))
        with server(tmp_path / "var") as running:
            assert httpx.get(f"{running.url}{COUNT}", trust_env=False).json()["total"] == 2
        again = undersign("purge", CAMPAIGN, "--yes")
        assert "0 records" in again.output

    def test_waits_for_hand_over_and_retention(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whichever is missing is named, and nothing is removed."""
        assert "Too early: reclaim-your-face keeps its signatures until 2028-04-28" in told(
            undersign("purge", CAMPAIGN, "--yes")
        )
        self.in_time(monkeypatch)
        assert "2 of 2 signatures were never recorded as handed over" in told(
            undersign("purge", CAMPAIGN, "--yes")
        )
        assert "The tally is right" in undersign("audit", CAMPAIGN).output

    def test_is_not_satisfied_by_a_hand_over_of_some(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """What was given to nobody is removed only where somebody says so."""
        given = json.loads(Path("read/manifest.json").read_text())
        given["files"]["signatures.csv"]["signatures"] = 1
        Path("read/manifest.json").write_text(json.dumps(given))
        undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "European Commission")
        self.in_time(monkeypatch)

        assert "1 of 2 signatures" in told(undersign("purge", CAMPAIGN, "--yes"))
        assert undersign("purge", CAMPAIGN, "--yes", "--although-not-handed-over").exit_code == 0

    def test_is_not_kept_back_by_what_somebody_typed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Brackets mean something to what prints it, and nothing to the desk."""
        handed = undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "Parliament [/] [bold]")
        self.in_time(monkeypatch)

        purged = undersign("purge", CAMPAIGN, "--yes")

        assert "to Parliament [/] [bold]" in handed.output
        assert purged.exit_code == 0, purged.output
        assert "to Parliament [/] [bold]" in purged.output

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"damaged": [3]}, "1 were not opened"),
            ({"files": {"signatures.csv": {"signatures": 0, "sha256": "0"}}}, "0 sig"),
        ],
    )
    def test_records_no_hand_over_of_what_is_not_whole(self, change: dict[str, object], reason: str) -> None:
        """Lines that did not open would be purged as delivered."""
        given = json.loads(Path("read/manifest.json").read_text())
        Path("read/manifest.json").write_text(json.dumps({**given, **change}))

        assert reason in told(undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "X"))

    def test_records_the_very_file_that_was_handed_over(self) -> None:
        """By its sum; a manifest of something else is refused."""
        recorded = undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "European Commission")
        sha256 = json.loads(Path("read/manifest.json").read_text())["files"]["signatures.csv"]["sha256"]

        assert re.sub(r"\s+", " ", recorded.output).strip().endswith(f"SHA-256 {sha256}.")
        for manifest, reason in (
            ("out/manifest.json", "is no manifest of opened signatures"),
            ("nowhere.json", "There is no nowhere.json"),
        ):
            assert reason in told(undersign("hand-over", CAMPAIGN, manifest, "--to", "X"))
        assert "to: is empty" in told(undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", ""))
        assert "names no all.csv" in told(
            undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "X", "--file", "all.csv")
        )
