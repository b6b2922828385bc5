"""`undersign open`: turn an export into readable tables, on a machine that needs no network.

Spreadsheets run a cell that begins with = + - or @ as a formula, so these get an apostrophe in front. Some split a
line at every semicolon, comma or tab, even within quotes, so there is one also where a cell would begin then
(https://owasp.org/www-community/attacks/CSV_Injection). NDJSON holds every value unchanged, and so does the table
for Excel, whose cells are all text.

Anybody who knows the campaign's public key can seal anything. A line that is not as it was exported is reported,
and costs no other line.
"""

import base64
import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer
from pydantic import AwareDatetime, BaseModel, ValidationError
from rich.markup import escape

from desk import private_files
from desk.errors import CommandError
from desk.keys.identity_files import IdentityFiles, read_identities
from desk.signatures import export
from desk.signatures.export import MANIFEST, SIGNATURES, ConsentText, Manifest
from desk.signatures.workbook import Workbook
from desk.terminal.output import out, pluralize, print_warning, table
from desk.terminal.progress import ProgressBar
from shared.clock import utc_now
from shared.crypto.sealing import Opener
from shared.errors import UnknownVersion, Unopenable
from shared.models import sealed
from shared.models.sealed import SealedSignature, Text

#: Where a cell may begin, with the spaces and quotes that a program may strip, and what begins a formula. The last
#: is optional, so that a run of spaces is scanned once, however long it is.
_BEGINNING = re.compile(
    r"""((?:^|[;,\t\r\n])[;,\x00-\x20\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"']*)"""
    r"([=+\-@＝＋－＠]?)"
)
#: More than names and addresses hold, and fewer than would exceed Python's recursion limit if nested.
_MAX_BRACKETS = 400
_SHOWN_LINES = 10
#: If none of the first lines opens, no other will.
_GIVE_UP_AFTER_LINES = 100


class Kind(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    NDJSON = "ndjson"


#: Of a table, in their order: when it was confirmed, then fields of the sealed record. In a partner's own export
#: those that a contact has not are empty. offline_pages/opening.js has the same.
COLUMNS = tuple(
    "confirmed_at signed_at name email country postal_code locale partner newsletter consent_version".split()
)


class ExportedLine(BaseModel, hide_input_in_errors=True):
    """One line of an export. `sealed`: base64."""

    id: Text
    confirmed_at: Text
    sealed: str


class OpenedFile(BaseModel):
    signatures: int
    sha256: str


class Opened(BaseModel):
    """What was opened, and what each file made of it holds.

    `damaged`: the numbers of lines that did not open. `newer`: of those that a newer Undersign sealed. `repeated`:
    of those whose id an earlier line had.
    """

    campaign: str | None
    source: str
    source_sha256: str
    opened_at: AwareDatetime
    signatures: int
    by_country: dict[str, int]
    by_partner: dict[str, int]
    damaged: list[int]
    newer: list[int] = []
    repeated: list[int] = []
    files: dict[str, OpenedFile]


def open_export(
    export: Annotated[Path, typer.Argument(help="The folder of an export, or one .ndjson file of it.")],
    identity: IdentityFiles = None,
    to: Annotated[Path | None, typer.Option(help="The folder to write to; by default EXPORT-opened.")] = None,
    kind: Annotated[Kind, typer.Option(help="What to write.")] = Kind.CSV,
    xlsx: Annotated[
        bool, typer.Option("--xlsx", help="Write tables for Excel, whose cells are all text: --kind xlsx.")
    ] = False,
    excel: Annotated[
        bool, typer.Option("--excel", help="Begin CSV files with the mark Excel needs; --xlsx is safer.")
    ] = False,
    per_country: Annotated[
        bool, typer.Option("--per-country", help="Write a file for each country as well.")
    ] = False,
    per_partner: Annotated[
        bool, typer.Option("--per-partner", help="Write, for each partner, those who said yes to its news.")
    ] = False,
) -> None:
    """Open an export with your key, into tables. Needs no network and no database."""
    if xlsx and kind is Kind.NDJSON:
        raise CommandError("Choose one of the two: --xlsx or --kind ndjson.")
    kind = Kind.XLSX if xlsx else kind
    source = export / SIGNATURES if export.is_dir() else export
    manifest = _manifest(source)
    sha256 = _check(source, manifest)
    if not identity:
        raise CommandError(f"Say which key opens it, as in: undersign open {export} -i ann.age")
    opener = Opener(read_identities(identity))
    folder = to or Path(f"{source.parent.resolve().name}-opened")
    private_files.create_folder(folder)
    with Tables(folder, kind, excel=excel, per_country=per_country, per_partner=per_partner) as tables:
        left_out = _open(source, opener, tables)
        for consent in manifest.consents if manifest else ():
            tables.add_consent(consent)
    opened = Opened(
        campaign=manifest.campaign if manifest else None,
        source=source.name,
        source_sha256=sha256,
        opened_at=utc_now(),
        signatures=tables.signatures,
        by_country=dict(sorted(tables.by_country.items())),
        by_partner=dict(sorted(tables.by_partner.items())),
        **vars(left_out),
        files={
            name: OpenedFile(signatures=number, sha256=private_files.sha256(folder / name))
            for name, number in sorted(tables.written.items())
        },
    )
    private_files.replace(folder / MANIFEST, opened.model_dump_json(indent=2))
    _print_summary(opened, folder)
    for version in sorted(tables.versions - {each.version for each in manifest.consents}) if manifest else ():
        print_warning(
            f"Not in the campaign file any more: the consent text of version {version}, which was signed."
        )
    _compare(opened, manifest)


def _manifest(source: Path) -> Manifest | None:
    """Read the manifest beside an export, which says what it should hold; None for a file that came alone.

    Raises:
        CommandError: there is no export, it is not finished, or its manifest is damaged.
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
    """Return the SHA-256 of the file.

    Raises:
        CommandError: the manifest names another.
    """
    sha256 = private_files.sha256(source)
    described = [manifest, manifest.held, *manifest.partners.values()] if manifest else []
    if any(each and each.file == source.name and each.sha256 != sha256 for each in described):
        raise CommandError(
            f"{source} is not what was exported: its SHA-256 is not the one in {MANIFEST}. Copy it once more from "
            f"where it was exported. To open it as it is, take it out of this folder."
        )
    return sha256


#: What a table has in its columns.
Row = Mapping[str, str | bool | None]


@dataclass(frozen=True)
class LeftOut:
    """The numbers of the lines that are in no table, see `Opened`."""

    damaged: list[int] = field(default_factory=list)
    newer: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)


def _open(source: Path, opener: Opener, tables: "Tables") -> LeftOut:
    """Open line by line.

    Raises:
        CommandError: this key opens none of the first `_GIVE_UP_AFTER_LINES` lines.
    """
    left_out = LeftOut()
    seen = set[bytes]()
    number = 0
    with source.open("rb") as lines, ProgressBar() as bar:
        bar.begin("Opening")
        for number, line in enumerate(lines, 1):
            try:
                exported = ExportedLine.model_validate(_object(line))
                opened = opener.open(base64.b64decode(exported.sealed, validate=True))
                signature = sealed.read(_object(opened))
            except UnknownVersion:
                left_out.newer.append(number)
            except (Unopenable, ValueError):
                left_out.damaged.append(number)
            else:
                # Of a million ids there are a million to keep in memory, so of each a digest.
                id_ = hashlib.blake2b(exported.id.encode(), digest_size=16).digest()
                if id_ in seen:
                    left_out.repeated.append(number)
                else:
                    tables.add(exported.confirmed_at, signature)
                    seen.add(id_)
            if len(left_out.damaged) == number == _GIVE_UP_AFTER_LINES:
                break
            bar.advance()
    if left_out.damaged and not (left_out.newer or tables.signatures):
        raise CommandError(
            f"This key opens nothing in {source}: it is not a key that the signatures were sealed to."
        )
    return left_out


def _object(encoded: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ValueError: it is something else.
    """
    text = encoded.decode()
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise ValueError("too deep")
    # The version is the only number; as floats, numbers have no length at which Python refuses them.
    content = json.loads(text, parse_int=float, parse_constant=_refuse)
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no JSON (RFC 8259), although Python reads them."""
    raise ValueError(constant)


class Tables(ExitStack):
    """The files that an export is written to. A context manager, which closes them."""

    def __init__(self, folder: Path, kind: Kind, *, excel: bool, per_country: bool, per_partner: bool) -> None:
        super().__init__()
        self._folder = folder
        self._kind = kind
        self._encoding = "utf-8-sig" if excel and kind is Kind.CSV else "utf-8"
        self._per_country = per_country
        self._per_partner = per_partner
        #: Of each file that is open, what writes a row to it.
        self._writers = dict[str, Callable[[Row], object]]()
        self.signatures = 0
        self.by_country = Counter[str]()
        self.by_partner = Counter[str]()
        #: Of the consent text, those that were signed.
        self.versions = set[str]()
        #: How many signatures are in each file.
        self.written = Counter[str]()

    def add(self, confirmed_at: str, signature: SealedSignature) -> None:
        """Write a signature to every file that it belongs to, then count it."""
        fields = {"confirmed_at": confirmed_at, **signature.model_dump()}
        row = {column: fields[column] for column in COLUMNS}
        stems = ["signatures"]
        if self._per_country:
            stems.append(f"country-{signature.country}")
        if self._per_partner and signature.partner and signature.newsletter:
            stems.append(f"partner-{signature.partner}")
        for stem in stems:
            self.written[self._write(stem, row)] += 1
        self.signatures += 1
        self.by_country[signature.country] += 1
        if signature.partner:
            self.by_partner[signature.partner] += 1
        if signature.consent_version:
            self.versions.add(signature.consent_version)

    def add_consent(self, consent: ConsentText) -> None:
        """Write a consent text to their table, so that one finds the text of each signature's version."""
        self._write("consents", consent.model_dump())

    def _write(self, stem: str, row: Row) -> str:
        """Write a row to the file of that stem; return the file's name."""
        name = f"{stem}.{self._kind}"
        if name not in self._writers:
            self._writers[name] = self._begin(name, tuple(row))
        self._writers[name](row)
        return name

    def _begin(self, name: str, columns: Sequence[str]) -> Callable[[Row], object]:
        """Open a file, write its headings, and return what writes a row to it."""
        file = self.enter_context(private_files.open_private(self._folder / name))
        if self._kind is Kind.XLSX:
            sheet = "consents" if name.startswith("consents") else "signatures"
            workbook = self.enter_context(Workbook(file, self._folder, sheet, columns))
            return lambda row: workbook.add([_text(value) for value in row.values()])
        # RFC 4180 ends lines with CR LF, which the writer writes itself.
        text = self.enter_context(io.TextIOWrapper(file, encoding=self._encoding, newline=""))
        if self._kind is Kind.NDJSON:
            return lambda row: text.write(f"{json.dumps(row, ensure_ascii=False)}\n")
        _write_csv(text, columns)
        return lambda row: _write_csv(text, [_defused(_text(value)) for value in row.values()])


def _write_csv(file: TextIO, cells: Iterable[str]) -> None:
    """Write one line, with quotes around every cell: some programs split a line at more than commas."""
    csv.writer(file, quoting=csv.QUOTE_ALL).writerow(cells)


def _text(value: str | bool | None) -> str:
    """Write a value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def _defused(text: str) -> str:
    """Write a text so that a spreadsheet that reads it from CSV shows it and does not run it."""
    shown = _BEGINNING.sub(lambda found: f"{found[1]}'{found[2]}" if found[2] else found[0], text)
    return f"'{shown}" if text.startswith(("\t", "\r", "\n")) else shown


def _print_summary(opened: Opened, folder: Path) -> None:
    countries = table("country", "signatures")
    for country, number in sorted(opened.by_country.items(), key=lambda each: -each[1]):
        countries.add_row(country, f"{number:,}")
    out.print(countries)
    where = f"in {folder}, readable: {', '.join(opened.files) or 'no file'}"
    out.print(f"[green]{pluralize(opened.signatures, 'signature')}[/] opened, {escape(where)}.")
    out.print("Delete the folder as soon as it has served its purpose.")


def _compare(opened: Opened, manifest: Manifest | None) -> None:
    """Compare what was opened with the manifest, now that all files are written.

    Raises:
        CommandError: they differ, or lines were left out.
    """
    problems = [
        *_left_out("NOT OPENED", opened.damaged, opened.source),
        *_left_out("NOT OPENED, because a newer Undersign sealed them: update it", opened.newer, opened.source),
        *_left_out("REPEATED, and counted once", opened.repeated, opened.source),
    ]
    found, expected, agreed = _counts(opened, manifest)
    if expected is None:
        why = f"{MANIFEST} does not name it" if manifest else f"there is no {MANIFEST} beside it"
        out.print(
            f"Not compared: {opened.source}, for {why}. If anything is missing, nobody can tell.", markup=False
        )
    elif found != expected:
        problems.append(f"What was opened is not what {MANIFEST} of the export says: compare the two files.")
    else:
        out.print(agreed)
    if problems:
        raise CommandError("\n".join(problems))


def _left_out(why: str, numbers: Sequence[int], source: str) -> Iterator[str]:
    """Name the lines that were left out, in a sentence; nothing if there are none."""
    if numbers:
        shown = ", ".join(map(str, numbers[:_SHOWN_LINES]))
        more = f" and {len(numbers) - _SHOWN_LINES:,} more" if len(numbers) > _SHOWN_LINES else ""
        named = "number" if len(numbers) == 1 else "numbers"
        yield f"{why}: {pluralize(len(numbers), 'line')} of {source}, {named} {shown}{more}."


def _counts(opened: Opened, manifest: Manifest | None) -> tuple[object, object, str]:
    """Return what was counted, what the manifest says (None: nothing), and a sentence for when they agree."""
    if manifest and opened.source == manifest.file:
        return (
            (opened.signatures, opened.by_country, opened.by_partner),
            (manifest.signatures, manifest.by_country, manifest.by_partner),
            "It is what the manifest of the export says, country by country.",
        )
    expected = {partner.file: partner.contacts for partner in manifest.partners.values()} if manifest else {}
    if manifest and manifest.held:
        expected[manifest.held.file] = manifest.held.signatures
    return opened.signatures, expected.get(opened.source), "It is as many as the manifest of the export says."
