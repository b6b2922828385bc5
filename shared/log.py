"""JSON events on standard output, one a line, as Cloud Logging reads them.

Only the fields listed here are ever written, and none of them can hold an address, a name, a token or an IP
address. Exceptions are logged by type and place, without their text, which could quote what a client sent.
"""

import contextlib
import json
import logging
import sys
import traceback
from pathlib import PurePath
from typing import Literal

#: The fields of events. Adding one is a decision about privacy. `provider`: the class of a mail provider, from
#: `mail_providers.provider_class`; never a domain. `relay`: its name in the settings. `service`: one that does
#: not answer, as the breakers of `runtime` name it. `status`: an HTTP status, or what `bounces.Report` holds.
FIELDS = frozenset(
    "function campaign partner country locale kind outcome code status error place attempts seconds reply tasks "
    "stage provider relay service".split()
)

Severity = Literal["INFO", "WARNING", "ERROR"]


def event(name: str, severity: Severity = "INFO", **fields: str | int | float | None) -> None:
    """Write one event.

    Raises:
        ValueError: a field is not on the list.
    """
    if unknown := fields.keys() - FIELDS:
        raise ValueError(f"not on the list of what may be logged: {sorted(unknown)}")
    line = {
        "severity": severity,
        "event": name,
        **{key: value for key, value in fields.items() if value is not None},
    }
    # Where the disk is full or the reader gone, the line is lost, and not the signature that it is about.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(line, ensure_ascii=True) + "\n")
        sys.stdout.flush()


def exception(name: str, error: BaseException, **fields: str | int | float | None) -> None:
    """Write an error event with the type and the place of an exception, without its text."""
    event(name, "ERROR", error=type(error).__qualname__, place=_place(error), **fields)


class _Libraries(logging.Handler):
    """Writes what libraries log, from warnings on: where and how bad, without a text that could quote a client."""

    def emit(self, record: logging.LogRecord) -> None:
        severity: Severity = "ERROR" if record.levelno >= logging.ERROR else "WARNING"
        error = record.exc_info[0] if record.exc_info else None
        place = f"{PurePath(record.pathname).name}:{record.lineno} {record.funcName}"
        event("library", severity, error=error.__qualname__ if error else None, place=place)


def capture_libraries() -> None:
    """Write what libraries log as events, too, from now on."""
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)


def _place(error: BaseException) -> str:
    """Format the innermost frames as file:line function."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
