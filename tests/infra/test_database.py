"""The database of the signatures: created once, and after a restore taken over, for Google has created it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deploy import gcloud, terraform
from tests.support.missing import missing


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    try:
        with terraform.workspace() as folder:
            yield folder
    except terraform.Unavailable as unavailable:
        missing(str(unavailable))


@pytest.mark.parametrize(
    ("settings", "is_taken_over"),
    [
        ({}, False),
        ({"database": "restored-1"}, True),
        ({"database_exists": True}, True),
        ({"database": "signatures", "database_exists": False}, False),
    ],
    ids=["the first", "a restored one", "back to the first", "a first one beside somebody else's (default)"],
)
def test_a_database_is_created_or_taken_over(
    folder: Path, settings: dict[str, object], is_taken_over: bool
) -> None:
    """A name alone does after a restore: at 8 pm nobody has to know Terraform's state."""
    name = settings.get("database", "(default)")

    plan = terraform.planned(folder, "production", **settings)

    changes = {each["address"]: each["change"] for each in plan["resource_changes"]}
    planned = changes[f'google_firestore_database.main["{name}"]']
    assert ("importing" in planned) == is_taken_over


@pytest.mark.parametrize(
    ("line", "database"),
    [("", "(default)"), ('database = "restored-1"\n', "restored-1")],
    ids=["the first", "restored"],
)
def test_the_desk_and_the_canary_use_the_same_database(tmp_path: Path, line: str, database: str) -> None:
    """They read the tfvars as Terraform does."""
    file = tmp_path / "production.tfvars"
    file.write_text(f'project = "swifts"\n{line}')

    environment = gcloud.Environment("production", gcloud.read_variables(file), tmp_path)

    assert environment.database == database
