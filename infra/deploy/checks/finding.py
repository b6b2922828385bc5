"""What a check has found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`WARNING`: it may work, or could not be asked. `SKIPPED`: it cannot be asked yet."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """`found`: what is there; a line for each fault. `fix`: what to do, with its command; may be empty."""

    status: Status
    found: str
    fix: str = ""


def ok(found: str) -> Finding:
    """Return that all is well."""
    return Finding(Status.OK, found)


def warning(found: str, fix: str) -> Finding:
    """Return what may go wrong later."""
    return Finding(Status.WARNING, found, fix)


def failed(found: str, fix: str) -> Finding:
    """Return what does not work."""
    return Finding(Status.FAILED, found, fix)


def skipped(reason: str) -> Finding:
    """Return that the check could not be made yet."""
    return Finding(Status.SKIPPED, f"because {reason}")
