"""Whether each consent text is still that of its version, as the deployment shows it now.

A changed text under the same version would be quoted to those who agreed to the old one, and in exports.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

import httpx

from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, failed, ok, skipped
from shared.campaigns.model import Campaign

_TIMEOUT_SECONDS = 10.0


def check_consents(deployment: Deployment) -> Finding:
    """Compare the consent texts that a deployment would ship with those that it shows now."""
    public_url = f"https://{deployment.environment.settings['domain']}"
    with httpx.Client(base_url=public_url, verify=deployment.tls_context, timeout=_TIMEOUT_SECONDS) as public:
        return compare(public, deployment.campaigns)


def compare(public: httpx.Client, campaigns: Mapping[str, Campaign]) -> Finding:
    """Compare the consent texts of `campaigns` with those at `public`, in every language that is there already."""
    try:
        faults = [fault for campaign in campaigns.values() for fault in _changed(public, campaign)]
    except httpx.HTTPError as error:
        return skipped(f"{public.base_url.host} does not answer ({type(error).__name__})")
    except (ValueError, KeyError, TypeError):
        return skipped(f"{public.base_url.host} is something else than this system, or an older version of it")
    if faults:
        return failed(
            "\n".join(faults), "Give consent_version a new value: docs/campaigns.md, When the consent text changes"
        )
    return ok("no text has changed under the version that is shown now")


def _changed(public: httpx.Client, campaign: Campaign) -> Iterator[str]:
    for language, texts in campaign.texts.items():
        answer = public.get(f"/v1/campaigns/{campaign.id}/form", params={"lang": language})
        if answer.is_server_error:
            answer.raise_for_status()
        if answer.status_code != HTTPStatus.OK:
            continue  # a campaign or a language that is not deployed yet
        shown = answer.json()
        version = campaign.consent_version
        if shown["consent_version"] == version and shown["consent"] != texts.consent:
            yield f"{campaign.id}: the consent text of {language} differs from what is shown as {version} now"
