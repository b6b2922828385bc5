"""The `undersign` command itself: help, version, completion and errors."""

import subprocess
import sys

import pytest

from desk.main import main
from shared.settings import VERSION
from tests.desk.commands import undersign
from tests.support.deployment import REPOSITORY


def test_prints_its_version() -> None:
    """`--version` prints the version that the API reports."""
    assert undersign("--version").output == f"undersign {VERSION}\n"


@pytest.mark.parametrize("panel", ["Keys", "Signatures", "Counting", "Signers' rights", "Campaigns"])
def test_groups_commands_in_its_help(panel: str) -> None:
    """Each command is in a panel named after its purpose, and none is left in the default panel."""
    shown = undersign("--help").output

    assert f"─ {panel} ─" in shown
    assert "─ Commands ─" not in shown


def test_completes_commands_in_a_shell() -> None:
    """A prefix is completed, and the help names the option that installs completion."""
    completing = {"_UNDERSIGN_COMPLETE": "complete_bash", "COMP_WORDS": "undersign campaign p", "COMP_CWORD": "2"}
    script = f"import sys; sys.argv = ['undersign']; from {main.__module__} import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=completing, capture_output=True, text=True
    )

    assert done.stdout.split() == ["pause", "proof-of-work"]
    assert "--install-completion" in undersign("--help").output


@pytest.mark.parametrize(
    "command", [["stats", "yours"], ["open", "nowhere"], ["answer", "test.age"], ["campaign", "check", "yours"]]
)
def test_ends_on_an_error_with_a_sentence_and_status_2(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failing command prints one line on standard error, without a traceback."""
    monkeypatch.setattr("sys.argv", ["undersign", *command])

    with pytest.raises(SystemExit) as ended:
        main()

    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert (printed.out, printed.err.count("\n")) == ("", 1)
