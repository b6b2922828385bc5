"""`undersign campaign admit-partner` and `dismiss-partner`: in force within a minute, without a deployment."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from desk import runtime
from desk.errors import CommandError, validate
from desk.terminal.output import out
from desk.workspace import CampaignId, change_overlay
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import AdmittedPartner, Overlay, apply_overlay


def admit_partner(
    campaign: CampaignId,
    partner: Annotated[str, typer.Argument(help="The partner's short name, a to z, 0 to 9 and hyphens.")],
    origin: Annotated[
        list[str], typer.Option(help="Of its pages, as in https://www.example.org; may be repeated.")
    ],
    name: Annotated[str | None, typer.Option(help="What it is called; needed for a new one.")] = None,
    country: Annotated[str | None, typer.Option(help="The country its form starts with, as in DE.")] = None,
) -> None:
    """Let a partner show the form on its pages, or on further pages of its own.

    For a partner's own key to its newsletter contacts, write it into the campaign file and deploy that.
    """
    place = asyncio.run(admit(campaign, partner, origin, name, country))
    pages = ", ".join(origin)
    out.print(
        f"Pages of {pages} may show the form of {campaign} within a minute, as {partner}, in {place}.",
        markup=False,
    )
    out.print("Write it into the campaign file, too, for those who read that.")


def dismiss_partner(
    campaign: CampaignId, partner: Annotated[str, typer.Argument(help="The partner's short name.")]
) -> None:
    """Take back what `admit-partner` has admitted. What the campaign file says stays."""
    place = asyncio.run(dismiss(campaign, partner))
    out.print(
        f"Pages of {partner} may no longer show the form of {campaign}, within a minute, in {place}.", markup=False
    )


async def admit(campaign: str, partner: str, origins: Sequence[str], name: str | None, country: str | None) -> str:
    """Let a partner show the form on pages of these origins, and return in words where.

    Raises:
        CommandError: a value is wrong, or an origin is another partner's.
    """
    if any(given.startswith("http:") for given in origins) and not runtime.desk().is_local:
        raise CommandError("Pages on http:// are for this machine alone: give the partner's https:// origin.")

    def change(overlay: Overlay, known: Campaign) -> Overlay:
        before = overlay.partners.get(partner)
        in_file = known.partners.get(partner)
        called = name or (before and before.name) or (in_file and in_file.name)
        if not called:
            raise CommandError(f"{partner} is new: say what it is called, with --name.")
        _refuse_taken(known, overlay, partner, origins)
        all_origins = dict.fromkeys([*(before.origins if before else ()), *origins])
        values = {"name": called, "origins": list(all_origins), "country": country or (before and before.country)}
        added = validate(AdmittedPartner, values)
        return validate(Overlay, {**overlay.model_dump(), "partners": {**overlay.partners, partner: added}})

    _, place = await change_overlay(campaign, change)
    return place


async def dismiss(campaign: str, partner: str) -> str:
    """Take back what `admit` has admitted, and return in words where.

    Raises:
        CommandError: the partner was not admitted so.
    """

    def change(overlay: Overlay, _: Campaign) -> Overlay:
        if partner not in overlay.partners:
            admitted = ", ".join(sorted(overlay.partners)) or "none"
            raise CommandError(f"{partner} was not admitted by this command. Admitted were: {admitted}.")
        left = {slug: known for slug, known in overlay.partners.items() if slug != partner}
        return overlay.model_copy(update={"partners": left})

    _, place = await change_overlay(campaign, change)
    return place


def _refuse_taken(campaign: Campaign, overlay: Overlay, partner: str, origins: Sequence[str]) -> None:
    owners = apply_overlay(campaign, overlay).partner_by_origin
    for origin in origins:
        if owners.get(origin, partner) != partner:
            raise CommandError(f"{origin} belongs to {owners[origin]} already; one origin is one partner's.")
