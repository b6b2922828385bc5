"""From the store to readable tables, with nothing lost, repeated or readable on the way."""

import asyncio
import base64
import csv
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import openpyxl
import pyrage
import pytest

from desk import runtime
from desk.signatures import export
from desk.signatures.export import Export, Unfinished
from desk.signatures.open import COLUMNS
from desk.store.firestore import FirestoreMaintenance
from infra.deploy.gcloud import Environment
from shared.store.entities import Signature, Status
from tests.desk.commands import plain_key, refusal, run
from tests.desk.signatures.test_workbook import texts
from tests.shared.store.test_store_contract import make_address, submission
from tests.support.clock import NOW
from tests.support.consents import NEW_VERSION, NEW_WORDS, after, before
from tests.support.deployment import (
    CAMPAIGN,
    CONSENT_VERSION,
    PAGE_HEADERS,
    REPOSITORY,
    SIGNATURES,
    World,
    signature,
    world,
)
from tests.support.missing import missing
from tests.support.polling import until

PARTNER = {"partner": "digital-rights", "newsletter": True}


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with world(tmp_path / "var", monkeypatch) as made:
        (tmp_path / "ann.age").write_text(str(made.identities.campaign))
        monkeypatch.chdir(tmp_path)
        yield made


def begun(**change: Any) -> Unfinished:
    """The state of an export here that has just begun."""
    return Unfinished(**{"campaign": CAMPAIGN, "place": runtime.place(), "as_of": NOW, **change})


async def signed(here: World, **fields: Any) -> None:
    """Sign and confirm."""
    await here.press(await here.sign_and_deliver(**fields))


def rows(file: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode(encoding), newline="")))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


class TestExport:
    async def test_holds_the_confirmed_signatures_only(self, here: World) -> None:
        """Pending and withdrawn ones are left out, and the manifest agrees with the public count."""
        await signed(here, email="ann@example.org", country="DE", **PARTNER)
        await signed(here, email="cleo@example.org", country="FR")
        await here.sign_and_deliver(email="pending@example.org")
        mail = await here.sign_and_deliver(email="withdrawn@example.org")
        await here.press(mail)
        await here.press(mail, "withdraw")

        await run("export", CAMPAIGN, "--to", "out")

        manifest = json.loads(Path("out/manifest.json").read_text())
        assert manifest["signatures"] == len(lines(Path("out/signatures.ndjson"))) == 2
        assert manifest["by_country"] == {"DE": 1, "FR": 1}
        assert manifest["by_partner"] == {"digital-rights": 1}
        assert (await here.count())["total"] == manifest["signatures"]

    async def test_reveals_nothing_without_a_key(self, here: World) -> None:
        """No file holds a name, an address or a digest, and only their owner may open them."""
        await signed(here, email="ann@example.org", name="Ann Example", **PARTNER)
        [digest] = [page[0].digest async for page in records_of(here).scan(CAMPAIGN)]

        await run("export", CAMPAIGN, "--to", "out")

        for file in Path("out").iterdir():
            content = file.read_bytes()
            assert file.stat().st_mode & 0o077 == 0
            for word in (b"ann@", b"Ann Example", digest.encode()):
                assert word not in content
                assert base64.b64encode(word)[:-4] not in content

    async def test_gives_a_partner_its_own_contacts_only(self, here: World) -> None:
        """They are the signers who opted in on its page, sealed to its key."""
        await signed(here, email="yes@example.org", **PARTNER)
        await signed(here, email="no@example.org", partner="digital-rights", newsletter=False)
        await signed(here, email="other@example.org", partner="libertes-ouvertes", newsletter=True)

        await run("export", CAMPAIGN, "--to", "out")
        opened = await run("open", "out/partner-digital-rights.ndjson", "-i", "ann.age", "--to", "theirs")

        assert opened.exit_code == 0, opened.output
        assert [row["email"] for row in rows(Path("theirs/signatures.csv"))] == ["yes@example.org"]
        assert sorted(path.name for path in Path("out").glob("partner-*")) == ["partner-digital-rights.ndjson"]

    async def test_is_empty_for_a_campaign_without_signatures(self, here: World) -> None:
        """The command says so and succeeds."""
        done = await run("export", CAMPAIGN)

        assert "0 signatures" in done.output
        assert Path(f"{CAMPAIGN}-export/signatures.ndjson").read_bytes() == b""

    async def test_overwrites_nothing(self, here: World) -> None:
        """A folder that is not empty is refused, as is an unknown campaign."""
        await run("export", CAMPAIGN, "--to", "out")

        assert "not empty" in refusal(await run("export", CAMPAIGN, "--to", "out"))
        assert "There is no campaign yours" in refusal(await run("export", "yours"))

    async def test_resumes_after_it_was_killed(self, here: World) -> None:
        """Lines after the last saved page are written again, without duplicates."""
        for number in range(9):
            await signed(here, email=f"n{number}@example.org", **PARTNER)
        records = [record async for page in records_of(here).scan(CAMPAIGN) for record in page]
        state = begun()
        Path("out").mkdir()
        with Export(Path("out"), state) as files:
            for record in records[:4]:
                files.add(record.signature)
            files.keep(records[3].digest)
            files.add(records[4].signature)
        with Path("out/signatures.ndjson").open("ab") as file:
            file.write(b'{"id": "half a li')

        assert "not finished" in refusal(await run("open", "out", "-i", "ann.age"))
        await run("export", CAMPAIGN, "--to", "out")

        ids = [line["id"] for line in lines(Path("out/signatures.ndjson"))]
        assert ids == [record.signature.submissions[0].id for record in records]
        manifest = json.loads(Path("out/manifest.json").read_text())
        assert (manifest["signatures"], manifest["partners"]["digital-rights"]["contacts"]) == (9, 9)
        assert (await run("open", "out", "-i", "ann.age")).exit_code == 0

    async def test_discards_contacts_that_were_not_saved(self, here: World) -> None:
        """Somebody who withdraws before a killed export resumes is in none of its files."""
        Path("out").mkdir()
        Path("out/unfinished.json").write_text(begun().model_dump_json())
        Path("out/partner-digital-rights.ndjson").write_text("withdrawn\n")

        await run("export", CAMPAIGN, "--to", "out")

        assert json.loads(Path("out/manifest.json").read_text())["partners"] == {}
        assert sorted(path.name for path in Path("out").glob("partner-*")) == []

    async def test_leaves_out_what_was_confirmed_after_it_began(self, here: World) -> None:
        """So a long export ends, and shows one moment."""
        state = begun()
        Path("out").mkdir()
        with Export(Path("out"), state) as files:
            for late in (timedelta(), timedelta(seconds=1)):
                files.add(Signature(Status.CONFIRMED, (submission(),), confirmed_at=NOW + late))

        assert state.signatures == 1

    async def test_refuses_to_resume_another_campaigns_export(self, here: World) -> None:
        """Two campaigns in one file could never be separated again."""
        Path("out").mkdir()
        Path("out/unfinished.json").write_text(begun(campaign="another").model_dump_json())

        assert "unfinished export of another" in refusal(await run("export", CAMPAIGN, "--to", "out"))

    async def test_refuses_to_resume_another_deployments_export(self, here: World) -> None:
        """It would keep the signatures of a rehearsal, and leave out as many real ones."""
        Path("out").mkdir()
        Path("out/unfinished.json").write_text(begun(place="the database of staging").model_dump_json())

        refused = refusal(await run("export", CAMPAIGN, "--to", "out"))

        assert f"unfinished export of {CAMPAIGN}, in the database of staging: choose another" in refused

    async def test_of_a_deployment_goes_into_a_folder_with_its_name(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Unless --to names another one."""
        monkeypatch.setattr(export, "deployment", lambda: Environment("staging", {}))

        await run("export", CAMPAIGN)

        assert Path(f"{CAMPAIGN}-staging-export/signatures.ndjson").exists()

    async def test_refuses_to_resume_when_a_file_is_too_short(self, here: World) -> None:
        """A file that was lost or cut short is neither padded with zeros nor called complete."""
        state = begun(signatures=1, sizes={"signatures.ndjson": 100})
        for content in (None, b"half of it"):
            folder = Path("gone" if content is None else "short")
            folder.mkdir()
            (folder / "unfinished.json").write_text(state.model_dump_json())
            if content is not None:
                (folder / "signatures.ndjson").write_bytes(content)

            refused = await run("export", CAMPAIGN, "--to", folder)

            assert refusal(refused) == (
                "signatures.ndjson is shorter than unfinished.json says: delete the folder and export again."
            )
            assert not (folder / "manifest.json").exists()

    async def test_fails_if_something_else_wrote_to_its_files(self, here: World) -> None:
        """Each file must hold as many lines as signatures."""
        for name in ("signatures.ndjson", "partner-digital-rights.ndjson"):
            folder = Path(name)
            folder.mkdir()
            (folder / name).write_bytes(b"{}\n")
            state = begun(sizes={name: 3})
            state.contacts["digital-rights"] = 0
            (folder / "unfinished.json").write_text(state.model_dump_json())

            refused = await run("export", CAMPAIGN, "--to", folder)

            assert f"{name} holds 1 line and not 0" in refusal(refused)
            assert (folder / "unfinished.json").exists()

    async def test_is_written_by_one_command_at_a_time(self, here: World) -> None:
        """A second one is refused even before the first line is written, and may run afterwards."""
        await signed(here)
        Path("out").mkdir()
        begun = subprocess.Popen(
            [sys.executable, "-c", _LOCKS, "out/export.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with begun as other:
            assert other.stdout
            assert other.stdout.readline() == b"locked\n"

            assert "Another export is writing to out" in refusal(await run("export", CAMPAIGN, "--to", "out"))
            assert [file.name for file in Path("out").iterdir()] == ["export.lock"]
            other.kill()

        assert (await run("export", CAMPAIGN, "--to", "out")).exit_code == 0
        assert not Path("out/export.lock").exists()
        assert len(lines(Path("out/signatures.ndjson"))) == 1

    @pytest.mark.parametrize("name", ["../victim.txt", "manifest.json", "partner-../victim.ndjson"])
    async def test_writes_no_file_but_its_own(self, here: World, name: str) -> None:
        """A saved state that names any other file is refused as damaged."""
        Path("victim.txt").write_text("precious")
        Path("out").mkdir()
        state = {"campaign": CAMPAIGN, "place": runtime.place(), "as_of": NOW.isoformat(), "sizes": {name: 0}}
        Path("out/unfinished.json").write_text(json.dumps(state))

        refused = await run("export", CAMPAIGN, "--to", "out")

        assert "out/unfinished.json is damaged, or of an older undersign: delete" in refusal(refused)
        assert Path("victim.txt").read_text() == "precious"
        assert [file.name for file in Path("out").iterdir()] == ["unfinished.json"]

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            f'{{"campaign": "{CAMPAIGN}", "as_of": "{NOW.isoformat()}"}}',
            '{"campaign": "a"}',
            '{"sizes": {"signatures.ndjson": -1}}',
        ],
    )
    async def test_says_what_to_do_about_a_damaged_state(self, here: World, content: str) -> None:
        """The error is a sentence, not the message of a library."""
        Path("out").mkdir()
        Path("out/unfinished.json").write_text(content)

        assert "delete the folder and export again" in refusal(await run("export", CAMPAIGN, "--to", "out"))

    async def test_refuses_a_symbolic_link(self, here: World) -> None:
        """Somebody may have put one into the folder."""
        Path("victim.txt").write_text("precious")
        Path("out").mkdir()
        Path("out/unfinished.json").write_text(begun().model_dump_json())
        Path("out/signatures.ndjson").symlink_to("../victim.txt")

        assert "is a link" in refusal(await run("export", CAMPAIGN, "--to", "out"))
        assert Path("victim.txt").read_text() == "precious"

    @pytest.mark.parametrize("folder", ["exp[a]x", "exp[/]"])
    async def test_prints_brackets_in_a_folders_name(self, here: World, folder: str) -> None:
        """Brackets in it are not taken for markup."""
        await signed(here)

        exported = await run("export", CAMPAIGN, "--to", folder)

        assert exported.exit_code == 0, exported.exception
        assert f"UTC, to {folder}. Without a key" in exported.output
        assert "1 signature exported" in exported.output
        assert f"undersign open {folder} -i YOUR-KEY" in exported.output


#: A process that holds a lock until it ends.
_LOCKS = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def records_of(here: World) -> Any:
    """The store, through the adapter of the desk."""
    from desk import runtime

    return runtime.desk().maintenance


OPENED = b'{"name": "Ann", "email": "ann@example.org", "country": "DE", "locale": "en"}'


def line_of(recipient: pyrage.x25519.Recipient, inner: str = "", outer: str = "") -> bytes:
    """A line that anybody with the public key can forge; `inner` and `outer` end its two JSON objects."""
    opened = OPENED.removesuffix(b"}") + inner.encode() + b"}"
    sealed = base64.b64encode(pyrage.encrypt(opened, [recipient])).decode()
    return f'{{"id": "{uuid.uuid4()}", "confirmed_at": "2026", "sealed": "{sealed}"{outer}}}\n'.encode()


_NESTED = "[" * 100_000 + "]" * 100_000
HOSTILE = {
    "half a letter": (', "name": "\\ud800"', ""),
    "half a letter outside": ("", ', "confirmed_at": "\\udfff"'),
    "half a letter as id": ("", ', "id": "\\udfff"'),
    "nested": (f', "more": {_NESTED}', ""),
    "nested outside": ("", f', "more": {_NESTED}'),
    "nested a little": (f', "more": {"[" * 400}{"]" * 400}', ""),
    "not a number": (', "more": NaN', ""),
    "number for yes": (', "newsletter": 1', ""),
    "long country": (', "country": "DE\\n"', ""),
    "other partner": (', "partner": "a/b"', ""),
    "no id": ("", ', "id": null'),
    "spaces in the seal": ("", ', "sealed": "YWdl LWVu"'),
}


_OTHERS = {"file": "signatures.ndjson", "sha256": "0" * 64, "contacts": 1}


class TestOpen:
    async def test_returns_what_signers_entered(self, here: World) -> None:
        """Names survive in any script, and with characters that a table must quote."""
        names = ["Jörg Ångström", "Ελένη Παπαδοπούλου", 'Ann "Annie" O’Hara, Jr', "Ñandú; Łukasz"]
        for number, name in enumerate(names):
            await signed(here, email=f"n{number}@example.org", name=name, locale="el", newsletter=False)

        await run("export", CAMPAIGN, "--to", "out")
        opened = await run("open", "out", "-i", "ann.age", "--to", "read")

        table = rows(Path("read/signatures.csv"))
        assert opened.exit_code == 0, opened.output
        assert sorted(row["name"] for row in table) == sorted(names)
        assert {(row["locale"], row["newsletter"], row["country"]) for row in table} == {("el", "no", "DE")}
        assert Path("read/signatures.csv").read_bytes().count(b"\r\n") == 5

    async def test_escapes_formulas(self, here: World) -> None:
        """An address may begin with = or +, which a spreadsheet would run."""
        await signed(here, email="=cmd+1@example.org")
        await run("export", CAMPAIGN, "--to", "out")

        await run("open", "out", "-i", "ann.age", "--to", "csv")
        await run("open", "out", "-i", "ann.age", "--to", "json", "--kind", "ndjson")

        assert rows(Path("csv/signatures.csv"))[0]["email"] == "'=cmd+1@example.org"
        assert lines(Path("json/signatures.ndjson"))[0]["email"] == "=cmd+1@example.org"

    async def test_escapes_formulas_after_a_separator(self, here: World) -> None:
        """Much of Europe separates lists with semicolons, and some programs ignore quotes around a cell."""
        parts = product(";,\t", ["", " ", '"', " ' ", "\u00a0"], "=+-@＝")
        names = {f"Ann{separator}{between}{formula}1": formula for separator, between, formula in parts}
        recipient = here.identities.campaign.to_public()
        exported = [line_of(recipient, f', "name": {json.dumps(name)}') for name in names]
        Path("some.ndjson").write_bytes(b"".join(exported))

        await run("open", "some.ndjson", "-i", "ann.age", "--to", "read")
        await run("open", "some.ndjson", "-i", "ann.age", "--to", "json", "--kind", "ndjson")

        table = Path("read/signatures.csv").read_text(encoding="utf-8")
        cells = {cell.strip(' "\u00a0')[:1] for cell in re.split("[;,\t\r\n]", table)}
        assert [row["name"] for row in rows(Path("read/signatures.csv"))] == [
            name.replace(formula, f"'{formula}") for name, formula in names.items()
        ]
        assert cells & set("=+-@＝") == set()
        assert [line["name"] for line in lines(Path("json/signatures.ndjson"))] == list(names)

    async def test_writes_a_byte_order_mark_for_excel(self, here: World) -> None:
        """It is written on request only, because other programs would show it."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")

        await run("open", "out", "-i", "ann.age", "--to", "plain")
        await run("open", "out", "-i", "ann.age", "--to", "excel", "--excel")

        assert Path("plain/signatures.csv").read_bytes().startswith(b'"confirmed_at",')
        assert Path("excel/signatures.csv").read_bytes().startswith(b'\xef\xbb\xbf"confirmed_at",')

    async def test_splits_by_country_and_by_partner(self, here: World) -> None:
        """Each country gets a file for its authority, each partner the signers who opted in, and no others."""
        await signed(here, email="a@example.org", country="DE", **PARTNER)
        await signed(here, email="b@example.org", country="DE", partner="digital-rights", newsletter=False)
        await signed(here, email="c@example.org", country="FR")
        await run("export", CAMPAIGN, "--to", "out")

        await run("open", "out", "-i", "ann.age", "--to", "read", "--per-country", "--per-partner")

        numbers = {path.name: len(rows(path)) for path in Path("read").glob("*.csv")}
        assert numbers.pop("consents.csv") == 24
        assert numbers == {
            "signatures.csv": 3,
            "country-DE.csv": 2,
            "country-FR.csv": 1,
            "partner-digital-rights.csv": 1,
        }
        manifest = json.loads(Path("read/manifest.json").read_text())
        assert {name: file["signatures"] for name, file in manifest["files"].items()} == numbers

    async def test_writes_tables_for_excel(self, here: World) -> None:
        """They hold the same rows as the CSV files, by country and partner, too, with nothing put in front."""
        hostile = ["=1+1", "00123", "+49 30 123", "line\nbreak", "יוסף כהן", "\x01"]
        recipient = here.identities.campaign.to_public()
        fields = (
            ', "country": "FR", "postal_code": "01000"',
            ', "partner": "digital-rights", "newsletter": true',
            ', "partner": "digital-rights", "newsletter": false',
        )
        names = list(zip(hostile, fields * 2, strict=True))
        exported = [line_of(recipient, f', "name": {json.dumps(name)}{more}') for name, more in names]
        Path("some.ndjson").write_bytes(b"".join(exported))
        divided = ("--per-country", "--per-partner")
        await run("open", "some.ndjson", "-i", "ann.age", "--to", "json", "--kind", "ndjson", *divided)

        opened = await run("open", "some.ndjson", "-i", "ann.age", "--to", "read", "--xlsx", *divided)

        assert opened.exit_code == 0, opened.output
        tables = {path.stem: path for path in Path("read").glob("*.xlsx")}
        assert {path.stem for path in Path("json").glob("*.ndjson")} == set(tables)
        assert [path.name for path in Path("read").iterdir() if path.suffix != ".xlsx"] == ["manifest.json"]
        for stem, file in tables.items():
            [sheet] = openpyxl.load_workbook(file).worksheets
            assert [cell.value for cell in sheet[1]] == list(COLUMNS)
            assert texts(sheet) == [
                [{None: "", True: "yes", False: "no"}.get(value, value) for value in line.values()]
                for line in lines(Path(f"json/{stem}.ndjson"))
            ]
            assert file.stat().st_mode & 0o077 == 0
        manifest = json.loads(Path("read/manifest.json").read_text())["files"]
        assert manifest["signatures.xlsx"]["signatures"] == 6
        assert manifest["partner-digital-rights.xlsx"]["signatures"] == 2

    async def test_writes_one_kind_of_table(self, here: World) -> None:
        """--xlsx is short for --kind xlsx, and contradicts another kind."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")

        assert "Choose one of the two" in refusal(
            await run("open", "out", "-i", "ann.age", "--xlsx", "--kind", "ndjson")
        )
        await run("open", "out", "-i", "ann.age", "--kind", "xlsx", "--to", "read")

        assert sorted(path.name for path in Path("read").iterdir()) == [
            "consents.xlsx",
            "manifest.json",
            "signatures.xlsx",
        ]
        for name in ("consents", "signatures"):
            assert openpyxl.load_workbook(f"read/{name}.xlsx").sheetnames == [name]

    async def test_needs_a_key_of_the_campaign(self, here: World) -> None:
        """Any other key opens nothing, and the error says so."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")
        plain_key(Path("other.age"))

        assert "opens nothing" in refusal(await run("open", "out", "-i", "other.age"))
        assert "Say which key" in refusal(await run("open", "out"))
        assert "There is no" in refusal(await run("open", "nowhere", "-i", "ann.age"))

    async def test_refuses_a_file_that_was_changed(self, here: World) -> None:
        """The manifest holds the checksum of every file."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")
        with Path("out/signatures.ndjson").open("ab") as file:
            file.write(b"\n")

        assert "not what was exported" in refusal(await run("open", "out", "-i", "ann.age"))

    @pytest.mark.parametrize(
        "damage",
        [
            b"\xff\xfe",
            b"{}",
            b"[]",
            b'{"sealed": "YWdl", "confirmed_at": ""}',
            b'{"sealed": "%s", "confirmed_at": "2026"}',
            b'{"sealed": "%l", "confirmed_at": "2026"}',
            b"[" * 100_000,
        ],
        ids=["no text", "empty", "no object", "not sealed", "sealed nonsense", "sealed list", "nested"],
    )
    async def test_loses_no_line_but_the_damaged_one(self, here: World, damage: bytes) -> None:
        """The error names that line, after all others are written."""
        for number in range(3):
            await signed(here, email=f"n{number}@example.org")
        await run("export", CAMPAIGN, "--to", "out")
        climbs = json.dumps({"email": "a@b", "name": "A", "locale": "en", "country": "DE", "partner": "../up"})
        recipients = [here.identities.campaign.to_public()]
        sealed, listed = (base64.b64encode(pyrage.encrypt(text.encode(), recipients)) for text in (climbs, "[1]"))
        first, _, third = Path("out/signatures.ndjson").read_bytes().splitlines()
        Path("damaged.ndjson").write_bytes(
            b"\n".join([first, damage.replace(b"%s", sealed).replace(b"%l", listed), third]) + b"\n"
        )

        opened = await run("open", "damaged.ndjson", "-i", "ann.age", "--to", "read")

        assert "NOT OPENED: 1 line of damaged.ndjson, number 2." in refusal(opened)
        assert len(rows(Path("read/signatures.csv"))) == 2

    @pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
    async def test_loses_no_line_but_the_hostile_one(self, here: World, hostile: tuple[str, str]) -> None:
        """Anybody who can sign can seal what they like; such a line is reported and counted nowhere."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")
        with Path("out/signatures.ndjson").open("ab") as file:
            file.write(line_of(here.identities.campaign.to_public(), *hostile))
        shutil.copy("out/signatures.ndjson", "hostile.ndjson")

        opened = await run("open", "hostile.ndjson", "-i", "ann.age", "--to", "read")

        assert refusal(opened) == "NOT OPENED: 1 line of hostile.ndjson, number 2."
        manifest = json.loads(Path("read/manifest.json").read_text())
        assert (manifest["signatures"], manifest["by_country"]) == (1, {"DE": 1})
        assert len(rows(Path("read/signatures.csv"))) == 1

    @pytest.mark.parametrize("version", ["2", "null", '"1"', "true"])
    async def test_names_the_lines_that_a_newer_version_sealed(self, here: World, version: str) -> None:
        """They are not damaged, so the error says to update."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")
        newer = line_of(here.identities.campaign.to_public(), f', "version": {version}')
        Path("newer.ndjson").write_bytes(newer + Path("out/signatures.ndjson").read_bytes())

        opened = await run("open", "newer.ndjson", "-i", "ann.age", "--to", "read")

        assert refusal(opened) == (
            "NOT OPENED, because a newer Undersign sealed them: update it: 1 line of newer.ndjson, number 1."
        )
        manifest = json.loads(Path("read/manifest.json").read_text())
        assert (manifest["signatures"], manifest["newer"], manifest["damaged"]) == (1, [1], [])

    async def test_opens_records_without_a_version(self, here: World) -> None:
        """Old exports stay readable."""
        Path("old.ndjson").write_bytes(line_of(here.identities.campaign.to_public()))

        opened = await run("open", "old.ndjson", "-i", "ann.age", "--to", "read")

        assert opened.exit_code == 0, opened.output
        [row] = rows(Path("read/signatures.csv"))
        assert (row["name"], row["email"], row["country"], row["signed_at"]) == (
            "Ann",
            "ann@example.org",
            "DE",
            "",
        )

    async def test_counts_a_signature_once(self, here: World) -> None:
        """Repeated lines are reported, and a broken line with a stolen id does not hide the real one."""
        for number in range(2):
            await signed(here, email=f"n{number}@example.org")
        await run("export", CAMPAIGN, "--to", "out")
        whole = Path("out/signatures.ndjson").read_bytes()
        first = whole.splitlines(keepends=True)[0]
        broken = json.dumps({**json.loads(first), "sealed": "YWdl"}).encode() + b"\n"
        Path("repeated.ndjson").write_bytes(broken + whole + first * 12)

        opened = await run("open", "repeated.ndjson", "-i", "ann.age", "--to", "read")

        assert refusal(opened) == (
            "NOT OPENED: 1 line of repeated.ndjson, number 1.\n"
            "REPEATED, and counted once: 12 lines of repeated.ndjson, numbers 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 "
            "and 2 more."
        )
        assert len(rows(Path("read/signatures.csv"))) == 2
        manifest = json.loads(Path("read/manifest.json").read_text())
        assert (manifest["signatures"], manifest["repeated"]) == (2, list(range(4, 16)))

    @pytest.mark.parametrize(
        "damage",
        [
            {"by_country": {"de": 1}},
            {"by_partner": {"../up": 1}},
            {"signatures": -1},
            {"sha256": ""},
            {"partners": {"a": _OTHERS}},
        ],
        ids=["country", "partner", "count", "sum", "file"],
    )
    async def test_refuses_a_damaged_manifest(self, here: World, damage: dict[str, Any]) -> None:
        """Ignoring it would skip every comparison."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")
        manifest = json.loads(Path("out/manifest.json").read_text())

        for content in (json.dumps({**manifest, **damage}), json.dumps(manifest)[:-1], "[]", ""):
            Path("out/manifest.json").write_text(content)
            refused = await run("open", "out", "-i", "ann.age", "--to", "read")
            assert "out/manifest.json is damaged" in refusal(refused)

    async def test_says_what_it_cannot_compare(self, here: World) -> None:
        """A single file opens without its manifest, but nobody should believe that it was checked."""
        await signed(here, **PARTNER)
        await run("export", CAMPAIGN, "--to", "out")
        shutil.copy("out/signatures.ndjson", "alone.ndjson")
        shutil.copy("out/signatures.ndjson", "out/renamed.ndjson")

        alone = await run("open", "alone.ndjson", "-i", "ann.age", "--to", "a")
        renamed = await run("open", "out/renamed.ndjson", "-i", "ann.age", "--to", "b")
        partner = await run("open", "out/partner-digital-rights.ndjson", "-i", "ann.age", "--to", "c")

        assert [each.exit_code for each in (alone, renamed, partner)] == [0, 0, 0]
        assert "Not compared: alone.ndjson, for there is no manifest.json beside it." in alone.output
        assert "Not compared: renamed.ndjson, for manifest.json does not name it." in renamed.output
        assert "Not compared" not in partner.output
        assert "It is as many as the manifest of the export says." in partner.output

    async def test_refuses_counts_that_differ_from_the_manifest(self, here: World) -> None:
        """It compares the total and a partner's contacts, although the checksums agree."""
        await signed(here, **PARTNER)
        await run("export", CAMPAIGN, "--to", "out")
        manifest = json.loads(Path("out/manifest.json").read_text())
        manifest["by_country"] = {"FR": 1}
        manifest["partners"]["digital-rights"]["contacts"] = 2
        Path("out/manifest.json").write_text(json.dumps(manifest))

        for number, name in enumerate(("signatures.ndjson", "partner-digital-rights.ndjson")):
            refused = await run("open", f"out/{name}", "-i", "ann.age", "--to", f"read{number}")
            assert "is not what manifest.json of the export says" in refusal(refused)

    @pytest.mark.parametrize("folder", ["exp[a]x", "exp[/]"])
    async def test_prints_brackets_in_a_folders_name(self, here: World, folder: str) -> None:
        """Brackets in it are not taken for markup."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")

        opened = await run("open", "out", "-i", "ann.age", "--to", folder)

        assert opened.exit_code == 0, opened.exception
        assert f"1 signature opened, in {folder}, readable: signatures.csv." in opened.output

    async def test_needs_no_network_and_no_settings(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder and a key are enough, on a machine without any configuration."""
        await signed(here)
        await run("export", CAMPAIGN, "--to", "out")
        bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}

        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "desk.main", "open", "out", "-i", "ann.age", "--to", "read"],
            env=bare,
            check=True,
            capture_output=True,
        )

        assert b"It is what the manifest of the export says" in done.stdout
        assert len(rows(Path("read/signatures.csv"))) == 1


async def test_the_stock_tool_opens_the_same_records(here: World) -> None:
    """age is an independent implementation, so nobody needs Undersign to read the records."""
    if shutil.which("age") is None:
        missing("the age tool (Debian: age)")
    await signed(here, email="ann@example.org", name="Ann Example")
    await run("export", CAMPAIGN, "--to", "out")
    [line] = lines(Path("out/signatures.ndjson"))

    opened = subprocess.run(
        ["age", "-d", "-i", "ann.age"], input=base64.b64decode(line["sealed"]), capture_output=True, check=True
    )

    assert {"email": "ann@example.org", "name": "Ann Example"}.items() <= json.loads(opened.stdout).items()


async def test_a_killed_export_from_firestore_loses_and_repeats_nothing(
    emulator: str, tmp_path: Path, campaign_id: str
) -> None:
    """It is killed with SIGKILL while its pages come in, and completed by a second run."""
    store = FirestoreMaintenance("undersign-export", "(default)")
    ids = Counter[str]()
    campaigns = tmp_path / "campaigns"
    campaigns.mkdir()
    example = REPOSITORY / "shared" / "campaigns" / CAMPAIGN
    shutil.copy(example.with_suffix(".toml"), campaigns / f"{campaign_id}.toml")
    shutil.copytree(example, campaigns / campaign_id)

    async def confirm(number: int) -> None:
        given = submission(country=("DE", "FR")[number % 2])
        address = make_address(campaign_id)
        await store.admit(address, given, NOW)
        await store.confirm(campaign_id, address.digest, given.id, NOW)
        ids[given.id] += 1

    for start in range(0, 3000, 100):
        await asyncio.gather(*(confirm(start + number) for number in range(100)))
    store.close()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "FIRESTORE_EMULATOR_HOST")},
        "PYTHONPATH": str(REPOSITORY),
        "STORE": "firestore",
        "FIRESTORE_PROJECT": "undersign-export",
        "CAMPAIGNS_FOLDER": str(campaigns),
    }
    command = [sys.executable, "-m", "desk.main", "export", campaign_id, "--to", "out"]
    state = tmp_path / "out" / "unfinished.json"

    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL) as killed:
        until(lambda: state.exists() and json.loads(state.read_text())["signatures"] > 0)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    before = json.loads(state.read_text())["signatures"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)

    exported = Counter(line["id"] for line in lines(tmp_path / "out" / "signatures.ndjson"))
    assert 0 < before < 3000
    assert exported == ids
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["by_country"] == {"DE": 1500, "FR": 1500}


async def test_the_text_that_was_shown_is_found_after_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form from before the change is sent after it; its version leads from the table to the text it showed."""
    campaigns = tmp_path / "campaigns"
    async with world(tmp_path / "old", monkeypatch, CAMPAIGNS_FOLDER=str(before(campaigns))) as old:
        page = (await old.client.get(f"/c/{CAMPAIGN}?lang=en")).text
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    shown = re.search(r'id="consent".*<span>(.*?)</span>', page)
    assert shown
    after(campaigns)
    async with world(tmp_path / "new", monkeypatch, CAMPAIGNS_FOLDER=str(campaigns)) as new:
        (tmp_path / "ann.age").write_text(str(new.identities.campaign))
        monkeypatch.chdir(tmp_path)

        typed = {**signature(consent="true", consent_version=None), **form}
        await new.client.post(SIGNATURES, data=typed, headers=PAGE_HEADERS)
        await new.deliver()
        await new.press(new.outbox.received()[0])
        await run("export", CAMPAIGN, "--to", "out")
        await run("open", "out", "-i", "ann.age", "--to", "opened")

    [row] = rows(Path("opened/signatures.csv"))
    texts = {(each["version"], each["language"]): each for each in rows(Path("opened/consents.csv"))}
    agreed = texts[row["consent_version"], row["locale"]]
    assert row["consent_version"] == CONSENT_VERSION
    assert agreed["text"] == html.unescape(shown[1])
    assert (agreed["shown_from"], agreed["shown_until"]) == ("2026-11-01", "2026-12-05")
    assert NEW_WORDS in texts[NEW_VERSION, "en"]["text"]


async def test_a_version_whose_text_is_gone_is_named(here: World) -> None:
    """The proof of what was agreed to is gone with it."""
    await signed(here)
    await run("export", CAMPAIGN, "--to", "out")
    manifest = Path("out/manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "consents": []}))

    opened = await run("open", "out", "-i", "ann.age")

    assert f"the consent text of version {CONSENT_VERSION}" in " ".join(opened.output.split())
