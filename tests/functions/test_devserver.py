"""The local server: how it starts, what it prints, and when it stops."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import httpx
import pytest

from shared.store.sqlite import SqliteStore
from tests.support.deployment import REPOSITORY
from tests.support.emulator import free_port
from tests.support.polling import until
from tests.support.servers import server

EXAMPLE = REPOSITORY / "tests/shared/campaigns/example.toml"


@pytest.fixture
def campaigns(tmp_path: Path) -> Path:
    """A folder with two campaigns made for the test."""
    folder = tmp_path / "campaigns"
    folder.mkdir()
    for name in ("ours", "theirs"):
        shutil.copy(EXAMPLE, folder / f"{name}.toml")
    return folder


def start(program: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the server until it exits by itself."""
    return subprocess.run(
        [sys.executable, *program],
        cwd=REPOSITORY,
        env={**os.environ, "PORT": str(free_port()), "LOCAL_FOLDER": str(folder / "var"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(folder: Path, **environment: str) -> str:
    """What a server that does not start prints on standard error."""
    ended = start(["-m", "functions.devserver"], folder, **environment)
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


class TestAddresses:
    def test_of_every_campaign_are_printed(self, campaigns: Path, tmp_path: Path) -> None:
        """So is the folder that holds all data."""
        with server(tmp_path / "var", CAMPAIGNS_FOLDER=str(campaigns)) as running:
            said = running.log.read_text()

        for campaign in ("ours", "theirs"):
            assert f"{running.url}/c/{campaign}\n" in said
            assert f"{running.url}/v1/campaigns/{campaign}/count\n" in said
        assert f"Everything is kept under {running.folder}/." in said
        assert "reclaim-your-face" not in said

    def test_lead_nowhere_under_another_name(self, campaigns: Path, tmp_path: Path) -> None:
        """A page that has its own name lead to this machine (DNS rebinding) cannot read the outbox."""
        with server(tmp_path / "var", CAMPAIGNS_FOLDER=str(campaigns)) as running:
            answers = [
                httpx.get(f"{running.url}/dev/mail.json", headers=headers, trust_env=False)
                for headers in ({"Host": "rebound.example"}, {})
            ]

        assert [answer.status_code for answer in answers] == [400, 200]

    @pytest.mark.parametrize(
        ("names", "first"),
        [({"ours", "theirs"}, "ours"), ({"ours", "theirs", "reclaim-your-face"}, "reclaim-your-face")],
    )
    def test_begin_with_the_example_or_else_the_first(
        self, names: set[str], first: str, campaigns: Path, tmp_path: Path
    ) -> None:
        """The addresses of that campaign are printed first."""
        for name in names:
            shutil.copy(EXAMPLE, campaigns / f"{name}.toml")

        with server(tmp_path / "var", CAMPAIGNS_FOLDER=str(campaigns)) as running:
            pass

        assert running.log.read_text().split("/c/")[1].startswith(first)


class TestRefusal:
    def test_of_a_campaign_file_is_one_sentence(self, campaigns: Path, tmp_path: Path) -> None:
        """A traceback would bury it."""
        text = EXAMPLE.read_text(encoding="utf-8").replace("minimum_age", "min_age")
        (campaigns / "ours.toml").write_text(text, encoding="utf-8")

        printed = refusal(tmp_path, CAMPAIGNS_FOLDER=str(campaigns))

        line = text.count("\n", 0, text.index("min_age")) + 1
        assert f"ours.toml:{line}: min_age: is not a key here; did you mean minimum_age?\n" in printed
        assert all(line.startswith("ours.toml:") for line in printed.splitlines())

    def test_of_a_setting_has_no_traceback(self, campaigns: Path, tmp_path: Path) -> None:
        """This includes a setting that only one function reads."""
        printed = refusal(tmp_path, CAMPAIGNS_FOLDER=str(campaigns), PEPPER="short")

        assert "  PEPPER: needs at least 32 characters" in printed
        assert "Traceback" not in printed

    @pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "80.5", "²"])
    def test_of_a_port_is_one_sentence(self, port: str, tmp_path: Path) -> None:
        """It shows how to write a port."""
        printed = refusal(tmp_path, PORT=port)

        assert printed == f"PORT is {port}, which is no port: write a number, as in make run PORT=8080\n"


#: The server with a queue worker that fails with an unexpected error.
DYING = """
from functions import devserver, server

async def die(self):
    raise RuntimeError("ann@example.org")

server.Dispatcher.run = die
devserver.main()
"""


def test_of_two_that_are_started_at_once_the_second_touches_nothing(tmp_path: Path) -> None:
    """It finds the port taken before it has made secrets of its own, which would break the links of the first."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        said = refusal(tmp_path, PORT=str(taken.getsockname()[1]))

    assert "Choose another" in said
    assert not (tmp_path / "var").exists()


def test_the_server_logs_and_stops_when_its_queue_worker_fails(campaigns: Path, tmp_path: Path) -> None:
    """Otherwise signatures would be accepted and no mail would ever be sent."""
    ended = start(["-c", DYING], tmp_path, CAMPAIGNS_FOLDER=str(campaigns))

    assert ended.returncode != 0
    assert '"event": "queue_stopped", "error": "RuntimeError"' in ended.stdout
    assert "ann@example.org" not in ended.stdout + ended.stderr


def test_the_history_begins_when_the_server_starts(campaigns: Path, tmp_path: Path) -> None:
    """The local schedule calls at once, and then every hour."""
    with server(tmp_path / "var", CAMPAIGNS_FOLDER=str(campaigns)) as running:
        store = SqliteStore(running.folder / "store.db")
        days = until(lambda: asyncio.run(store.history("ours", date.min)))
        store.close()

    assert [day.last.total for day in days] == [0]
