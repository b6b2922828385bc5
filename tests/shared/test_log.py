"""What the log contains, and what it must never contain."""

import errno
import io
import json
import re
import sys
from typing import Any

import pytest

from shared import log

CANARY = "ann@example.org"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Parse every line that was written; each must be JSON."""
    written = capsys.readouterr()
    assert written.err == ""
    return [json.loads(line) for line in written.out.splitlines()]


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """It has the severity that Cloud Logging reads, and leaves out fields that are None."""
    log.event("confirm", campaign="a", outcome=None, attempts=0)
    log.event("mail_refused", "WARNING", kind="several\nlines\u2028of 'text'")

    assert lines(capsys) == [
        {"severity": "INFO", "event": "confirm", "campaign": "a", "attempts": 0},
        {"severity": "WARNING", "event": "mail_refused", "kind": "several\nlines\u2028of 'text'"},
    ]


class _FullDisk(io.StringIO):
    is_tried = False

    def flush(self) -> None:
        self.is_tried = True
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_event_that_cannot_be_written_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must not turn an accepted signature into an error."""
    full = _FullDisk()
    monkeypatch.setattr(sys, "stdout", full)

    log.event("accepted", campaign="a")

    assert full.is_tried


@pytest.mark.parametrize("field", ["email", "signer", "token", "ip", "message", "url", "digest", "Campaign"])
def test_a_field_that_is_not_on_the_list_is_refused(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, and the error names the field but not its value."""
    with pytest.raises(ValueError, match=field) as refused:
        log.event("signed", "INFO", campaign="a", **{field: CANARY})

    assert CANARY not in str(refused.value)
    assert lines(capsys) == []


def test_no_field_is_for_personal_data() -> None:
    """No field on the list could identify somebody, or let others act in their name."""
    assert not {
        field for field in log.FIELDS if re.search(r"mail|name|address|token|digest|ip$|url|path|text", field)
    }


def test_an_exception_is_logged_with_type_and_place_but_without_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Messages of exceptions and their causes, and values of arguments, may quote what clients send."""

    def open_letter(address: str) -> None:
        try:
            raise KeyError(address)
        except KeyError as cause:
            raise ValueError(f"cannot open {address}") from cause

    try:
        open_letter(CANARY)
    except ValueError as error:
        error.add_note(CANARY)
        log.exception("unexpected", error, function="sign")

    (line,) = lines(capsys)
    assert (line["severity"], line["event"], line["function"]) == ("ERROR", "unexpected", "sign")
    assert line["error"] == "ValueError"
    assert line["place"].startswith("test_log.py:")
    assert "open_letter <" in line["place"]
    assert "ann" not in json.dumps(line)


def test_an_exception_that_was_never_raised_has_no_place(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception without a traceback is logged with an empty place."""
    log.exception("unexpected", ValueError(CANARY))

    (line,) = lines(capsys)
    assert (line["error"], line["place"]) == ("ValueError", "")
