"""Whether a mail relay accepts our password and our mail, without sending any."""

import smtplib

from infra.deploy import gcloud
from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, failed, ok, warning

_TIMEOUT_SECONDS = 10


def check_relay(deployment: Deployment, name: str) -> Finding:
    """Check everything up to the content: connection, certificate, password, sender and recipient."""
    relay = deployment.environment.settings["relays"][name]
    host, port = relay["host"], int(relay.get("port") or 587)
    password = _password(deployment, name)
    enter = f"make secrets ENV={deployment.environment.name}"
    step, fix = "connect", "Check host and port, and that no firewall here blocks the port"
    try:
        with smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS) as smtp:
            step, fix = "STARTTLS", "Use a relay with STARTTLS whose certificate is valid for this host"
            smtp.starttls(context=deployment.tls_context)
            if password is None:
                found = f"{host}:{port} answers, with a valid certificate; no password to log in with"
                return warning(found, enter)
            step, fix = "AUTH", f"Check its user, and: {enter} ROTATE=smtp-password-{name}"
            smtp.login(relay["user"], password)
            step, fix = "MAIL or RCPT", "Ask the relay to accept mail from this sender, and for this recipient"
            _announce(deployment, smtp)
    except smtplib.SMTPResponseException as error:
        return failed(f"{host}:{port} at {step}: {error.smtp_code} {_text(error.smtp_error)}", fix)
    except OSError as error:
        return failed(f"{host}:{port} at {step}: {str(error) or type(error).__name__}", fix)
    return ok(f"{host}:{port}: certificate, password, sender and recipient are accepted")


def _password(deployment: Deployment, name: str) -> str | None:
    secret = f"--secret=smtp-password-{name}"
    try:
        return gcloud.query("secrets versions access latest", secret, f"--project={deployment.project}").strip()
    except gcloud.GcloudError:
        return None


def _announce(deployment: Deployment, smtp: smtplib.SMTP) -> None:
    """Name a sender of each domain and the address of the canary, as its mail will; the content is never sent."""
    for sender in deployment.senders.values():
        for code, reply in (smtp.mail(sender), smtp.rcpt(f"canary@{deployment.environment.settings['domain']}")):
            if code not in (250, 251):
                raise smtplib.SMTPResponseException(code, reply)
        smtp.rset()


def _text(reply: bytes | str) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply
