"""On which store the desk works: never on another one than its user means, and never in silence."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from tests.desk.commands import undersign
from tests.support.deployment import CAMPAIGN, REPOSITORY


@pytest.mark.parametrize("name", ["FIRESTORE_PROJECT", "FIRESTORE_DATABASE", "TASKS_QUEUES", "SPOOL_PROJECT"])
def test_a_deployment_that_is_named_by_halves_is_no_reason_to_work_here(
    var: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A forgotten STORE must not make a receipt about the laptop's own database."""
    monkeypatch.setenv(name, "production")

    refused = undersign("audit", CAMPAIGN)

    assert isinstance(refused.exception, ConfigurationError)
    assert "STORE: is not set" in str(refused.exception)


def test_says_where_it_works(var: Path) -> None:
    """On standard error, so that what a program reads stays what it is."""
    done = undersign("stats", CAMPAIGN, "--json")

    assert "Working on var/store.db of this machine." in done.stderr
    assert done.stdout.startswith("{")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_speaks_in_a_terminal_that_knows_few_letters(var: Path, encoding: str) -> None:
    """Windows gives cp1252 to anybody who writes to a file."""
    done = subprocess.run(
        [sys.executable, "-m", "desk.main", "campaign", "check"],
        cwd=var.parent,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": encoding},
        capture_output=True,
    )

    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


def test_tells_an_overlay_of_a_newer_version_from_a_fault_of_ones_own(var: Path) -> None:
    """During a roll-out one must learn what to do, in a sentence."""
    undersign("campaign", "pause", CAMPAIGN)
    with sqlite3.connect(var / "store.db") as database:
        database.execute('UPDATE overlays SET document = \'{"of": "tomorrow"}\'')
    database.close()

    done = subprocess.run(
        [sys.executable, "-m", "desk.main", "campaign", "pause", CAMPAIGN],
        cwd=var.parent,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "was written by a newer undersign" in done.stderr
    assert "Traceback" not in done.stderr
