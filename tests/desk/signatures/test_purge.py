"""How a campaign ends: its signatures are handed over, and purged once the retention period is over."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from desk.signatures import purge
from shared.campaigns.loader import load_all
from tests.desk.commands import refusal, undersign
from tests.support.deployment import CAMPAIGN, COUNT, PAGE_HEADERS, SIGNATURES, signature
from tests.support.servers import server


class TestPurge:
    @pytest.fixture(autouse=True)
    def _signed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two confirmed signatures, exported and opened."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LOCAL_FOLDER", str(tmp_path / "var"))
        with server(tmp_path / "var") as running:
            for email in ("ann@example.org", "bob@example.org"):
                httpx.post(
                    f"{running.url}{SIGNATURES}",
                    json=signature(email=email),
                    headers=PAGE_HEADERS,
                    trust_env=False,
                )
                httpx.post(running.mail_to(email).links["confirm"], trust_env=False)
        undersign("export", CAMPAIGN, "--to", "out")
        undersign("open", "out", "-i", "var/throwaway-identity.txt", "--to", "read")

    def end_retention(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the desk's clock to the end of the retention period."""
        after = datetime.combine(load_all()[CAMPAIGN].purged_on, datetime.min.time(), UTC)

        monkeypatch.setattr(purge, "utc_now", lambda: after)

    def test_removes_the_records_and_keeps_the_count(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Once the records are gone, the count is final: no repair and no further export."""
        undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "European Commission")
        self.end_retention(monkeypatch)

        purged = undersign("purge", CAMPAIGN, "--yes")

        assert "Handed over: 2 signatures to European Commission" in purged.output
        assert "The final count stays: 2" in purged.output
        assert "its count is final" in refusal(undersign("audit", CAMPAIGN, "--repair"))
        assert "nothing left to export" in refusal(undersign("export", CAMPAIGN, "--to", "again"))
        with server(tmp_path / "var") as running:
            assert httpx.get(f"{running.url}{COUNT}", trust_env=False).json()["total"] == 2
        again = undersign("purge", CAMPAIGN, "--yes")
        assert "0 records" in again.output

    def test_waits_for_hand_over_and_retention(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error names the one that is missing, and nothing is removed."""
        assert "Too early: reclaim-your-face keeps its signatures until 2028-04-28" in refusal(
            undersign("purge", CAMPAIGN, "--yes")
        )
        self.end_retention(monkeypatch)
        assert "2 of 2 signatures were never recorded as handed over" in refusal(
            undersign("purge", CAMPAIGN, "--yes")
        )
        assert "The tally is right" in undersign("audit", CAMPAIGN).output

    def test_refuses_after_a_partial_hand_over(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Signatures that were handed to nobody are purged only with an explicit option."""
        given = json.loads(Path("read/manifest.json").read_text())
        given["files"]["signatures.csv"]["signatures"] = 1
        Path("read/manifest.json").write_text(json.dumps(given))
        undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "European Commission")
        self.end_retention(monkeypatch)

        refused = refusal(undersign("purge", CAMPAIGN, "--yes"))

        assert "1 of 2 signatures were never recorded as handed over." in refused
        assert f"undersign hand-over {CAMPAIGN} …, or add --although-not-handed-over" in refused
        assert undersign("purge", CAMPAIGN, "--yes", "--although-not-handed-over").exit_code == 0

    def test_prints_brackets_in_a_recipients_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Brackets in it are not taken for markup."""
        handed = undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "Parliament [/] [bold]")
        self.end_retention(monkeypatch)

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
    def test_refuses_the_hand_over_of_an_incomplete_file(self, change: dict[str, object], reason: str) -> None:
        """Otherwise lines that did not open would be purged as if they were delivered."""
        given = json.loads(Path("read/manifest.json").read_text())
        Path("read/manifest.json").write_text(json.dumps({**given, **change}))

        assert reason in refusal(undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "X"))

    def test_records_the_table_that_was_opened(self) -> None:
        """Unless another is named, it is the one with all signatures, of whatever kind."""
        undersign("open", "out", "-i", "var/throwaway-identity.txt", "--to", "excel", "--xlsx", "--per-country")

        recorded = undersign("hand-over", CAMPAIGN, "excel/manifest.json", "--to", "European Commission")

        sha256 = hashlib.sha256(Path("excel/signatures.xlsx").read_bytes()).hexdigest()
        assert f"SHA-256 {sha256}." in re.sub(r"\s+", " ", recorded.output)

    def test_records_which_file_was_handed_over(self) -> None:
        """It records the file's checksum, and refuses manifests of anything else."""
        recorded = undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "European Commission")
        sha256 = json.loads(Path("read/manifest.json").read_text())["files"]["signatures.csv"]["sha256"]

        assert re.sub(r"\s+", " ", recorded.output).strip().endswith(f"SHA-256 {sha256}.")
        for manifest, reason in (
            ("out/manifest.json", "is no manifest of opened signatures"),
            ("nowhere.json", "There is no nowhere.json"),
        ):
            assert reason in refusal(undersign("hand-over", CAMPAIGN, manifest, "--to", "X"))
        assert "to: is empty" in refusal(undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", ""))
        assert "names no all.csv" in refusal(
            undersign("hand-over", CAMPAIGN, "read/manifest.json", "--to", "X", "--file", "all.csv")
        )
