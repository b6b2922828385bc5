"""Which store the desk works on: never another one than its user means, and always announced."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from tests.desk.commands import undersign
from tests.support.deployment import CAMPAIGN, REPOSITORY


@pytest.mark.parametrize("name", ["FIRESTORE_PROJECT", "FIRESTORE_DATABASE", "TASKS_QUEUES", "SPOOL_PROJECT"])
def test_refuses_an_incomplete_cloud_configuration(var: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A forgotten STORE must not produce a receipt about the laptop's own database."""
    monkeypatch.setenv(name, "production")

    refused = undersign("audit", CAMPAIGN)

    assert isinstance(refused.exception, ConfigurationError)
    assert "STORE: is not set" in str(refused.exception)


def test_says_which_store_it_works_on(var: Path) -> None:
    """It prints this on standard error, so that programs can parse standard output."""
    done = undersign("stats", CAMPAIGN, "--json")

    assert "Working on var/store.db of this machine." in done.stderr
    assert done.stdout.startswith("{")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_prints_in_a_limited_encoding(var: Path, encoding: str) -> None:
    """Windows encodes output that is redirected to a file as cp1252."""
    done = subprocess.run(
        [sys.executable, "-m", "desk.main", "campaign", "check"],
        cwd=var.parent,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": encoding},
        capture_output=True,
    )

    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


def test_reports_an_overlay_written_by_a_newer_version(var: Path) -> None:
    """During a rollout, the error is one sentence that says so, without a traceback."""
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
