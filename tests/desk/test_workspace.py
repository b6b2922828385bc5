"""Which store the desk works on: never another one than its user means, and always announced."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextvars import copy_context
from pathlib import Path

import pyrage
import pytest

from desk import runtime
from desk.settings import use_deployment
from infra.deploy import gcloud
from shared.errors import ConfigurationError
from shared.store.firestore import FirestoreStore
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


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, project: str) -> str:
    """Name a deployment whose signatures are in the database `restored` of this project, which is returned."""
    settings = {"project": project, "project_number": "1", "database": "restored", "domain": "petition.example"}
    monkeypatch.setattr(gcloud, "environment", lambda name: gcloud.Environment(name, settings))
    return project


def _is_paused(project: str) -> bool:
    async def read() -> bool:
        store = FirestoreStore(project, "restored")
        try:
            return (await store.overlay(CAMPAIGN)).paused
        finally:
            store.close()

    return asyncio.run(read())


def test_the_public_pages_are_those_of_the_place_it_works_on(
    var: Path, monkeypatch: pytest.MonkeyPatch, production: str
) -> None:
    """A local run is at the port that it has by default, unless PORT names another; a deployment at its domain."""
    for name in ("PUBLIC_URL", "PORT"):
        monkeypatch.delenv(name, raising=False)
    assert runtime.public_url() == "http://localhost:8080"
    monkeypatch.setenv("PORT", "9000")
    assert runtime.public_url() == "http://localhost:9000"

    def of_production() -> str | None:
        use_deployment(gcloud.environment("production"))
        return runtime.public_url()

    assert copy_context().run(of_production) == "https://petition.example"


def test_pauses_the_deployment_that_it_names(
    var: Path, monkeypatch: pytest.MonkeyPatch, emulator: str, production: str
) -> None:
    """Neither what `make run` has left in this folder nor a store in the shell's variables stands in for it."""
    monkeypatch.setenv("STORE", "sqlite")
    monkeypatch.setenv("LOCAL_FOLDER", str(var))

    paused = undersign("--environment", "production", "campaign", "pause", CAMPAIGN)

    place = f"the database restored of project {production}"
    assert paused.exit_code == 0, paused.output
    assert f"Working on {place}." in paused.stderr
    assert f"within a minute, in {place}. To go on: undersign --environment production campaign" in paused.stdout
    assert _is_paused(production)
    assert not (var / "store.db").exists()


def test_says_where_it_has_paused_a_campaign(var: Path) -> None:
    """Also where that is this machine, which may not be what its user meant."""
    paused = undersign("campaign", "pause", CAMPAIGN)

    assert "within a minute, in var/store.db of this machine" in paused.stdout


def test_says_how_to_name_a_store_where_nothing_names_one(var: Path) -> None:
    """A folder without a local run, and a shell without variables: there are two ways on."""
    (var / "secrets.json").unlink()

    refused = undersign("campaign", "pause", CAMPAIGN)

    assert isinstance(refused.exception, ConfigurationError)
    assert "undersign --environment production" in str(refused.exception)
    assert "run make run here first" in str(refused.exception)
    assert not (var / "store.db").exists()


def test_reads_the_secrets_that_a_command_needs(
    var: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, production: str
) -> None:
    """By gcloud; and it asks before it removes anything, naming the database."""
    program = tmp_path / "bin" / "gcloud"
    program.parent.mkdir()
    identity = pyrage.x25519.Identity.generate()  # will do as a pepper, too
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\necho {identity}\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    asked = undersign("--environment", "production", "erase", "ann@example.org", typed="n\n")

    assert f"Remove all that is kept of ann@example.org in the database restored of project {production}?" in (
        asked.stderr
    )
    secrets = "--secret=pepper", "--secret=deliver-identities"
    lines = (tmp_path / "asked").read_text().splitlines()
    assert [secret in line for secret, line in zip(secrets, lines, strict=True)] == [True, True]
