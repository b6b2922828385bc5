"""`undersign stats`: the numbers of a campaign as tables, as JSON, or as a report with charts."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, date
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from desk import private_files
from desk.errors import CommandError
from desk.stats import report, summary
from desk.stats.summary import Breakdown, Row, Stats
from desk.terminal.output import out, print_warning, table
from desk.workspace import CampaignId
from shared.clock import utc_now
from shared.stats.funnel import Stage


def stats(
    campaign: CampaignId,
    by: Annotated[
        list[Breakdown] | None, typer.Option(help="Divide the funnel; may be given several times.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="Signed on this day or later, as in 2026-11-01.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Signed on this day or earlier, as in 2026-11-30.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report with charts to this file.")] = None,
) -> None:
    """Show how far a campaign is, and how many were accepted, mailed, opened the link and confirmed."""
    first, last = _day("--since", since), _day("--until", until)
    if first and last and last < first:
        raise CommandError("--until lies before --since: nobody signed on no day.")
    found, known, line = asyncio.run(summary.gather(campaign, (first, last), utc_now()))
    if html:
        private_files.replace(html, report.render(found, known, line))
        out.print(f"Written to {html}. It holds small numbers, too: it is for the organisers' eyes.", markup=False)
    elif as_json:
        out.print(found.model_dump_json(indent=2), markup=False)
    else:
        _print(found, by or [])


def _day(option: str, given: str | None) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        raise CommandError(f"{option}: write a day, as in 2026-11-01, and not {given}") from None


def _print(found: Stats, by: Sequence[Breakdown]) -> None:
    out.print(f"[bold]{escape(found.title)}[/], {found.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    for line in _progress(found):
        out.print(line)
    out.print(_funnel(found.funnel))
    if found.median_minutes_to_confirm is not None:
        out.print(f"Half of those who confirm do so within {summary.duration(found.median_minutes_to_confirm)}.")
    _warn_of_unopened(found.by[Breakdown.DAY])
    for kind in by:
        out.print(_divided(kind, found.by[kind]))
    if not by:
        out.print(f"More with --by {', '.join(Breakdown)}; --html FILE writes a report with charts.")


def _warn_of_unopened(days: Sequence[Row]) -> None:
    """Warn where more pressed the button than loaded its page, which no browser does."""
    if found := [row.key for row in days if row.confirmed > row.opened]:
        print_warning(
            f"Of those who signed on {', '.join(found)}, more confirmed than opened their link: a program may "
            "press the button without the page. Look at undersign screen list."
        )


def _progress(found: Stats) -> Iterator[str]:
    count = found.count
    yield (
        f"[green]{count.total:,} signatures[/], {count.total / count.goal:.1%} of {count.goal:,}; "
        f"next goal {count.next_goal:,}."
    )
    if found.held:
        yield f"[yellow]{found.held:,} more are held[/] and not counted: undersign screen list"
    if found.work_since:
        yield (
            f"[yellow]Browsers are asked for work[/] since {found.work_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
            "for most mails were not confirmed."
        )
    if count.paper:
        yield f"{count.paper.total:,} more on paper."
    if count.thresholds:
        yield f"{count.thresholds.met} of {count.thresholds.needed} countries needed are over their threshold."


def _funnel(whole: Row) -> Table:
    rows = table("stage", "submissions", "of accepted", title="From the form to the count")
    for stage in Stage:
        number: int = getattr(whole, stage)
        rows.add_row(stage, f"{number:,}", _percent(number, whole.accepted))
    return rows


def _divided(by: Breakdown, divided: Sequence[Row]) -> Table:
    rows = table(by, *Stage, "rate", title=f"By {by}")
    for row in divided:
        numbers = (f"{getattr(row, stage):,}" for stage in Stage)
        rows.add_row(row.key, *numbers, _percent(row.confirmed, row.accepted))
    return rows


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
