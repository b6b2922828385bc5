"""What Terraform would make of infra/, planned once without a cloud."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy import terraform
from tests.support.missing import missing


@pytest.fixture(scope="session")
def plan() -> Iterator[dict[str, Any]]:
    """Of production, as JSON."""
    try:
        with terraform.workspace() as folder:
            yield terraform.planned(folder, "production")
    except terraform.Unavailable as unavailable:
        missing(str(unavailable))
