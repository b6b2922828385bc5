"""infra/README.md, from an empty machine to a deployment, every line run as an operator enters it."""

import asyncio
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from infra.deploy import terraform
from tests.desk.commands import PASSPHRASE
from tests.journeys.test_tutorial import checkout
from tests.support import gcloud, pages
from tests.support.gcloud import Cloud
from tests.support.missing import missing
from tests.support.relay import AUTHORITY, PASSWORD, Relay, relay, server_tls

WALK = pages.section("infra/README.md", "## From an empty machine to the first signature")
LINES = [
    line.strip() for block in re.findall(r"```sh\n(.*?)\n *```", WALK, re.DOTALL) for line in block.splitlines()
]
#: What an operator puts in the place of each.
VALUES = {
    "YOUR-PROJECT": "swifts-staging",
    "YOUR-BILLING-ACCOUNT": "000000-111111-222222",
    "YOUR-DOMAIN": "petition.swifts.example",
    "YOUR ORGANISATION": "Friends of Swifts",
    "YOUR POSTAL ADDRESS": "Mauerseglerweg 1, 10115 Berlin, Germany",
    "YOUR RELAY": "Mail Example GmbH",
    "ITS COUNTRY": "Germany",
}
#: What an operator enters when a command asks.
ENTERED = {
    "undersign": f"{PASSPHRASE}\n" * 2,
    "make secrets": f"{PASSWORD}\n",
    "make deploy": "yes\n",
    "make apply": "yes\n",
}


class Operator:
    """Somebody with an empty home and a fresh checkout, who enters one line after the other into one shell."""

    def __init__(self, folder: Path) -> None:
        self.checkout = checkout(folder / "undersign")
        self.home = folder / "home"
        self.home.mkdir()
        # Terraform's state is on this machine, and its providers are where they are looked for here.
        (self.checkout / "infra" / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        self._exports: list[str] = []

    def enters(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run the line, with the operator's values and answers."""
        for placeholder, value in VALUES.items():
            line = line.replace(placeholder, value)
        if line.startswith("export "):
            self._exports.append(line)
        kept = {name: value for name, value in os.environ.items() if name != "CI"}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join([*self._exports, line])],
            cwd=self.checkout,
            env={**kept, "HOME": str(self.home)},
            input=next((text for command, text in ENTERED.items() if line.startswith(command)), ""),
            capture_output=True,
            text=True,
            start_new_session=True,  # passwords are then asked for on standard input
        )

    def fills_in(self, running: Relay) -> None:
        """Put values into staging.tfvars, as step 2 says."""
        file = self.home / "petition" / "environments" / "staging.tfvars"
        text = file.read_text()
        first = f'host = "localhost", port = {running.port}, user = "{running.user}", mails_per_second = 50'
        relays = f"relays = {{ first = {{ {first} }} }}"
        text = re.sub(r"relays = \{.*?^\}", relays, text, flags=re.DOTALL | re.MULTILINE)
        for example, value in (
            ("your-undersign-staging", VALUES["YOUR-PROJECT"]),
            ("100000000002", "123456789012"),
            ("staging.petition.example.org", VALUES["YOUR-DOMAIN"]),
            ("reclaim-your-face", "canary"),
        ):
            assert example in text
            text = text.replace(example, value)
        file.write_text(text)


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """An operator whose gcloud is a stand-in, on a cloud without any project."""
    try:
        with terraform.workspace():
            pass
    except terraform.Unavailable as unavailable:
        missing(str(unavailable))
    gcloud.install(tmp_path / "cloud", monkeypatch, Cloud())
    certificates = tmp_path / "relay.pem"
    AUTHORITY.cert_pem.write_to_path(str(certificates))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    _keep_state_here(tmp_path / "cloud" / "bin" / "terraform")
    return Operator(tmp_path)


def _keep_state_here(program: Path) -> None:
    """Put a terraform on the path that leaves out the bucket of the state, and the hashes of providers."""
    program.write_text(
        # Nor do the providers here have the hashes of those in the registry.
        "#!/bin/bash\nkept=()\n[[ $1 != init ]] || rm -f .terraform.lock.hcl\n"
        'for argument; do [[ $argument == -backend-config=* ]] || kept+=("$argument"); done\n'
        f'exec "{shutil.which("terraform")}" "${{kept[@]}}"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_it_takes_ten_commands_from_an_empty_project() -> None:
    """Of which none is entered twice."""
    first = next(number for number, line in enumerate(LINES) if "petition/environments" in line)
    commands = [line for line in LINES[first:] if not line.startswith("export ")]

    assert len(commands) == len(set(commands)) <= 10


async def test_every_line_works_after_those_before_it(operator: Operator) -> None:
    """Until all is applied, and only the DNS is missing, which nobody can enter for a test."""
    printed = {}
    async with relay(server_tls()) as running:
        for line in LINES:
            done = await asyncio.to_thread(operator.enters, line)
            printed[line] = done.stdout + done.stderr
            if line.startswith("mkdir "):
                operator.fills_in(running)
            if not line.startswith(("make doctor", "make deploy", "make apply")):
                assert done.returncode == 0, (line, printed[line])

    doctor = printed["make doctor ENV=staging"]
    assert [name for name in re.findall(r"^failed +(.*?):", doctor, re.MULTILINE) if "DNS" not in name] == []
    assert "ok      relay first: localhost:" in doctor
    for line in ("make deploy ENV=staging", "make apply ENV=staging"):
        assert "enter dns_records, printed above, at your registrar" in printed[line]
    assert not running.taken
