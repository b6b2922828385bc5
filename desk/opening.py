"""`undersign open`: an export becomes tables that one can read, on a machine that needs no network.

Spreadsheets run what begins with = + - or @ as a formula, whoever typed it, so such a cell gets an apostrophe in
front (https://owasp.org/www-community/attacks/CSV_Injection). NDJSON holds what was typed, as it was typed.
"""

import base64
import csv
import json
from collections import Counter
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from rich.table import Table

from desk import exporting, files, progress
from desk.asking import out
from desk.exporting import MANIFEST, SIGNATURES, Manifest
from desk.faults import Fault
from desk.keys import IdentityFiles, read_all
from shared.errors import Unopenable
from shared.models import SLUG
from shared.runtime import utc_now
from shared.sealing import Opener

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_SHOWN_LINES = 10
#: When none of so many lines opens, no other will.
_HOPELESS = 100


class Kind(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


class Signature(BaseModel):
    """One signature as it is written out; its fields are the columns. A partner's own export holds fewer of them.

    Country and partner become names of files, so they are looked at more closely than the rest.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    confirmed_at: str
    signed_at: str | None = None
    name: str
    email: str
    country: str = Field(pattern="^[A-Z]{2}$")
    postal_code: str | None = None
    locale: str
    partner: str | None = Field(default=None, pattern=f"^{SLUG}$")
    newsletter: bool | None = None
    consent_version: str | None = None


class OpenedFile(BaseModel):
    signatures: int
    sha256: str


class Opened(BaseModel):
    """What was opened, and what each file made of it holds. `damaged`: the numbers of lines that did not open."""

    campaign: str | None
    source: str
    source_sha256: str
    opened_at: AwareDatetime
    signatures: int
    by_country: dict[str, int]
    by_partner: dict[str, int]
    damaged: list[int]
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
        raise Fault(f"Say which key opens it, as in: undersign open {export} -i ann.age")
    opener = Opener(read_all(identity))
    folder = to or Path(f"{source.parent.resolve().name}-opened")
    files.new_folder(folder)
    with Tables(folder, kind, excel=excel, per_country=per_country, per_partner=per_partner) as tables:
        damaged = _open(source, opener, tables)
    opened = Opened(
        campaign=manifest.campaign if manifest else None,
        source=source.name,
        source_sha256=sha256,
        opened_at=utc_now(),
        signatures=tables.signatures,
        by_country=dict(sorted(tables.by_country.items())),
        by_partner=dict(sorted(tables.by_partner.items())),
        damaged=damaged,
        files={
            name: OpenedFile(signatures=number, sha256=files.sha256(folder / name))
            for name, number in sorted(tables.written.items())
        },
    )
    files.replace(folder / MANIFEST, opened.model_dump_json(indent=2))
    _say(opened, folder)
    _compare(opened, manifest)


def _manifest(source: Path) -> Manifest | None:
    """What lies beside an export and says what it should hold; None for a file that came alone.

    Raises:
        Fault: the export is not finished, or there is none.
    """
    if not source.is_file():
        raise Fault(f"There is no {source}: name the folder that undersign export made, or an .ndjson file of it.")
    if (source.parent / exporting.UNFINISHED).exists():
        raise Fault(f"The export in {source.parent} is not finished: run undersign export again, it will go on.")
    try:
        return Manifest.model_validate_json((source.parent / MANIFEST).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _check(source: Path, manifest: Manifest | None) -> str:
    """The SHA-256 of the file, which must be the one that its manifest names."""
    sha256 = files.sha256(source)
    known = {partner.file: partner.sha256 for partner in manifest.partners.values()} if manifest else {}
    known |= {manifest.file: manifest.sha256} if manifest else {}
    if known.get(source.name, sha256) != sha256:
        raise Fault(
            f"{source} is not what was exported: its SHA-256 is not the one in {MANIFEST}. Copy it once more from "
            f"where it was exported. To open it as it is, take it out of this folder."
        )
    return sha256


def _open(source: Path, opener: Opener, tables: "Tables") -> list[int]:
    """Open line by line. The numbers of the lines that did not open.

    Raises:
        Fault: this key opens none of the first `_HOPELESS` lines.
    """
    damaged = []
    with source.open("rb") as lines, progress.bar() as bar:
        task = bar.add_task("Opening", total=None)
        for number, line in enumerate(lines, 1):
            try:
                tables.add(_signature(line, opener))
            except (Unopenable, ValueError):
                damaged.append(number)
            if len(damaged) == number == _HOPELESS:
                break
            bar.update(task, completed=number)
        bar.update(task, total=tables.signatures + len(damaged))
    if damaged and not tables.signatures:
        raise Fault(f"This key opens nothing in {source}: it is not a key that the signatures were sealed to.")
    return damaged


def _signature(line: bytes, opener: Opener) -> Signature:
    """
    Raises:
        Unopenable, ValueError: the line is not as it was exported.
    """
    exported = _object(line)
    personal = _object(opener.open(base64.b64decode(str(exported.get("sealed")), validate=True)))
    return Signature.model_validate({**personal, "confirmed_at": exported.get("confirmed_at")})


def _object(text: bytes) -> dict[str, Any]:
    """
    Raises:
        ValueError: it holds something else.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("no object")
    return content


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
        """Write it to every file that it belongs to."""
        self.signatures += 1
        self.by_country[signature.country] += 1
        if signature.partner:
            self.by_partner[signature.partner] += 1
        self._write("signatures", signature)
        if self._per_country:
            self._write(f"country-{signature.country}", signature)
        if self._per_partner and signature.partner and signature.newsletter:
            self._write(f"partner-{signature.partner}", signature)

    def _write(self, stem: str, signature: Signature) -> None:
        name = f"{stem}.{self._kind}"
        file = self._file(name)
        if self._kind is Kind.CSV:
            csv.writer(file).writerow(_cell(value) for _, value in signature)
        else:
            file.write(f"{json.dumps(signature.model_dump(), ensure_ascii=False)}\n")
        self.written[name] += 1

    def _file(self, name: str) -> TextIO:
        if name not in self._files:
            encoding = "utf-8-sig" if self._excel and self._kind is Kind.CSV else "utf-8"
            path = self._folder / name
            path.touch(mode=0o600)
            # RFC 4180 ends lines with CR LF, which the writer writes itself.
            self._files[name] = self._opened.enter_context(path.open("w", encoding=encoding, newline=""))
            if self._kind is Kind.CSV:
                csv.writer(self._files[name]).writerow(Signature.model_fields)
        return self._files[name]


def _cell(value: str | bool | None) -> str:
    """As a spreadsheet shows it, without running it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"'{value}" if value.startswith(_FORMULA) else value


def _say(opened: Opened, folder: Path) -> None:
    table = Table("country", "signatures")
    table.columns[1].justify = "right"
    for country, number in sorted(opened.by_country.items(), key=lambda each: -each[1]):
        table.add_row(country, f"{number:,}")
    out.print(table)
    out.print(f"[green]{opened.signatures:,} signatures[/] are in {folder}, readable: {', '.join(opened.files)}.")
    out.print("Delete the folder as soon as it has served its purpose.")


def _compare(opened: Opened, manifest: Manifest | None) -> None:
    """
    Raises:
        Fault: something is missing, which is said at the end, when all else is written.
    """
    if opened.damaged:
        numbers = ", ".join(map(str, opened.damaged[:_SHOWN_LINES]))
        more = f" and {len(opened.damaged) - _SHOWN_LINES} more" if len(opened.damaged) > _SHOWN_LINES else ""
        raise Fault(f"NOT OPENED: {len(opened.damaged):,} lines of {opened.source}, numbers {numbers}{more}.")
    if manifest and opened.source == manifest.file:
        expected = (manifest.signatures, manifest.by_country, manifest.by_partner)
        if (opened.signatures, opened.by_country, opened.by_partner) != expected:
            raise Fault(f"What was opened is not what {MANIFEST} of the export says: compare the two files.")
        out.print("It is what the manifest of the export says, country by country.")
