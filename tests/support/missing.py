"""What a test does without a part that it needs."""

import os

import pytest


def missing(part: str) -> None:
    """Skip the test for want of `part`, or fail it where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{part} is missing, and in CI nothing is skipped")
    pytest.skip(f"{part} is missing: this was NOT tested")
