"""The command `undersign`: the organiser's desk.

It stands on the same library as the functions, and reaches the same store; no function imports it.
"""

import sys
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from desk.campaigns import check, drafts, new, partners
from desk.campaigns.list import list_all
from desk.errors import CommandError
from desk.keys import prove as keys
from desk.rights import access
from desk.signatures import export, paper, purge
from desk.signatures.open import open_export
from desk.stats import audit, stats
from desk.terminal import output
from shared.errors import ConfigurationError, Unavailable

app = typer.Typer(
    name="undersign",
    help="The organiser's desk of Undersign: from the first key to delivered signatures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


app.command()(keys.keygen)
app.command()(keys.prove)
app.command()(keys.answer)
app.command()(export.export)
app.command(name="open")(open_export)
app.command()(stats.stats)
app.command()(audit.audit)
app.command()(access.access)
app.command()(access.erase)
app.command()(purge.hand_over)
app.command()(purge.purge)
app.add_typer(paper.app, name="offline")
campaign = typer.Typer(help="Campaign files, and what changes without a deployment.", no_args_is_help=True)
campaign.command()(new.new)
campaign.command()(check.check)
campaign.command(name="list")(list_all)
campaign.command()(drafts.drafts)
campaign.command()(partners.pause)
campaign.command()(partners.resume)
campaign.command()(partners.admit_partner)
campaign.command()(partners.dismiss_partner)
app.add_typer(campaign, name="campaign")


def main() -> None:
    """Run one command; a fault is told in a sentence, without a traceback, and ends it with status 2."""
    output.speak_in_any_terminal()
    try:
        app()
    except (ConfigurationError, CommandError) as fault:
        _complain(str(fault))
    except ValidationError:
        _complain(
            "What is stored was written by a newer undersign, or is damaged. Update this one, and try again."
        )
    except Unavailable as away:
        _complain(
            f"The database or the queue does not answer ({away}). Run the same command again; "
            "it goes on where it stopped."
        )
    except OSError as error:
        _complain(f"{error.filename or 'A file'}: {error.strerror}.")


def _complain(told: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(told, style="red", markup=False, highlight=False)
    sys.exit(2)


if __name__ == "__main__":
    main()
