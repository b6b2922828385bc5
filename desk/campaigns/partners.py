"""`undersign campaign pause`, `resume` and `admit-partner`: in force within a minute, without a deployment."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer
from pydantic import ValidationError

from desk import runtime, workspace
from desk.errors import CommandError
from desk.terminal.output import out, say
from shared.campaigns import problems
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import AdmittedPartner, Overlay, applied

CampaignId = Annotated[str, typer.Argument(help="The campaign's id.")]


def pause(campaign: CampaignId) -> None:
    """Take no new signatures for now. Links in the mail go on working, and the counter goes on."""
    asyncio.run(change(campaign, lambda overlay, _: overlay.model_copy(update={"paused": True})))
    out.print(f"{campaign} is [yellow]paused[/] within a minute. To go on: undersign campaign resume {campaign}")


def resume(campaign: CampaignId) -> None:
    """Take signatures again."""
    asyncio.run(change(campaign, lambda overlay, _: overlay.model_copy(update={"paused": False})))
    out.print(f"{campaign} [green]takes signatures[/] again, within a minute.")


def admit_partner(
    campaign: CampaignId,
    partner: Annotated[str, typer.Argument(help="The partner's short name, a to z, 0 to 9 and hyphens.")],
    origin: Annotated[
        list[str], typer.Option(help="Of its pages, as in https://www.example.org; may be repeated.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What it is called; needed for a new one.", show_default=False)
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="The country its form starts with, as in DE.", show_default=False)
    ] = None,
) -> None:
    """Let a partner show the form on its pages, or on further pages of its own.

    For a partner's own key to its newsletter contacts, write it into the campaign file and deploy that.
    """

    if any(given.startswith("http:") for given in origin) and not runtime.desk().is_local:
        raise CommandError("Pages on http:// are for this machine alone: give the partner's https:// origin.")

    def admit(overlay: Overlay, known: Campaign) -> Overlay:
        before = overlay.partners.get(partner)
        in_file = known.partners.get(partner)
        called = name or (before and before.name) or (in_file and in_file.name)
        if not called:
            raise CommandError(f"{partner} is new: say what it is called, with --name.")
        _refuse_taken(known, overlay, partner, origin)
        origins = dict.fromkeys([*(before.origins if before else ()), *origin])
        added = _admitted(called, list(origins), country or (before.country if before else None))
        return _checked({**overlay.model_dump(), "partners": {**overlay.partners, partner: added}})

    asyncio.run(change(campaign, admit))
    say(
        "Pages of {origins} may show the form of {campaign} within a minute, as {partner}.",
        origins=", ".join(origin),
        campaign=campaign,
        partner=partner,
    )
    out.print("Write it into the campaign file, too, for those who read that.")


def dismiss_partner(
    campaign: CampaignId,
    partner: Annotated[str, typer.Argument(help="The partner's short name.")],
) -> None:
    """Take back what `admit-partner` has admitted. What the campaign file says stays until it is deployed anew."""

    def dismiss(overlay: Overlay, _: Campaign) -> Overlay:
        if partner not in overlay.partners:
            admitted = ", ".join(sorted(overlay.partners)) or "none"
            raise CommandError(f"{partner} was not admitted by this command. Admitted were: {admitted}.")
        left = {slug: known for slug, known in overlay.partners.items() if slug != partner}
        return overlay.model_copy(update={"partners": left})

    asyncio.run(change(campaign, dismiss))
    say(
        "Pages of {partner} may no longer show the form of {campaign}, within a minute.",
        partner=partner,
        campaign=campaign,
    )


async def change(campaign: str, changed: Callable[[Overlay, Campaign], Overlay]) -> Overlay:
    """Change the overlay of a campaign. `changed`: from what it is, and the campaign of the file."""
    async with workspace.opened(campaign) as (known, records):
        return await records.change_overlay(campaign, lambda overlay: changed(overlay, known))


def _refuse_taken(campaign: Campaign, overlay: Overlay, partner: str, origins: list[str]) -> None:
    owners = applied(campaign, overlay).partner_by_origin
    for origin in origins:
        if owners.get(origin, partner) != partner:
            raise CommandError(f"{origin} belongs to {owners[origin]} already; one origin is one partner's.")


def _admitted(name: str, origins: list[str], country: str | None) -> AdmittedPartner:
    try:
        return AdmittedPartner.model_validate({"name": name, "origins": origins, "country": country})
    except ValidationError as fault:
        raise CommandError("\n".join(problems.of_keys(AdmittedPartner, fault))) from None


def _checked(overlay: dict[str, object]) -> Overlay:
    try:
        return Overlay.model_validate(overlay)
    except ValidationError as fault:
        raise CommandError("\n".join(problems.of_keys(Overlay, fault))) from None
