"""`undersign keys-page`: write the page with which people hold a key without a terminal."""

from pathlib import Path
from typing import Annotated

import typer

from desk import private_files
from desk.offline_pages import pages
from desk.terminal.output import print_text


def keys_page(
    folder: Annotated[
        Path, typer.Argument(help="The folder to write it to, such as that of a USB stick.")
    ] = Path(),
) -> None:
    """Write keys.html: a page that makes a key and answers test files in a browser, offline.

    It is the same for everybody who has this version of Undersign, and no secret.

    Raises:
        CommandError: it cannot be written.
    """
    file = folder / pages.KEYS
    private_files.replace(file, pages.render(pages.KEYS), mode=0o644)
    print_text(
        "[green]Written[/] to {file}. Give it to the person who is to hold a key, best on a USB stick. It works "
        "in a browser without a network.\n\n"
        "A forged page could make a key that its forger knows. So let them compare its SHA-256, by telephone:\n\n"
        "    {digest}",
        file=file,
        digest=private_files.sha256(file),
    )
