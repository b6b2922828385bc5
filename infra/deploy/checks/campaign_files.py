"""Whether the campaigns that a deployment would ship are ready for it."""

from collections.abc import Iterator, Mapping

from infra.deploy import canary, gcloud
from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, failed, ok
from shared.campaigns import markdown
from shared.campaigns.model import Campaign
from shared.campaigns.problems import with_key
from shared.errors import ConfigurationError


def check_campaigns(deployment: Deployment) -> Finding:
    """Check that the campaign files load and are ready, and that the canary and the watched campaign are there."""
    try:
        shipped = deployment.campaigns
    except ConfigurationError as error:
        return failed(str(error), "undersign campaign check")
    faults = list(campaign_faults(deployment.environment, shipped))
    if faults:
        return failed("\n".join(faults), "See docs/campaigns.md, and: undersign campaign check --ready")
    return ok(f"{', '.join(shipped)}: ready")


def campaign_faults(environment: gcloud.Environment, shipped: Mapping[str, Campaign]) -> Iterator[str]:
    """Yield what keeps these campaigns from being deployed, each with its remedy."""
    if canary.CAMPAIGN not in shipped:
        yield (
            f"there is no campaign {canary.CAMPAIGN}, with which a deployment is tried out: "
            f"undersign campaign new {canary.CAMPAIGN} …, with the keys of your campaign"
        )
    watched = environment.settings.get("watched_campaign", "reclaim-your-face")
    if watched not in shipped:
        yield f"watched_campaign: there is no campaign {watched}; name the largest that you run"
    kept = int(environment.settings.get("backup_days", 14))
    for campaign in shipped.values():
        yield from campaign.not_ready
        yield from (f"{campaign.id}.toml: {with_key(*error)}" for error in markdown.errors(campaign))
        if campaign.privacy.backup_days < kept:
            yield (
                f"{campaign.id}.toml: privacy.backup_days: promises {campaign.privacy.backup_days} days, "
                f"but backups are kept for {kept}: promise that, or lower backup_days in the tfvars (7 at least)"
            )
