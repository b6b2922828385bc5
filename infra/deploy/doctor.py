"""Check everything that a deployment needs, and say how to fix what is wrong.

    make doctor ENV=staging

Changes nothing, and sends no mail. `make deploy` and `make apply` begin with those checks whose failure would
leave a plan half applied.
"""

import argparse
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import dns.exception
import dns.resolver

from infra.deploy import gcloud
from infra.deploy.checks import campaign_files, cloud, consents, policies, records, relays
from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, Status, failed, skipped, warning
from shared.errors import ConfigurationError

_DNS_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """`needs`: the names of the checks without which this one cannot be made; they come before it."""

    name: str
    run: Callable[[Deployment], Finding]
    needs: tuple[str, ...] = ()


#: In the order of the steps in infra/README.md.
CHECKS = (
    Check("gcloud", cloud.check_gcloud),
    Check("credentials", cloud.check_credentials, ("gcloud",)),
    Check("project", cloud.check_project, ("gcloud",)),
    Check("billing", cloud.check_billing, ("project",)),
    Check("bootstrap", cloud.check_bootstrap, ("project", "billing")),
    Check("policies", policies.check_policies, ("bootstrap",)),
    Check("quota", cloud.check_quota, ("bootstrap",)),
    Check("secrets", cloud.check_secrets, ("bootstrap",)),
    Check("campaigns", campaign_files.check_campaigns),
    Check("consent texts", consents.check_consents, ("campaigns",)),
    Check("certificate", records.check_certificate, ("bootstrap",)),
    Check("DNS", records.check_records, ("bootstrap",)),
    Check("DNS of the mail", records.check_mail_records),
)
#: What makes Google refuse the plan when half of it has been applied.
PREFLIGHT = ("gcloud", "project", "billing", "bootstrap", "policies", "quota")


def examine(deployment: Deployment, checks: Sequence[Check]) -> Iterator[tuple[str, Finding]]:
    """Make the checks at the same time, and yield what each has found, in their order."""
    with ThreadPoolExecutor(len(checks)) as pool:
        findings: dict[str, Future[Finding]] = {}
        for check in checks:
            needs = {name: findings[name] for name in check.needs}
            findings[check.name] = pool.submit(_examine, deployment, check, needs)
        for name, finding in findings.items():
            yield name, finding.result()


def _examine(deployment: Deployment, check: Check, needs: Mapping[str, Future[Finding]]) -> Finding:
    for name, need in needs.items():
        if need.result().status in (Status.FAILED, Status.SKIPPED):
            return skipped(f"it needs the check above: {name}")
    try:
        return check.run(deployment)
    except gcloud.NotInstalled as error:
        return failed(str(error), "Install it: https://cloud.google.com/sdk/docs/install")
    except (gcloud.GcloudError, dns.exception.DNSException, ConfigurationError) as error:
        return warning(f"could not be checked: {error}", "Ask for the role that it takes, or look at it yourself")
    except (LookupError, TypeError, ValueError) as error:  # not a bug of the person who asks
        return warning(f"not understood: {type(error).__name__} {error}", "Report it, with the version of gcloud")


def all_checks(environment: gcloud.Environment) -> Sequence[Check]:
    """Return every check of an environment, with one for each of its relays that mails."""
    mailing = [name for name, relay in environment.settings["relays"].items() if relay["mails_per_second"]]
    of_relays = [Check(f"relay {name}", partial(relays.check_relay, name=name)) for name in sorted(mailing)]
    return [*CHECKS, *of_relays]


def of(environment: gcloud.Environment) -> Deployment:
    """Return a deployment as it is seen from this machine."""
    try:
        resolver = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        resolver = dns.resolver.Resolver(configure=False)  # every question then ends in a DNSException
    resolver.lifetime = _DNS_TIMEOUT_SECONDS
    return Deployment(environment, resolver, ssl.create_default_context())


def preflight(environment: gcloud.Environment) -> None:
    """Print what would make an apply fail or may do so; exit if it would."""
    found = examine(of(environment), [check for check in CHECKS if check.name in PREFLIGHT])
    faults = [(name, finding) for name, finding in found if finding.status != Status.OK]
    for name, finding in faults:
        report(name, finding)
    if any(finding.status == Status.FAILED for _, finding in faults):
        gcloud.stop(f"Correct this before a deployment. For all checks: make doctor ENV={environment.name}")


def report(name: str, finding: Finding) -> None:
    """Print one finding, and under it what to do."""
    first, *others = finding.found.splitlines()
    print(f"{finding.status:8}{name}: {first}")
    for line in others:
        print(f"{'':8}{line}")
    if finding.fix:
        print(f"{'':8}→ {finding.fix}")


def main() -> int:
    """Check the environment named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Check everything that a deployment needs.")
    parser.add_argument("environment", nargs="?", default="")
    asked = parser.parse_args()
    terraform = cloud.check_terraform()
    report("terraform", terraform)
    if terraform.status == Status.FAILED:  # which reads the environment file
        return 1
    environment = gcloud.environment(asked.environment)
    statuses = []
    for name, finding in examine(of(environment), all_checks(environment)):
        report(name, finding)
        statuses.append(finding.status)
    return 1 if Status.FAILED in statuses else 0


if __name__ == "__main__":
    raise SystemExit(main())
