"""The public keys of a campaign file: changed in place, and none removed that may have sealed a signature."""

from pathlib import Path

import pytest

from desk.errors import CommandError
from desk.keys.proofs import make_test, write_proofs
from desk.keys.recipients import add_recipient, holders, remove_recipient
from shared import campaigns
from shared.campaigns.model import Proof, digest_of
from tests.desk.commands import plain_key
from tests.support.deployment import campaign_file

THROWAWAY = 'recipients = ["throwaway"]'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a campaign that has no key yet."""
    return campaign_file(tmp_path, "mine")


@pytest.fixture
def ann(tmp_path: Path) -> str:
    return plain_key(tmp_path / "ann.age")


@pytest.fixture
def bob(tmp_path: Path) -> str:
    return plain_key(tmp_path / "bob.age")


def recipients(file: Path) -> list[str]:
    return list(campaigns.load(file).sealing.recipients)


def test_the_first_key_takes_the_place_of_the_one_for_local_runs(file: Path, ann: str, bob: str) -> None:
    """Each has a line of its own with who holds it, and all else stays as it was."""
    before = file.read_text(encoding="utf-8")

    add_recipient(file, ann, "Ann")
    add_recipient(file, bob, "Bob, at the office")

    lines = f'recipients = [\n    "{ann}", # Ann\n    "{bob}", # Bob, at the office\n]'
    assert file.read_text(encoding="utf-8") == before.replace(THROWAWAY, lines)
    assert holders(file) == {ann: "Ann", bob: "Bob, at the office"}


@pytest.mark.parametrize(
    ("written", "comment", "expected"),
    [
        ("recipients = [\n  # Two people\n  {ann!r}, # hers\n]", "# Two people", {"hers", "Bob"}),
        ("recipients = [ # Ours\n  {ann!r}]", "# Ours", {"Bob"}),
        ("recipients = [ {ann!r} ] # Ours", "# Ours", {"Bob"}),
    ],
    ids=["lines", "half a line", "one line"],
)
def test_a_list_that_people_have_written_keeps_its_comments(
    file: Path, ann: str, bob: str, written: str, comment: str, expected: set[str]
) -> None:
    """The new key is added behind those that are there, with who holds it."""
    text = file.read_text(encoding="utf-8").replace(THROWAWAY, written.format(ann=ann))
    file.write_text(text, encoding="utf-8")

    add_recipient(file, bob, "Bob")

    assert recipients(file) == [ann, bob]
    assert set(holders(file).values()) == expected
    assert comment in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("is_secret", [True, False])
def test_what_is_no_public_key_is_refused(tmp_path: Path, file: Path, ann: str, is_secret: bool) -> None:
    """A secret key is not repeated; of a mistyped one, its check sum tells."""
    before = file.read_bytes()
    secret = (tmp_path / "ann.age").read_text().splitlines()[-1]
    other = "q" if ann[-1] != "q" else "p"

    with pytest.raises(CommandError, match="SECRET" if is_secret else "is no public key") as refused:
        add_recipient(file, secret if is_secret else f"{ann[:-1]}{other}")

    assert secret not in str(refused.value)
    assert file.read_bytes() == before


def test_a_key_is_added_once(file: Path, ann: str) -> None:
    """A second press of the button changes nothing."""
    add_recipient(file, ann)

    with pytest.raises(CommandError, match="has this key already"):
        add_recipient(file, ann)


def test_a_key_that_was_not_proven_is_removed_with_its_test(file: Path, ann: str, bob: str) -> None:
    """Nothing that the public signed is sealed to it; the proofs of others stay."""
    add_recipient(file, ann)
    before = file.read_text(encoding="utf-8")
    add_recipient(file, bob, "Bob")
    write_proofs(file, [make_test(bob)[1]])

    remove_recipient(file, bob)

    assert file.read_text(encoding="utf-8") == before


def test_a_key_stays_that_was_proven_or_is_the_only_one(file: Path, ann: str, bob: str) -> None:
    """Signatures may be sealed to the first; without the second, none could be."""
    add_recipient(file, ann)
    with pytest.raises(CommandError, match="only key"):
        remove_recipient(file, ann)
    add_recipient(file, bob)
    write_proofs(file, [Proof(recipient=bob, challenge=digest_of("aa-bb"), answer="aa-bb")])

    with pytest.raises(CommandError, match="was proven"):
        remove_recipient(file, bob)

    assert recipients(file) == [ann, bob]
    with pytest.raises(CommandError, match="no such key"):
        remove_recipient(file, "age1")
