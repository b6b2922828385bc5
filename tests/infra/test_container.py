"""The image for one machine and what runs it, proven without a container engine: by the Dockerfile's own steps."""

import asyncio
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import yaml

from functions.new_secrets import new_secrets
from shared.settings import ServerSettings, load
from tests.support.deployment import REPOSITORY, signature
from tests.support.emulator import free_port, wait_for_port
from tests.support.machine import CAMPAIGN, confirm_path, settings
from tests.support.missing import missing
from tests.support.polling import PATIENCE_SECONDS, until, until_async
from tests.support.relay import Relay, relay

PORT = free_port()
#: Another program of this machine may have the port that a container has for itself.
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").replace("8080", str(PORT))
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
#: The folders of the image that the Dockerfile names.
_FOLDERS = re.compile(r"(?<![\w.])/(app|data|campaigns|usr/local/bin)\b")
BIN = Path(sys.executable).parent
SIGNATURES = f"/v1/campaigns/{CAMPAIGN}/signatures"


@dataclass
class Image:
    """What the Dockerfile's steps have made below `root`, which stands for / of the image."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: int = 0
    volume: str = ""
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def run(self, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """Run a command in the image, with nothing from outside."""
        return subprocess.Popen(
            [self.inside(part) for part in command],
            cwd=self.inside(self.folder),
            env={**{name: self.inside(value) for name, value in self.environment.items()}, **environment},
            user=self.user,
            group=self.user,
            extra_groups=[],
        )

    def inside(self, text: str) -> str:
        """Replace the image's folders by those below `root`."""
        return _FOLDERS.sub(lambda found: f"{self.root}{found[0]}", text)


def build(root: Path) -> Image:
    """Carry out the Dockerfile's steps below `root`."""
    image = Image(root, {"PATH": f"{root}/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"})
    lines = re.sub(r"\\\n", " ", DOCKERFILE).splitlines()
    for step, _, rest in (line.strip().partition(" ") for line in lines if line and not line.startswith("#")):
        if step in {"FROM", "WORKDIR", "COPY", "RUN"}:
            _make(image, step, rest)
        else:
            _describe(image, step, rest)
    return image


def _make(image: Image, step: str, rest: str) -> None:
    match step:
        case "FROM":
            subprocess.run(["/usr/bin/python3", "-m", "venv", image.root / "usr/local"], check=True)
        case "WORKDIR":
            image.folder = rest
            Path(image.inside(rest)).mkdir()
        case "COPY":
            _copy(image, *rest.split())
        case "RUN":
            assert image.run(["sh", "-ec", rest]).wait() == 0, rest


def _describe(image: Image, step: str, rest: str) -> None:
    match step:
        case "USER":
            image.user = int(rest.partition(":")[0])
        case "VOLUME":
            image.volume = rest
        case "ENV":
            image.environment |= dict(each.split("=") for each in shlex.split(rest))
        case "HEALTHCHECK":
            image.health = json.loads(rest.partition("CMD")[2])
        case "CMD":
            image.command = json.loads(rest)
        case _:
            assert step == "EXPOSE", step


def _copy(image: Image, source: str, target: str) -> None:
    """Copy as Docker does what .dockerignore lets through."""
    assert f"!{source}" in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    into = Path(image.inside(image.folder)) / target
    if (REPOSITORY / source).is_dir():
        shutil.copytree(REPOSITORY / source, into, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        into.mkdir()
        shutil.copy(REPOSITORY / source, into)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    if os.geteuid() != 0 or subprocess.run(["/usr/bin/python3", "-c", "import ensurepip"], check=False).returncode:
        missing("being root, with Debian's python3-venv, to take the steps of the Dockerfile")
    with TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        yield build(Path(root))


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Stop the process at the end, as `docker stop` does."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@contextmanager
def caddy(public_url: str, folder: Path) -> Iterator[httpx.Client]:
    """Run Caddy with the Caddyfile; for localhost it makes a certificate of its own."""
    environment = {"PUBLIC_URL": public_url, "UPSTREAM": f"127.0.0.1:{PORT}", "HOME": str(folder)}
    adapt = [str(BIN / "caddy"), "adapt", "--config", str(REPOSITORY / "Caddyfile")]
    adapted = json.loads(subprocess.run(adapt, env=environment, capture_output=True, check=True).stdout)
    adapted["admin"] = {"disabled": True}
    adapted["apps"]["http"]["http_port"] = free_port()
    adapted["apps"]["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    (folder / "caddy.json").write_text(json.dumps(adapted))
    process = subprocess.Popen([BIN / "caddy", "run", "--config", folder / "caddy.json"], env=environment)
    with stopped(process):
        assert wait_for_port(int(public_url.rpartition(":")[2]), process)
        trusted = ssl.create_default_context(cafile=next(folder.rglob("pki/authorities/local/root.crt")))
        with httpx.Client(
            base_url=public_url, verify=trusted, trust_env=False, timeout=PATIENCE_SECONDS
        ) as client:
            until(lambda: is_served(client))  # it listens before it has a certificate
            yield client


def is_served(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/v1/health/sign").is_success
    return False


@pytest.fixture
def given(tmp_path: Path, image: Image) -> dict[str, str]:
    """The settings of an operator: those that the image does not have; with the campaign files in their place."""
    chosen = settings(tmp_path, free_port(), PUBLIC_URL=f"https://localhost:{free_port()}")
    shutil.copytree(chosen["CAMPAIGNS_FOLDER"], image.inside("/campaigns"), dirs_exist_ok=True)
    return {name: value for name, value in chosen.items() if name not in image.environment}


async def test_a_signature_is_counted_behind_caddy(image: Image, given: dict[str, str], tmp_path: Path) -> None:
    """The image's command, as its user, behind Caddy with the Caddyfile: from the form to a clean audit."""
    [of_the_relay] = json.loads(given["RELAYS"])

    async with relay(port=of_the_relay["port"]) as mails:
        with stopped(image.run(image.command, **given)), caddy(given["PUBLIC_URL"], tmp_path) as client:
            accepted = await asyncio.to_thread(client.post, SIGNATURES, json=signature())
            path = await until_async(lambda: first_link(mails))
            pressed = await asyncio.to_thread(client.post, path, headers={"Accept": "application/json"})
            too_large = await asyncio.to_thread(client.post, SIGNATURES, content=bytes(100_000))
            health = image.run(image.health).wait()
            audit = image.run(["undersign", "audit", CAMPAIGN], **given).wait()

    assert (accepted.status_code, pressed.json()) == (202, {"status": "confirmed"})
    assert too_large.status_code == 413
    assert (health, audit) == (0, 0)


async def first_link(mails: Relay) -> str | None:
    """The link in the first mail, once it is there."""
    return confirm_path(mails.taken[0]) if mails.taken else None


def test_the_image_runs_without_rights_and_keeps_its_data_to_itself(image: Image) -> None:
    """Its user may read the programs and write to the volume, and nothing else."""
    data = Path(image.inside(image.volume)).stat()

    assert image.user
    assert (data.st_uid, data.st_mode & 0o777) == (image.user, 0o700)
    assert image.run(["sh", "-c", "touch /app/new"]).wait() != 0


def test_a_volume_of_another_user_is_refused(image: Image, given: dict[str, str]) -> None:
    """As of a folder that Docker had to make, which belongs to root."""
    assert image.run(image.command, **given, LOCAL_FOLDER="/").wait() == 1


def test_the_image_and_the_example_of_settings_are_complete(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """What neither of them has are the secrets that a command makes, and the relay's password."""
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(shlex.split(line)[0].split("=", 1) for line in lines if line and not line.startswith("#"))
    for name, value in {**image.environment, **example, **new_secrets(), "SMTP_PASSWORD_FIRST": "any"}.items():
        monkeypatch.setenv(name, value)

    loaded = load(ServerSettings)

    assert loaded.public_url == "https://petition.example.org"
    assert example["SMTP_PASSWORD_FIRST"] == ""


def test_compose_runs_what_the_image_and_the_caddyfile_expect(image: Image) -> None:
    """The volume, the campaign files, and the address at which Caddy finds the server."""
    services = COMPOSE["services"]
    mounted = {mount.split(":")[1] for mount in services["undersign"]["volumes"]}
    caddyfile = (REPOSITORY / "Caddyfile").read_text(encoding="utf-8")

    assert mounted == {image.environment["LOCAL_FOLDER"], image.environment["CAMPAIGNS_FOLDER"]}
    assert image.volume == image.environment["LOCAL_FOLDER"]
    assert re.findall(r"{\$UPSTREAM:(\w+):", caddyfile) == ["undersign"]
    assert {"${PUBLIC_URL:?is not set in .env}"} == set(services["caddy"]["environment"].values())
