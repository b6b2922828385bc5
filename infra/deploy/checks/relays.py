"""Whether a mail relay accepts our password and our mail, without sending any."""

import asyncio

import aiosmtplib

from infra.deploy import gcloud
from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, failed, ok, warning

_TIMEOUT_SECONDS = 20  # for all of it


def check_relay(deployment: Deployment, name: str) -> Finding:
    """Check everything up to the content: connection, certificate, password, sender and recipient."""
    relay = deployment.environment.settings["relays"][name]
    try:
        password = gcloud.query(
            "secrets versions access latest", f"--secret=smtp-password-{name}", f"--project={deployment.project}"
        )
    except gcloud.GcloudError:
        password = None
    smtp = aiosmtplib.SMTP(
        hostname=relay["host"], port=int(relay.get("port") or 587), start_tls=False, timeout=_TIMEOUT_SECONDS
    )
    return asyncio.run(_converse(deployment, smtp, name, password))


async def _converse(deployment: Deployment, smtp: aiosmtplib.SMTP, name: str, password: str | None) -> Finding:
    user = deployment.environment.settings["relays"][name]["user"]
    enter = f"make secrets ENV={deployment.environment.name}"
    place = f"{smtp.hostname}:{smtp.port}"
    step, fix = "connect", "Check host and port, and that no firewall here blocks the port"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), smtp:
            step, fix = "STARTTLS", "Use a relay with STARTTLS whose certificate is valid for this host"
            await smtp.starttls(tls_context=deployment.tls_context)
            if password is None:
                found = f"{place} answers, with a valid certificate; no password to log in with"
                return warning(found, enter)
            step, fix = "AUTH", f"Check its user, and: {enter} ROTATE=smtp-password-{name}"
            await smtp.login(user, password.strip())
            step, fix = "MAIL or RCPT", "Ask the relay to accept mail from this sender, and for this recipient"
            await _announce(deployment, smtp)
    except (aiosmtplib.SMTPException, OSError) as error:
        return failed(f"{place} at {step}: {_reply(error)}", fix)
    return ok(f"{place}: certificate, password, sender and recipient are accepted")


def _reply(error: Exception) -> str:
    """Return what the relay answered, or what kept it from answering."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__


async def _announce(deployment: Deployment, smtp: aiosmtplib.SMTP) -> None:
    """Name a sender of each domain and the address of the canary, as its mail will; the content is never sent."""
    for sender in deployment.senders.values():
        await smtp.mail(sender)
        await smtp.rcpt(f"canary@{deployment.environment.settings['domain']}")
        await smtp.rset()
