"""The command `undersign`: the organisers' desk.

It shares the functions' library, and reaches the same store; no function imports it.
"""

import sys
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from desk.campaigns.check import check_campaigns
from desk.campaigns.drafts import draft_papers
from desk.campaigns.list import list_campaigns
from desk.campaigns.new import new_campaign
from desk.campaigns.partners import admit_partner, dismiss_partner
from desk.campaigns.pause import pause, resume
from desk.campaigns.proof_of_work import proof_of_work
from desk.errors import CommandError
from desk.keys.answer import answer
from desk.keys.keygen import keygen
from desk.keys.keys_page import keys_page
from desk.keys.prove import prove
from desk.rights.access import access
from desk.rights.erase import erase
from desk.settings import use_deployment
from desk.signatures import paper, screen
from desk.signatures.export import export
from desk.signatures.hand_over import hand_over
from desk.signatures.open import open_export
from desk.signatures.purge import purge
from desk.signatures.restore import restore
from desk.stats.audit import audit
from desk.stats.stats import stats
from desk.store.backup import backup
from desk.store.move import move
from desk.terminal.output import out, print_error, replace_unencodable
from desk.web import serve
from infra.deploy import gcloud
from shared.errors import ConfigurationError, Unavailable
from shared.settings import VERSION

app = typer.Typer(name="undersign", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"undersign {VERSION}")
        raise typer.Exit


@app.callback()
def desk(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and exit."),
    ] = False,
    environment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Work on this deployment, production or staging, as its file in infra/environments, or in "
            "environments where the command was installed, says; "
            "otherwise on what make run keeps in var.",
        ),
    ] = None,
) -> None:
    """The organiser's desk of Undersign: from the first key to delivered signatures."""  # noqa: D401 - its --help
    use_deployment(gcloud.environment(environment) if environment is not None else None)


app.command("desk", rich_help_panel="In the browser")(serve.desk)
app.command(rich_help_panel="Keys")(keygen)
app.command(rich_help_panel="Keys")(prove)
app.command(rich_help_panel="Keys")(answer)
app.command("keys-page", rich_help_panel="Keys")(keys_page)
app.command(rich_help_panel="Signatures")(export)
app.command("open", rich_help_panel="Signatures")(open_export)
app.command(rich_help_panel="Signatures")(hand_over)
app.command(rich_help_panel="Signatures")(purge)
app.command(rich_help_panel="Signatures")(restore)
app.command(rich_help_panel="Counting")(stats)
app.command(rich_help_panel="Counting")(audit)
app.command(rich_help_panel="Signers' rights")(access)
app.command(rich_help_panel="Signers' rights")(erase)
app.command(rich_help_panel="Deployment")(backup)
app.command(rich_help_panel="Deployment")(move)
app.add_typer(paper.app, name="offline", rich_help_panel="Counting")
app.add_typer(screen.app, name="screen", rich_help_panel="Counting")

campaign = typer.Typer(help="Campaign files, and what changes without a deployment.", no_args_is_help=True)
campaign.command("new")(new_campaign)
campaign.command("check")(check_campaigns)
campaign.command("list")(list_campaigns)
campaign.command("drafts")(draft_papers)
campaign.command()(pause)
campaign.command()(resume)
campaign.command()(admit_partner)
campaign.command()(dismiss_partner)
campaign.command()(proof_of_work)
app.add_typer(campaign, name="campaign", rich_help_panel="Campaigns")


def main() -> None:
    """Run one command; print an error as one sentence, without a traceback, and exit with status 2."""
    replace_unencodable()
    try:
        app()
    except (ConfigurationError, CommandError) as error:
        _exit(str(error))
    except ValidationError:
        _exit("What is stored was written by a newer undersign, or is damaged. Update this one, and try again.")
    except Unavailable as error:
        _exit(
            f"The database or the queue does not answer ({error}). Run the same command again; "
            "it goes on where it stopped."
        )
    except OSError as error:
        _exit(f"{error.filename or 'A file'}: {error.strerror}.")


def _exit(message: str) -> NoReturn:
    print_error(message)
    sys.exit(2)


if __name__ == "__main__":
    main()
