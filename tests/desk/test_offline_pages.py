"""The offline pages, checked as files.

tests/browser/test_offline_page.py opens the one beside an export, test_keys_page.py the one for keys.
"""

import base64
import hashlib
import json
import re
from html import unescape

import pytest

from desk.keys import answer, identities
from desk.offline_pages.pages import KEYS, OPEN, render
from desk.signatures.open import COLUMNS
from shared.models import sealed
from shared.models.sealed import SealedSignature
from tests.support.deployment import REPOSITORY

SOURCES = REPOSITORY / "desk" / "offline_pages"

both_pages = pytest.mark.parametrize("page", [OPEN, KEYS])


@both_pages
@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_policy_allows_the_pages_own_script_and_style_only(page: str, tag: str) -> None:
    """It lists the digests of what is between the tags, so that nothing else may run."""
    [content] = re.findall(f"<{tag}>(.*?)</{tag}>", render(page), re.DOTALL)
    [policy] = re.findall('Content-Security-Policy" content="([^"]*)"', render(page))

    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    assert f"{tag}-src 'sha256-{digest}';" in unescape(policy)
    assert policy.startswith("default-src 'none'; ")


@both_pages
@pytest.mark.parametrize(
    "hazard",
    [r"\beval\(", r"new Function", r"innerHTML", r"document\.write", r"localStorage", r"indexedDB", r"\bstyle="],
)
def test_a_page_does_nothing_hazardous(page: str, hazard: str) -> None:
    """It parses no markup, runs no text as code, and stores nothing in the browser."""
    assert re.findall(hazard, render(page)) == []


@both_pages
def test_a_page_loads_nothing(page: str) -> None:
    """Everything that it needs is inside the file."""
    assert (
        re.findall(r"""<(?:link|img|iframe)|\b(?:src|href)=["']|url\(|@import|importScripts""", render(page)) == []
    )


def test_the_page_has_the_same_columns_as_the_command() -> None:
    """It checks each field's type as the sealed record's model does, and supports the same version."""
    script = (SOURCES / "opening.js").read_text(encoding="utf-8")
    [columns] = re.findall(r"^const COLUMNS = \{\n(.*?)^\};", script, re.MULTILINE | re.DOTALL)
    checks = {"str": "isText", "country": "isCountry", "partner": "isSlug", "newsletter": "isBoolean"}
    expected = {"confirmed_at": "isText"}
    for name, field in SealedSignature.model_fields.items():
        check = checks.get(name, checks["str"])
        expected[name] = check if field.is_required() else f"optional({check})"

    read = dict(re.findall(r"^  (\w+): (.*),$", columns, re.MULTILINE))

    assert tuple(read) == COLUMNS
    assert set(expected) - set(read) == {"version", "campaign"}
    assert read == {name: expected[name] for name in COLUMNS}
    assert f"\nconst VERSION = {sealed.VERSION};" in script


def test_the_page_for_keys_agrees_with_the_commands() -> None:
    """It takes passphrases as keygen does, and shows of a test file what answer prints, and nothing else."""
    script = (SOURCES / "keys.js").read_text(encoding="utf-8")

    assert f"\nconst MIN_PASSPHRASE_CHARACTERS = {identities.MIN_PASSPHRASE_CHARACTERS};\n" in script
    assert f"\nconst ANSWER = /^{answer.ANSWER.pattern.decode()}$/;\n" in script


def test_each_drawn_word_is_as_likely() -> None:
    """A random number of 16 bits is divided by the length of the list without a remainder."""
    [listed] = re.findall(r"`(abandon\n.*?)`", (SOURCES / "words.js").read_text(encoding="utf-8"), re.DOTALL)

    assert len(set(listed.split())) == 2_048


@pytest.mark.parametrize(
    ("library", "packages"),
    [
        ("age.js", {"age-encryption", "@noble/ciphers", "@noble/hashes", "@scure/base"}),
        ("words.js", {"@scure/bip39"}),
    ],
)
def test_a_bundled_library_matches_its_lock_file(library: str, packages: set[str]) -> None:
    """It holds the licence of each package, with the version that the lock file pins."""
    locked = json.loads((SOURCES / "vendor" / "package-lock.json").read_text())["packages"]
    text = (SOURCES / library).read_text(encoding="utf-8")

    named = re.findall(r"^(@?[a-z0-9/-]+) (\d+\.\d+\.\d+)\n\n(?:The MIT License|Copyright)", text, re.MULTILINE)

    assert {name for name, _ in named} >= packages
    assert dict(named) == {name: locked[f"node_modules/{name}"]["version"] for name, _ in named}


def test_the_lock_file_pins_digests_and_no_registry() -> None:
    """Anybody who builds it can use the registry that they trust."""
    packages = json.loads((SOURCES / "vendor" / "package-lock.json").read_text())["packages"]
    del packages[""]

    assert packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
