"""Whether the DNS leads to the deployment, with a certificate, and mail from it passes SPF, DKIM and DMARC."""

from collections.abc import Iterator

import dns.rdata
import dns.resolver

from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, failed, ok, skipped, warning

#: What stands in <angle brackets> in the others has to be asked of a relay.
_EXACT = ("A", "AAAA", "CAA", "CNAME")


def look_up(resolver: dns.resolver.Resolver, name: str, kind: str) -> set[str]:
    """Return the records of a name; none if there are none.

    Raises:
        DNSException: no name server answered.
    """
    try:
        answer = resolver.resolve(name, kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return set()
    if kind == "TXT":
        return {b"".join(record.strings).decode(errors="replace") for record in answer}
    return {record.to_text() for record in answer}


def check_certificate(deployment: Deployment) -> Finding:
    """Check that the certificate is issued, which it has to be before the domain leads here.

    https://docs.cloud.google.com/certificate-manager/docs/reference/certificate-manager/rest/v1/projects.locations.certificates
    """
    if deployment.dns_records is None:
        return _nothing_deployed(deployment)
    domain = deployment.environment.settings["domain"]
    for certificate in deployment.read("certificate-manager certificates list"):
        managed = certificate.get("managed", {})
        if domain in managed.get("domains", []):
            if managed["state"] == "ACTIVE":
                return ok(f"for {domain}, active")
            issue = managed.get("provisioningIssue", {}).get("details", "")
            fix = "Enter the CNAME and CAA records of dns_records, and wait for up to an hour before A and AAAA"
            return failed(f"for {domain}, {managed['state'].lower()} {issue}".strip(), fix)
    return failed(f"there is none for {domain}", f"make apply ENV={deployment.environment.name}")


def _nothing_deployed(deployment: Deployment) -> Finding:
    return skipped(f"nothing is deployed yet: make deploy ENV={deployment.environment.name}")


def check_records(deployment: Deployment) -> Finding:
    """Check the records that lead to the deployment and let its certificate be issued."""
    wanted = deployment.dns_records
    if wanted is None:
        return _nothing_deployed(deployment)
    faults, entries = [], []
    for record, value in wanted.items():
        name, kind = record.split()
        if kind not in _EXACT:
            continue
        value = dns.rdata.from_text("IN", kind, value).to_text()  # in the same form as what is found
        found = look_up(deployment.resolver, name, kind)
        if found != {value} and not (kind == "CAA" and value in found):
            faults.append(f"{record}: {', '.join(sorted(found)) or 'no record'}")
            entries.append(f"{record} {value}")
    if faults:
        return failed("\n".join(faults), f"Enter at your registrar, alone under their names: {'; '.join(entries)}")
    return ok(f"{deployment.environment.settings['domain']} leads here")


def check_mail_records(deployment: Deployment) -> Finding:
    """Check the records of each domain from which a campaign mails."""
    domains = sorted(deployment.senders)
    faults = [fault for domain in domains for fault in _mail_faults(deployment.resolver, domain)]
    if faults:
        return failed("\n".join(faults), "Enter at your registrar what infra/RUNBOOK.md, A name of its own, lists")
    lenient = [domain for domain in domains if "p=none" in _dmarc(deployment.resolver, domain)]
    if lenient:
        return warning(f"DMARC of {', '.join(lenient)} is p=none", "After the weeks of warming up, write p=reject")
    return ok(f"SPF, DKIM and DMARC of {', '.join(domains)}")


def _mail_faults(resolver: dns.resolver.Resolver, domain: str) -> Iterator[str]:
    spf = [text for text in look_up(resolver, domain, "TXT") if text.startswith("v=spf1")]
    if len(spf) != 1:
        yield f"{domain} has {len(spf) or 'no'} SPF record{'s' if spf else ''}"
    elif "<" in spf[0] or not spf[0].endswith(("-all", "~all")):
        yield f"the SPF record of {domain} is {spf[0]}"
    if not _exists(resolver, f"_domainkey.{domain}"):
        yield f"{domain} has no DKIM key"
    if not _dmarc(resolver, domain):
        yield f"{domain} has no DMARC record"


def _dmarc(resolver: dns.resolver.Resolver, domain: str) -> str:
    texts = look_up(resolver, f"_dmarc.{domain}", "TXT")
    return next((text for text in texts if text.startswith("v=DMARC1")), "")


def _exists(resolver: dns.resolver.Resolver, name: str) -> bool:
    """Return whether there is anything at or below a name, whatever the selectors of the relays are (RFC 8020)."""
    try:
        resolver.resolve(name, "TXT", search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return False
    return True
