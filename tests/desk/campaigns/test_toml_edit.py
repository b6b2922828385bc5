"""A value of a campaign file changes, and nothing else in it does."""

import tomllib
from collections import Counter

import pytest

from desk.campaigns.toml_edit import Value, change, get
from desk.errors import CommandError
from shared.campaigns.loader import FOLDER
from shared.campaigns.problems import Location

EXAMPLE = (FOLDER / "reclaim-your-face.toml").read_text(encoding="utf-8")
SUPPORTER: Location = ("supporters", 3)


def lines_of(changed: str) -> tuple[list[str], list[str]]:
    """Return the lines that went, and those that came."""
    old, new = Counter(EXAMPLE.splitlines()), Counter(changed.splitlines())
    return list((old - new).elements()), list((new - old).elements())


@pytest.mark.parametrize(
    ("changes", "gone", "come"),
    [
        ({("goal",): 2_000_000}, ["goal = 1_000_000"], ["goal = 2_000_000"]),
        ({("privacy", "backup_days"): 9}, ["backup_days = 7      # how"], ["backup_days = 9      # how long"]),
        ({("time_zone",): "Europe/Brussels"}, [], ['time_zone = "Europe/Brussels"']),
        ({("texts", "en", "call"): None}, ["call = "], []),
        ({("supporters", 1): None}, ["[[supporters]]", "name = ", "website = ", "logo = ", ""], []),
        (
            {(*SUPPORTER, "name"): "New", (*SUPPORTER, "website"): "https://new.example"},
            [],
            ["", "[[supporters]]", 'name = "New"', 'website = "https://new.example"'],
        ),
        ({("next_step", "url"): None}, ["[next_step]", "url = "], []),
        (
            {("texts", "en", "earlier_consents", "2026-11-01"): "I sign."},
            [],
            ["", "[texts.en.earlier_consents]", '2026-11-01 = "I sign."'],
        ),
        (
            {("texts", "en", "next_step", "text"): None, ("texts", "en", "next_step", "button"): None},
            ["", "[texts.en.next_step]", "text = ", "button = "],
            [],
        ),
    ],
)
def test_a_change_touches_its_own_lines_alone(
    changes: dict[Location, Value], gone: list[str], come: list[str]
) -> None:
    """Comments stay, also beside a value; what is added stands with its table, and an empty table goes."""
    changed = change(EXAMPLE, changes)

    went, came = lines_of(changed)
    for found, wanted in ((went, gone), (came, come)):
        assert all(line.startswith(begins) for line, begins in zip(sorted(found), sorted(wanted), strict=True))
    for location, value in changes.items():
        if value is not None:
            assert get(tomllib.loads(changed), location) == value


def test_of_a_list_only_the_changed_entries_are_written_anew() -> None:
    """Paragraphs that stand in several lines stay in them."""
    old = get(tomllib.loads(EXAMPLE), ("texts", "en", "paragraphs"))

    changed = change(
        EXAMPLE, {("texts", "en", "paragraphs"): [old[0], 'He said "no".\nTwice.', *old[2:], "Last."]}
    )

    went, came = lines_of(changed)
    assert all(line.strip(' ",\\') in old[1] for line in went)
    assert len(came) == len(("He said", "Twice", "Last"))
    assert get(tomllib.loads(changed), ("texts", "en", "paragraphs"))[1] == 'He said "no".\nTwice.'


@pytest.mark.parametrize("text", ['a = {b = "c"}\n', 'a.b = "c"\n', '[a]\n"b" = "c"\n', "a = [1, # one\n 2]\n"])
def test_uncommon_forms_are_changed_right_or_not_at_all(text: str) -> None:
    """A table may stand in one line, and a key may be dotted or quoted."""
    for location, value in {("a", "b"): "d", ("a", "new"): "x", ("new",): 1, ("a",): None}.items():
        try:
            changed = change(text, {location: value})  # type: ignore[dict-item]
        except CommandError:
            continue
        assert get(tomllib.loads(changed), location) == value


LIST = """\
a = [
    # of one
    "one", # beside one
    "two", # beside two
    # of three,
    # in two lines
    "three",
]
"""


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        (["two", "three"], '    # of one\n    "one", # beside one\n', ""),
        (["one", "two"], '    # of three,\n    # in two lines\n    "three",\n', ""),
        (["one", "two", "3"], '"three"', '"3"'),
        (["0", "one", "two", "three"], "    # of one\n", '    "0",\n    # of one\n'),
        (["one", "one and a half", "two", "three"], '    "two"', '    "one and a half",\n    "two"'),
        (["one", "2", "three"], '"two"', '"2"'),
    ],
)
def test_comments_stay_with_their_entries(value: list[str], old: str, new: str) -> None:
    """Those above and beside a removed one go with it."""
    assert change(LIST, {("a",): list(value)}) == LIST.replace(old, new)


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ('["EC", "EP"]', ["EC"], '["EC"]'),
        ('["EC", "EP"]', ["EP"], '["EP"]'),
        ('["EC"]', ["Parliament", "EC"], '["Parliament","EC"]'),
        ('[\n  # of both\n  "EC", "EP",\n]', ["EC"], '[\n  # of both\n  "EC",\n]'),
    ],
)
def test_a_comment_above_a_list_is_not_of_its_first_entry(old: str, value: list[str], new: str) -> None:
    """Entries that share a line have no comment of their own."""
    text = "[privacy]\n# TO DO: have somebody read it.\nrecipients = {}\n"

    assert change(text.format(old), {("privacy", "recipients"): value}) == text.format(new)
