"""The offline pages in Firefox, in which people hold keys, too."""

from pathlib import Path

import pyrage
import pytest

from desk.keys.proofs import make_test
from desk.offline_pages.pages import KEYS, OPEN, render
from shared.campaigns.model import digest_of
from tests.desk.commands import PASSPHRASE
from tests.desk.signatures.test_export import line_of
from tests.support.firefox import firefox
from tests.support.polling import until


def test_a_key_is_made_answers_a_test_and_opens_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is saved among the downloads."""
    monkeypatch.chdir(tmp_path)
    for name in (KEYS, OPEN):
        Path(name).write_text(render(name), encoding="utf-8")

    with firefox(tmp_path) as window:
        window.open(Path(KEYS))
        window.click("#chosen")
        window.type("#own", PASSPHRASE)
        window.type("#again", PASSPHRASE)
        window.click("#make > button")
        window.shows("#result", "Your key is made")
        recipient = window.text("#result .code")
        window.click("#result .card button")
        key = Path(f"key-{recipient[:12]}.age").absolute()
        until(lambda: key.exists() and key.stat().st_size > 0)

        sealed, proof = make_test(recipient)
        Path("test.age").write_bytes(sealed)
        window.click("#result .card:nth-of-type(2) button")
        for field, value in (
            ("key", str(key)),
            ("passphrase", PASSPHRASE),
            ("test", str(Path("test.age").absolute())),
        ):
            window.type(f"#{field}", value)
        window.click("#try > button")
        window.shows("#result", "The answer")
        assert digest_of(window.text("#result .code")) == proof.challenge

        Path("signatures.ndjson").write_bytes(line_of(pyrage.x25519.Recipient.from_str(recipient)))
        window.open(Path(OPEN))
        window.type("#files", str(Path("signatures.ndjson").absolute()))
        window.type("#key", str(key))
        window.type("#passphrase", PASSPHRASE)
        window.click("#open")
        window.shows("#result", "1 signature opened")
