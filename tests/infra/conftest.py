"""The plan that Terraform makes of infra/ without a cloud, and the Python that functions are deployed on."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.deploy import terraform
from tests.support.deployment import REPOSITORY
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
def deployed_python(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """For the name of a function, the interpreter of an environment with exactly what its lock names.

    Of the version in functions.tf: the other tests run on the oldest that a laptop may have.
    """
    [version] = re.findall(r'runtime *= "python3(\d+)"', (terraform.INFRA / "functions.tf").read_text())
    uv = [sys.executable, "-m", "uv", "--quiet"]

    @cache
    def install(name: str) -> Path:
        venv = tmp_path_factory.mktemp(name) / "venv"
        if subprocess.run([*uv, "venv", "--python", f"3.{version}", str(venv)], stderr=subprocess.PIPE).returncode:
            missing(f"Python 3.{version}, which functions are deployed on,")
        python, lock = venv / "bin" / "python", REPOSITORY / "functions" / name / "requirements.txt"
        subprocess.run(
            [*uv, "pip", "install", "--python", str(python), "--require-hashes", "-r", str(lock)],
            check=True,
            env={**os.environ, "UV_LINK_MODE": "copy"},
        )
        return python

    return install
