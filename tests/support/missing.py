"""What tests do if a tool that they need is not installed."""

import os

import pytest


def missing(part: str) -> None:
    """Skip the test because `part` is missing, or fail it in CI, where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{part} is missing, and in CI nothing is skipped")
    pytest.skip(f"{part} is missing: this was NOT tested")
