"""Terraform takes the providers whose hashes the lock files name, and no others."""

import re
from pathlib import Path

import pytest

from tests.support.deployment import REPOSITORY

FOLDERS = [REPOSITORY / "infra", REPOSITORY / "infra" / "retired"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_lock_file_names_each_provider_as_it_is_required(folder: Path) -> None:
    """Terraform would otherwise write the file itself at the first deployment, from what it finds that day."""
    required = re.findall(
        r'source\s+= "(hashicorp/\w+)"\s+version = "([^"]+)"', (folder / "versions.tf").read_text(encoding="utf-8")
    )

    locked = re.findall(
        r'provider "registry\.terraform\.io/(hashicorp/\w+)" \{\s+version\s+= "[\d.]+"\s+constraints = "([^"]+)"',
        (folder / ".terraform.lock.hcl").read_text(encoding="utf-8"),
    )

    assert locked == required
