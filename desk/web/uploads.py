"""Forms with files, above all pictures: what is sent with them, checked, and put into the campaign's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from desk.campaigns import edit, pictures
from desk.campaigns.fields import Entry
from desk.errors import CommandError
from desk.web.forms import limited, read_pairs

#: Long petitions, and the consent texts of all languages.
_MAX_TEXT_BYTES = 2_000_000
#: Some phone photos; a picture that is too large for a campaign is named by its check.
_MAX_BYTES = 60_000_000
_MAX_PARTS = 5_000

#: A file name as the browser sends it, and what is in the file.
Upload = tuple[str, bytes]


async def read_form(
    request: Request, max_bytes: int = _MAX_BYTES
) -> tuple[Sequence[tuple[str, str]], Mapping[str, Upload]]:
    """Read the texts of a form by the names of its fields, and the files that were chosen.

    Raises:
        CommandError: it is larger than `max_bytes`, or than a form of the editor, or of another kind.
    """
    if not request.headers.get("content-type", "").startswith("multipart/"):
        return await read_pairs(request, _MAX_TEXT_BYTES), {}
    parser = MultiPartParser(
        request.headers,
        limited(request, max_bytes),
        max_files=_MAX_PARTS,
        max_fields=_MAX_PARTS,
        max_part_size=_MAX_TEXT_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException:
        raise CommandError("That is not what this form sends. Nothing was saved.") from None
    sent = form.multi_items()
    texts = [(name, value) for name, value in sent if isinstance(value, str)]
    files = {
        name: (str(value.filename), await value.read())
        for name, value in sent
        if isinstance(value, UploadFile) and value.size
    }
    await form.close()
    return texts, files


def is_removed(entry: Entry, given: Mapping[str, str]) -> bool:
    """Return whether a form says that the picture of a field is to be shown no longer."""
    return bool(given.get(f"{entry.name}.remove"))


def saved_name(entry: Entry, given: Mapping[str, str]) -> str:
    """Return the picture that is saved already for a field; empty where a form makes the file name none any more.

    That for posts is never named in it.
    """
    return "" if is_removed(entry, given) and entry.location != pictures.SHARE else entry.shown


@dataclass(slots=True)
class Pictures:
    """Pictures of one form, in the campaign's folder before its file names them. `faults`: of those refused.

    `share`: the picture for posts, which takes the place of another one once all else can be saved; empty to
    delete it.
    """

    folder: Path
    faults: edit.Errors = field(default_factory=list)
    share: bytes | None = None
    _new: list[Path] = field(default_factory=list)
    _old_share: bytes | None = None

    def name(self, entry: Entry, given: Mapping[str, str], uploads: Mapping[str, Upload]) -> str:
        """Return what a form makes of a picture's field: the name of a file, empty to name none any more."""
        if upload := uploads.get(entry.name):
            return self._put(entry, *upload)
        if entry.location == pictures.SHARE:
            self.share = b"" if is_removed(entry, given) else None
        return saved_name(entry, given)

    def _put(self, entry: Entry, filename: str, content: bytes) -> str:
        name = pictures.safe_name(entry.location, filename)
        try:
            content = pictures.checked(entry.location, name, content)
        except ValueError as error:
            self.faults.append((entry.location, str(error)))
            return entry.shown
        if entry.location == pictures.SHARE:
            self.share = content
            return entry.shown
        name, is_new = pictures.store(self.folder, name, content)
        if is_new:
            self._new.append(self.folder / name)
        return name

    def put_share(self) -> None:
        """Write or delete the picture for posts, before the campaign's file is saved.

        Raises:
            CommandError: that cannot be done.
        """
        if self.share is not None:
            file = self.folder / pictures.SHARE_FILE
            old = file.read_bytes() if file.is_file() else b""
            pictures.write(file, self.share)
            self._old_share = old

    def drop(self) -> None:
        """Remove the pictures that came with a form which was not saved, and put the former one for posts back."""
        for file in self._new:
            file.unlink(missing_ok=True)
        if self._old_share is not None:
            pictures.write(self.folder / pictures.SHARE_FILE, self._old_share)
