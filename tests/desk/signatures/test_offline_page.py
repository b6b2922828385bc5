"""The page beside an export, as a file; tests/browser/test_offline_page.py uses it."""

import base64
import hashlib
import json
import re
from html import unescape

import pytest

from desk.signatures.offline_page.page import page as offline_page
from desk.signatures.open import COLUMNS
from shared.models import sealed
from shared.models.sealed import SealedSignature
from tests.support.deployment import REPOSITORY

OPENER = REPOSITORY / "desk" / "signatures" / "offline_page"


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_policy_names_the_one_script_and_the_one_style(tag: str) -> None:
    """By the digests of what stands between the tags; nothing else may run."""
    [content] = re.findall(f"<{tag}>(.*?)</{tag}>", offline_page(), re.DOTALL)
    [policy] = re.findall('Content-Security-Policy" content="([^"]*)"', offline_page())

    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    assert f"{tag}-src 'sha256-{digest}';" in unescape(policy)
    assert policy.startswith("default-src 'none'; ")


@pytest.mark.parametrize(
    "hazard",
    [r"\beval\(", r"new Function", r"innerHTML", r"document\.write", r"localStorage", r"indexedDB", r"\bstyle="],
)
def test_the_page_does_nothing_hazardous(hazard: str) -> None:
    """It parses no markup, makes no code of text, and keeps nothing in the browser."""
    page = offline_page()

    assert re.findall(hazard, page) == []


def test_the_page_names_no_address_that_a_browser_would_load() -> None:
    """All it needs is in it."""
    assert (
        re.findall(r"""<(?:link|img|iframe)|\b(?:src|href)=["']|url\(|@import|importScripts""", offline_page())
        == []
    )


def test_the_page_has_the_columns_of_the_command_in_their_order() -> None:
    """It takes the fields of the sealed record, of their types, and refuses those of a later version."""
    script = (OPENER / "opening.js").read_text(encoding="utf-8")
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


def test_the_library_is_of_the_versions_that_are_locked() -> None:
    """With the licence of each package that is in it."""
    locked = json.loads((OPENER / "vendor" / "package-lock.json").read_text())["packages"]
    library = (OPENER / "age.js").read_text(encoding="utf-8")

    named = re.findall(r"^(@?[a-z/-]+) (\d+\.\d+\.\d+)\n\n(?:The MIT License|Copyright)", library, re.MULTILINE)

    assert {name for name, _ in named} >= {"age-encryption", "@noble/ciphers", "@noble/hashes", "@scure/base"}
    assert dict(named) == {name: locked[f"node_modules/{name}"]["version"] for name, _ in named}


def test_the_lock_file_pins_contents_and_no_place() -> None:
    """Anybody who builds it takes the packages from where they trust."""
    packages = json.loads((OPENER / "vendor" / "package-lock.json").read_text())["packages"]
    del packages[""]

    assert packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
