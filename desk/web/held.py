"""The pages on which signatures that may be a bot's are looked at, held, released and dropped; see `selection`."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.errors import CommandError
from desk.progress import Progress
from desk.runtime import Desk
from desk.signatures import selection
from desk.signatures.selection import (
    Choose,
    Overview,
    Preview,
    Rule,
    Selected,
    parse_domains,
    parse_hours,
    parse_moment,
)
from desk.terminal.output import pluralize
from desk.web.forms import campaign_id, read_fields, title
from desk.web.jobs import Work, jobs
from desk.web.rendering import named, render
from desk.workspace import open_campaign
from shared.clock import utc_now
from shared.models.labels import Label
from shared.store.entities import Status
from shared.store.transitions import undo_screening

#: The kinds of jobs of these pages: reading everything, reading whom a choice concerns, and changing these.
_LOOK, _PREVIEW, _CHANGE = "look", "preview", "change"
_MEANINGS = {
    Label.DISPOSABLE_DOMAIN: "a mailbox to throw away",
    Label.TOO_FAST: "sent sooner than anybody fills in the form",
    Label.NO_PAGE: "sent without the form having been loaded",
    Label.NO_WORK: "sent without the work that you ask for",
    Label.DOMAIN_BURST: "many of one mail domain within an hour",
    Label.NETWORK_BURST: "many of one network within an hour",
}
_VERBS = {Status.CONFIRMED: "Release", Status.DROPPED: "Drop", Status.HELD: "Hold"}
_UNDO = "Undo the last step of"
_LABELS = {"since": "Since this moment (UTC)"}
#: What the verbs have done.
_DONE = {"Release": "released", "Drop": "dropped", "Hold": "held", _UNDO: "set back by a step"}


@dataclass(frozen=True, slots=True)
class Looked:
    """All signatures with labels, as they were `at` this moment."""

    at: datetime
    overview: Overview


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom a choice concerns. `words`: the choice. `numbers`: of each verb, how many it would change."""

    words: Sequence[str]
    countries: selection.Groups
    found: Mapping[str, Selected]
    choose: Mapping[str, Callable[[datetime], Choose]]
    id: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done, in `words`, to so many."""

    words: str
    number: int


async def show_held(request: Request) -> Response:
    """Show how many are held, and with which labels; what was begun here, and what came of it."""
    return await _page(request)


async def _page(request: Request, since: str = "", fault: str = "") -> Response:
    """`since`: the moment that was written into the form which undoes. `fault`: what is wrong with it."""
    campaign, known = campaign_id(request), jobs(request)
    async with open_campaign(campaign) as (found, desk):
        held = (await desk.maintenance.tally(campaign)).held
    looked, change = known.get(campaign, _LOOK), known.get(campaign, _CHANGE)
    return render(
        "held.html",
        400 if fault else 200,
        campaign=found,
        title=title(found),
        held=held,
        jobs=[job for job in (change, looked) if job],
        is_busy=any(job and job.is_running for job in (change, looked)),
        looked=looked.result if looked else None,
        change=change,
        labels_of_form=_LABELS,
        since=since,
        faults=[("since", fault)] if fault else [],
        labels=_labels(looked.result) if looked else {},
        largest=selection.largest,
        columns=selection.columns,
    )


def _labels(looked: Looked | None) -> Mapping[str, str]:
    """Return those labels that any signature has, and what they mean."""
    found = {label for together in (looked.overview.labels if looked else ()) for label in together.split(" + ")}
    return {label: meaning for label, meaning in _MEANINGS.items() if label in found}


async def look(request: Request) -> Response:
    """Read all signatures of a campaign, to show what is held by labels, hours and domains."""
    campaign = campaign_id(request)

    async def work(desk: Desk, progress: Progress) -> Looked:
        now = utc_now()
        return Looked(now, await selection.look(desk, campaign, now, progress))

    await _start(request, _LOOK, f"Look at the signatures of {campaign}", work)
    return _redirect(request, "held")


async def choose(request: Request) -> Response:
    """Find those who are ticked, and change nothing."""
    campaign, fields = campaign_id(request), await read_fields(request)
    labels, domains, hours = (_ticked(fields, group) for group in ("label", "domain", "hour"))
    if unknown := [label for label in labels if label not in set(Label)]:
        raise CommandError(f"There is no label {', '.join(unknown)}.")
    rule = Rule(frozenset(map(Label, labels)), parse_domains(domains), parse_hours(hours))
    words = [
        *(f"{label}: {_MEANINGS[Label(label)]}" for label in labels),
        *(["in one of these hours: " + ", ".join(hours)] if hours else []),
        *(["of one of these mail domains: " + ", ".join(domains)] if domains else []),
    ]
    # Volume alone is what the news, a university or a mobile network brings.
    statuses = [status for status in _VERBS if labels or status is not Status.HELD]

    async def work(desk: Desk, progress: Progress) -> Choice:
        found: Preview = await selection.preview(desk, campaign, rule, utc_now(), progress)
        return Choice(
            words,
            found.countries,
            {_VERBS[status]: found.changed_by(status) for status in statuses},
            {_VERBS[status]: partial(rule.to, status) for status in statuses},
        )

    await _start(request, _PREVIEW, f"Look for signatures of {campaign} {'; '.join(words)}".rstrip(), work)
    return _redirect(request, "held/choice")


async def choose_undo(request: Request) -> Response:
    """Find those who were held, released or dropped since a moment, and change nothing."""
    campaign, fields = campaign_id(request), await read_fields(request)
    written = fields.get("since", "")
    try:
        since = parse_moment(written)
    except CommandError as error:
        return await _page(request, written, str(error))

    def choose(now: datetime) -> Choose:
        return partial(undo_screening, since=since, now=now)

    async def work(desk: Desk, progress: Progress) -> Choice:
        now = utc_now()
        found = await selection.find(desk, campaign, choose(now), now, progress)
        words = [f"held, released or dropped since {since:%Y-%m-%d %H:%M:%S} UTC"]
        return Choice(words, {}, {_UNDO: found}, {_UNDO: choose})

    await _start(request, _PREVIEW, f"Look for what was done in {campaign} since {since:%Y-%m-%d %H:%M:%S}", work)
    return _redirect(request, "held/choice")


async def show_choice(request: Request) -> Response:
    """Show whom a choice concerns, and ask what to do with them."""
    campaign = campaign_id(request)
    job = jobs(request).get(campaign, _PREVIEW)
    if job is None:
        return _redirect(request, "held")
    async with open_campaign(campaign) as (found, _):
        return render(
            "choice.html",
            campaign=found,
            title=title(found),
            job=job,
            choice=job.result,
            pluralize=pluralize,
            columns=selection.columns,
            largest=selection.largest,
        )


async def change(request: Request) -> Response:
    """Hold, release, drop or undo what the page has shown, and nothing that came in since.

    Raises:
        CommandError: it is not what was last shown, or something else is under way.
    """
    campaign, fields, known = campaign_id(request), await read_fields(request), jobs(request)
    job = known.get(campaign, _PREVIEW)
    choice: Choice | None = job.result if job else None
    verb = fields.get("verb", "")
    if choice is None or fields.get("choice") != choice.id or verb not in choice.found:
        raise CommandError("This page is no longer the newest: look again. This press has changed nothing.")

    async def work(desk: Desk, progress: Progress) -> Changed:
        choose = choice.choose[verb](utc_now())
        changed = await selection.change(desk, campaign, choice.found[verb], choose, progress)
        return Changed(f"{pluralize(changed, 'signature')} {_DONE[verb]}", changed)

    number = pluralize(choice.found[verb].total, "signature")
    await _start(request, _CHANGE, f"{verb} {number} of {campaign} {named()}", work)
    for kind in (_PREVIEW, _LOOK):  # which are as of before
        known.forget(campaign, kind)
    return _redirect(request, "held")


async def _start(
    request: Request, kind: str, title: str, work: Callable[[Desk, Progress], Awaitable[object]]
) -> None:
    """Start a job with the campaign opened, and wait for a moment. Raises like `Jobs.start`."""
    campaign = campaign_id(request)
    await jobs(request).start(campaign, kind, title, _with_desk(campaign, work)).wait()


def _with_desk(campaign: str, work: Callable[[Desk, Progress], Awaitable[object]]) -> Work:
    async def opened(progress: Progress) -> object:
        async with open_campaign(campaign) as (_, desk):
            return await work(desk, progress)

    return opened


def _ticked(fields: Mapping[str, str], group: str) -> list[str]:
    """Return what was ticked of a group of boxes, which are named like label.too_fast."""
    return [name.removeprefix(f"{group}.") for name in fields if name.startswith(f"{group}.")]


def _redirect(request: Request, page: str) -> Response:
    return RedirectResponse(f"/campaigns/{campaign_id(request)}/{page}", status_code=303)
