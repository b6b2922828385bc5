"""The offline page beside an export, checked as a file; tests/browser/test_offline_page.py opens it."""

import base64
import hashlib
import json
import re
from html import unescape

import pytest

from desk.offline_pages.pages import page as offline_page
from desk.signatures.open import COLUMNS
from shared.models import sealed
from shared.models.sealed import SealedSignature
from tests.support.deployment import REPOSITORY

OPENER = REPOSITORY / "desk" / "offline_pages"


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_policy_allows_the_pages_own_script_and_style_only(tag: str) -> None:
    """It lists the digests of what is between the tags, so that nothing else may run."""
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
    """It parses no markup, runs no text as code, and stores nothing in the browser."""
    page = offline_page()

    assert re.findall(hazard, page) == []


def test_the_page_loads_nothing() -> None:
    """Everything that it needs is inside the file."""
    assert (
        re.findall(r"""<(?:link|img|iframe)|\b(?:src|href)=["']|url\(|@import|importScripts""", offline_page())
        == []
    )


def test_the_page_has_the_same_columns_as_the_command() -> None:
    """It checks each field's type as the sealed record's model does, and supports the same version."""
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


def test_the_bundled_library_matches_its_lock_file() -> None:
    """It holds the licence of each package, with the version that the lock file pins."""
    locked = json.loads((OPENER / "vendor" / "package-lock.json").read_text())["packages"]
    library = (OPENER / "age.js").read_text(encoding="utf-8")

    named = re.findall(r"^(@?[a-z/-]+) (\d+\.\d+\.\d+)\n\n(?:The MIT License|Copyright)", library, re.MULTILINE)

    assert {name for name, _ in named} >= {"age-encryption", "@noble/ciphers", "@noble/hashes", "@scure/base"}
    assert dict(named) == {name: locked[f"node_modules/{name}"]["version"] for name, _ in named}


def test_the_lock_file_pins_digests_and_no_registry() -> None:
    """Anybody who builds it can use the registry that they trust."""
    packages = json.loads((OPENER / "vendor" / "package-lock.json").read_text())["packages"]
    del packages[""]

    assert packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
