"""`undersign open`: an export becomes tables that one can read, on a machine that needs no network.

Spreadsheets run a cell that begins with = + - or @ as a formula, whoever typed it, so there is an apostrophe in
front of these. Some divide a line at every semicolon, comma or tab, within quotes, too: so there is one also where
a cell would begin then (https://owasp.org/www-community/attacks/CSV_Injection). NDJSON holds what was typed, as it
was typed.

Whoever knows the campaign's public key can seal what they like. A line that is not as it was exported is told, and
costs no other line.
"""

import base64
import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StrictBool, ValidationError
from rich.table import Table

from desk import private_files
from desk.errors import CommandError
from desk.keys.prove import IdentityFiles, read_all
from desk.signatures import export
from desk.signatures.export import MANIFEST, SIGNATURES, Country, Manifest, Partner, counted
from desk.terminal import progress
from desk.terminal.output import out, say
from shared.clock import utc_now
from shared.crypto.sealing import Opener
from shared.errors import Unopenable

#: Where a cell begins for one program or another, with the spaces and quotes that it may strip, and what it runs.
#: The last is optional so that a run of spaces is looked at once, however long somebody made it.
_BEGINNING = re.compile(
    r"""((?:^|[;,\t\r\n])[;,\x00-\x20\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"']*)"""
    r"([=+\-@＝＋－＠]?)"
)
#: More than names and addresses can hold. So many brackets in one another would be more than Python can read.
_MOST_BRACKETS = 400
_SHOWN_LINES = 10
#: When none of so many lines opens, no other will.
_HOPELESS = 100


class Kind(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


def _check_text(text: str) -> str:
    """Half of a surrogate pair, which JSON may hold, can be written to no file."""
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_check_text)]


class Signature(BaseModel):
    """One signature as it is written out; its fields are the columns. A partner's own export holds fewer of them.

    Country and partner become names of files, so they are looked at more closely than the rest.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    confirmed_at: Text
    signed_at: Text | None = None
    name: Text
    email: Text
    country: Country
    postal_code: Text | None = None
    locale: Text
    partner: Partner | None = None
    newsletter: StrictBool | None = None
    consent_version: Text | None = None


class OpenedFile(BaseModel):
    signatures: int
    sha256: str


class Opened(BaseModel):
    """What was opened, and what each file made of it holds.

    `damaged`: the numbers of lines that did not open. `repeated`: of those whose id an earlier line had.
    """

    campaign: str | None
    source: str
    source_sha256: str
    opened_at: AwareDatetime
    signatures: int
    by_country: dict[str, int]
    by_partner: dict[str, int]
    damaged: list[int]
    repeated: list[int] = []
    files: dict[str, OpenedFile]


def open_export(
    export: Annotated[Path, typer.Argument(help="The folder of an export, or one .ndjson file of it.")],
    identity: IdentityFiles = None,
    to: Annotated[
        Path | None, typer.Option(help="The folder to write to; by default EXPORT-opened.", show_default=False)
    ] = None,
    kind: Annotated[Kind, typer.Option(help="What to write.")] = Kind.CSV,
    excel: Annotated[bool, typer.Option("--excel", help="Begin CSV files with the mark Excel needs.")] = False,
    per_country: Annotated[
        bool, typer.Option("--per-country", help="Write a file for each country as well.")
    ] = False,
    per_partner: Annotated[
        bool, typer.Option("--per-partner", help="Write, for each partner, those who said yes to its news.")
    ] = False,
) -> None:
    """Open an export with your key, into tables. Needs no network and no database."""
    source = export / SIGNATURES if export.is_dir() else export
    manifest = _manifest(source)
    sha256 = _check(source, manifest)
    if not identity:
        raise CommandError(f"Say which key opens it, as in: undersign open {export} -i ann.age")
    opener = Opener(read_all(identity))
    folder = to or Path(f"{source.parent.resolve().name}-opened")
    private_files.new_folder(folder)
    with Tables(folder, kind, excel=excel, per_country=per_country, per_partner=per_partner) as tables:
        left_out = _open(source, opener, tables)
    opened = Opened(
        campaign=manifest.campaign if manifest else None,
        source=source.name,
        source_sha256=sha256,
        opened_at=utc_now(),
        signatures=tables.signatures,
        by_country=dict(sorted(tables.by_country.items())),
        by_partner=dict(sorted(tables.by_partner.items())),
        damaged=left_out.damaged,
        repeated=left_out.repeated,
        files={
            name: OpenedFile(signatures=number, sha256=private_files.sha256(folder / name))
            for name, number in sorted(tables.written.items())
        },
    )
    private_files.replace(folder / MANIFEST, opened.model_dump_json(indent=2))
    _say(opened, folder)
    _compare(opened, manifest)


def _manifest(source: Path) -> Manifest | None:
    """What lies beside an export and says what it should hold; None for a file that came alone.

    Raises:
        CommandError: the export is not finished, there is none, or what lies beside it says nothing.
    """
    if not source.is_file():
        raise CommandError(
            f"There is no {source}: name the folder that undersign export made, or an .ndjson file of it."
        )
    if (source.parent / export.UNFINISHED).exists():
        raise CommandError(
            f"The export in {source.parent} is not finished: run undersign export again, it will go on."
        )
    manifest = source.parent / MANIFEST
    try:
        return Manifest.model_validate_json(manifest.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise CommandError(
            f"{manifest} is damaged, or is not the manifest of an export: copy it once more from where it was "
            f"exported. To open {source.name} without comparing it, take it out of this folder."
        ) from None


def _check(source: Path, manifest: Manifest | None) -> str:
    """The SHA-256 of the file, which must be the one that its manifest names."""
    sha256 = private_files.sha256(source)
    known = {partner.file: partner.sha256 for partner in manifest.partners.values()} if manifest else {}
    known |= {manifest.file: manifest.sha256} if manifest else {}
    if known.get(source.name, sha256) != sha256:
        raise CommandError(
            f"{source} is not what was exported: its SHA-256 is not the one in {MANIFEST}. Copy it once more from "
            f"where it was exported. To open it as it is, take it out of this folder."
        )
    return sha256


@dataclass(frozen=True)
class LeftOut:
    """The numbers of the lines that are in no table."""

    damaged: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)


def _open(source: Path, opener: Opener, tables: "Tables") -> LeftOut:
    """Open line by line.

    Raises:
        CommandError: this key opens none of the first `_HOPELESS` lines.
    """
    left_out = LeftOut()
    seen = set[bytes]()
    with source.open("rb") as lines, progress.bar() as bar:
        task = bar.add_task("Opening", total=None)
        for number, line in enumerate(lines, 1):
            try:
                id_, signature = _read(line, opener)
            except (Unopenable, ValueError):
                left_out.damaged.append(number)
            else:
                if id_ in seen:
                    left_out.repeated.append(number)
                else:
                    tables.add(signature)
                    seen.add(id_)
            if len(left_out.damaged) == number == _HOPELESS:
                break
            bar.update(task, completed=number)
        bar.update(task, total=tables.signatures + len(left_out.damaged) + len(left_out.repeated))
    if left_out.damaged and not tables.signatures:
        raise CommandError(
            f"This key opens nothing in {source}: it is not a key that the signatures were sealed to."
        )
    return left_out


def _read(line: bytes, opener: Opener) -> tuple[bytes, Signature]:
    """A digest of the id, for of a million there are a million to keep, and the signature.

    Raises:
        Unopenable, ValueError: the line is not as it was exported.
    """
    exported = _object(line)
    id_ = exported.get("id")
    if not isinstance(id_, str):
        raise ValueError("no id")
    personal = _object(opener.open(base64.b64decode(str(exported.get("sealed")), validate=True)))
    signature = Signature.model_validate({**personal, "confirmed_at": exported.get("confirmed_at")})
    return hashlib.blake2b(id_.encode(), digest_size=16).digest(), signature


def _object(encoded: bytes) -> dict[str, Any]:
    """
    Raises:
        ValueError: it holds something else.
    """
    text = encoded.decode()
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise ValueError("too deep")
    # A number is none of ours; as floats they have no length at which Python refuses them.
    content = json.loads(text, parse_int=float, parse_constant=_refuse)
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity are no JSON (RFC 8259), although Python reads them."""
    raise ValueError(constant)


class Tables:
    """The files that an export is written to. A context manager."""

    def __init__(self, folder: Path, kind: Kind, *, excel: bool, per_country: bool, per_partner: bool) -> None:
        self._folder = folder
        self._kind = kind
        self._excel = excel
        self._per_country = per_country
        self._per_partner = per_partner
        self._opened = ExitStack()
        self._files = dict[str, TextIO]()
        self.signatures = 0
        self.by_country = Counter[str]()
        self.by_partner = Counter[str]()
        #: How many signatures are in each file.
        self.written = Counter[str]()

    def __enter__(self) -> "Tables":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def add(self, signature: Signature) -> None:
        """Write it to every file that it belongs to, and count it once it is there."""
        self._write("signatures", signature)
        if self._per_country:
            self._write(f"country-{signature.country}", signature)
        if self._per_partner and signature.partner and signature.newsletter:
            self._write(f"partner-{signature.partner}", signature)
        self.signatures += 1
        self.by_country[signature.country] += 1
        if signature.partner:
            self.by_partner[signature.partner] += 1

    def _write(self, stem: str, signature: Signature) -> None:
        name = f"{stem}.{self._kind}"
        file = self._file(name)
        if self._kind is Kind.CSV:
            _row(file, [_cell(value) for _, value in signature])
        else:
            file.write(f"{json.dumps(signature.model_dump(), ensure_ascii=False)}\n")
        self.written[name] += 1

    def _file(self, name: str) -> TextIO:
        if name not in self._files:
            encoding = "utf-8-sig" if self._excel and self._kind is Kind.CSV else "utf-8"
            # RFC 4180 ends lines with CR LF, which the writer writes itself.
            file = io.TextIOWrapper(private_files.opened(self._folder / name), encoding=encoding, newline="")
            self._files[name] = self._opened.enter_context(file)
            if self._kind is Kind.CSV:
                _row(file, list(Signature.model_fields))
        return self._files[name]


def _row(file: TextIO, cells: Sequence[str]) -> None:
    """With quotes around all: some programs divide a line where nobody else would."""
    csv.writer(file, quoting=csv.QUOTE_ALL).writerow(cells)


def _cell(value: str | bool | None) -> str:
    """As a spreadsheet shows it, without running it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = _BEGINNING.sub(lambda found: f"{found[1]}'{found[2]}" if found[2] else found[0], value)
    return f"'{shown}" if value.startswith(("\t", "\r", "\n")) else shown


def _say(opened: Opened, folder: Path) -> None:
    table = Table("country", "signatures")
    table.columns[1].justify = "right"
    for country, number in sorted(opened.by_country.items(), key=lambda each: -each[1]):
        table.add_row(country, f"{number:,}")
    out.print(table)
    say(
        "[green]{signatures}[/] opened, in {folder}, readable: {files}.",
        signatures=counted(opened.signatures, "signature"),
        folder=folder,
        files=", ".join(opened.files) or "no file",
    )
    out.print("Delete the folder as soon as it has served its purpose.")


def _compare(opened: Opened, manifest: Manifest | None) -> None:
    """
    Raises:
        CommandError: something is missing, which is said at the end, when all else is written.
    """
    told = [
        *_left_out("NOT OPENED", opened.damaged, opened.source),
        *_left_out("REPEATED, and counted once", opened.repeated, opened.source),
    ]
    found, expected, agreed = _counts(opened, manifest)
    if expected is None:
        why = f"{MANIFEST} does not name it" if manifest else f"there is no {MANIFEST} beside it"
        say(
            "Not compared: {file}, for {why}. If anything is missing, nobody can tell.",
            file=opened.source,
            why=why,
        )
    elif found != expected:
        told.append(f"What was opened is not what {MANIFEST} of the export says: compare the two files.")
    else:
        out.print(agreed)
    if told:
        raise CommandError("\n".join(told))


def _left_out(why: str, numbers: Sequence[int], source: str) -> Iterator[str]:
    """A sentence, if there are such lines."""
    if numbers:
        shown = ", ".join(map(str, numbers[:_SHOWN_LINES]))
        more = f" and {len(numbers) - _SHOWN_LINES:,} more" if len(numbers) > _SHOWN_LINES else ""
        named = "number" if len(numbers) == 1 else "numbers"
        yield f"{why}: {counted(len(numbers), 'line')} of {source}, {named} {shown}{more}."


def _counts(opened: Opened, manifest: Manifest | None) -> tuple[object, object, str]:
    """What was counted, what the manifest says (None: nothing), and how to say that the two are the same."""
    if manifest and opened.source == manifest.file:
        return (
            (opened.signatures, opened.by_country, opened.by_partner),
            (manifest.signatures, manifest.by_country, manifest.by_partner),
            "It is what the manifest of the export says, country by country.",
        )
    contacts = {partner.file: partner.contacts for partner in manifest.partners.values()} if manifest else {}
    return opened.signatures, contacts.get(opened.source), "It is as many as the manifest of the export says."
