"""`undersign backup`: a copy of what a server on one machine keeps."""

from pathlib import Path
from typing import Annotated

import typer

from desk import runtime
from desk.terminal.output import out


def backup(
    to: Annotated[Path, typer.Option("--to", help="A new folder, which will be readable for its owner alone.")],
) -> None:
    """Copy the queue and the store of a server on one machine, while it runs.

    What was erased is in no copy made afterwards. Secrets and campaign files are not copied.
    """
    copies = runtime.backup(to)
    out.print(f"Copied {' and '.join(copy.name for copy in copies)} to {to}.", markup=False)
