"""What Terraform would make of infra/, planned once without a cloud, and what runs the rehearsals."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy import terraform
from tests.infra.rehearsal import Prepared, prepare
from tests.support.missing import missing


@pytest.fixture(scope="session")
def plan() -> Iterator[dict[str, Any]]:
    """Of production, as JSON."""
    try:
        with terraform.workspace() as folder:
            yield terraform.planned(folder, "production")
    except terraform.Unavailable as unavailable:
        missing(str(unavailable))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("prepared"))
