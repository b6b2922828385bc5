"""Signatures on paper, which the counter shows separately."""

from pathlib import Path

import pytest

from tests.desk.commands import refusal, undersign
from tests.support.deployment import CAMPAIGN


class TestPaper:
    def test_is_added_corrected_and_listed(self, var: Path) -> None:
        """A negative number corrects an earlier one, and each entry is listed with its note."""
        undersign("offline", "add", CAMPAIGN, "de", "1200", "--note", "Sheets from Berlin")
        added = undersign("offline", "add", CAMPAIGN, "DE", "-200", "--note", "counted twice [/]")

        listed = undersign("offline", "list", CAMPAIGN)

        assert "1,000 on paper from DE now, 1,000 in all" in added.output
        assert "Sheets from Berlin" in listed.output
        assert "-200" in listed.output
        assert "counted twice [/]" in listed.output

    def test_checks_the_number_before_it_asks_for_the_note(self, var: Path) -> None:
        """Otherwise the note would be typed for nothing."""
        refused = undersign("offline", "add", CAMPAIGN, "DE", "12.000")

        assert 'and not "12.000"' in refusal(refused)
        assert "Note" not in refused.output

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            (["Germany", "5", "--note", "x"], "two capital letters"),
            (["DE", "5", "--note", ""], "note: is empty"),
            (["DE", "-1", "--note", "x"], "There are 0 for DE"),
            (["DE", "0", "--note", "x"], "write a whole number up to 10,000,000"),
            (["FR", "10000001", "--note", "x"], "write a whole number up to 10,000,000"),
            (["FR", "1" + "0" * 32, "--note", "x"], "number: write a whole number in digits alone, 18 at most"),
            (["FR", "12.000", "--note", "x"], 'as in 12000 or 12_000, and not "12.000"'),
            (["FR", "-1.000", "--note", "x"], 'as in -1000 or -1_000, and not "-1.000"'),
        ],
    )
    def test_refuses_an_invalid_entry(self, var: Path, command: list[str], reason: str) -> None:
        """The error names the reason, and nothing is added."""
        assert reason in refusal(undersign("offline", "add", CAMPAIGN, *command))
        assert "0 in all" in undersign("offline", "list", CAMPAIGN).output
