"""Whether policies of the organisation stop a deployment.

Constraints and their values: https://docs.cloud.google.com/organization-policy/reference/org-policy-constraints
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, failed, ok, warning

#: What lists must allow.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "cloudfunctions.allowedIngressSettings": ("ALLOW_INTERNAL_AND_GCLB", "ALLOW_INTERNAL_ONLY"),
    "compute.restrictLoadBalancerCreationForTypes": ("GLOBAL_EXTERNAL_MANAGED_HTTP_HTTPS",),
    "gcp.restrictNonCmekServices": ("firestore.googleapis.com", "secretmanager.googleapis.com"),
    "run.allowedIngress": ("internal-and-cloud-load-balancing", "internal"),
    "run.allowedVPCEgress": ("private-ranges-only",),
}
#: What must not be enforced.
_FORBIDDEN = ("cloudfunctions.requireVPCConnector", "iam.disableServiceAccountCreation")
_LOCATIONS = "gcp.resourceLocations"
#: Who may be given roles: the older constraint and the one that replaces it.
_MEMBERS, _MANAGED_MEMBERS = "iam.allowedPolicyMemberDomains", "iam.managed.allowedPolicyMembers"
_INVOKER_CHECK = "run.managed.requireInvokerIam"

Rules = Sequence[Mapping[str, Any]]


def check_policies(deployment: Deployment) -> Finding:
    """Check each policy in force; a project without an organisation has none."""
    if "parent" not in deployment.description:
        return ok("the project belongs to no organisation")
    constraints = [*_NEEDED, *_FORBIDDEN, _LOCATIONS, _MEMBERS, _MANAGED_MEMBERS, _INVOKER_CHECK]
    with ThreadPoolExecutor() as pool:
        rules = dict(zip(constraints, pool.map(lambda name: _rules(deployment, name), constraints), strict=True))
    stops = [name for name, values in _NEEDED.items() if not all(allows(rules[name], value) for value in values)]
    stops += [name for name in _FORBIDDEN if _enforces(rules[name])]
    if stops:
        fix = f"Ask an administrator of the organisation to exempt {deployment.project} from: {', '.join(stops)}"
        return failed(f"what stops a deployment: {', '.join(stops)}", fix)
    return _check_members(deployment, rules) or _check_locations(deployment, rules[_LOCATIONS])


def _rules(deployment: Deployment, constraint: str) -> Rules:
    spec = deployment.read(f"org-policies describe {constraint}", "--effective").get("spec", {})
    rules: Rules = spec.get("rules", [])
    return rules


def _check_members(deployment: Deployment, rules: Mapping[str, Rules]) -> Finding | None:
    """Check that the public functions can be made public, by allUsers or without the invoker check."""
    by_all_users = deployment.environment.settings.get("public_by_all_users", True)
    subjects = [
        subject
        for rule in rules[_MANAGED_MEMBERS]
        for subject in rule.get("parameters", {}).get("allowedMemberSubjects", [])
    ]
    refused = not allows(rules[_MEMBERS], "allUsers") or (
        _enforces(rules[_MANAGED_MEMBERS]) and "allUsers" not in subjects
    )
    if by_all_users and refused:
        fix = f"Write public_by_all_users = false into {deployment.file}"
        return failed("allUsers is forbidden", fix)
    if not by_all_users and _enforces(rules[_INVOKER_CHECK]):
        fix = f"Ask an administrator of the organisation to exempt {deployment.project} from {_INVOKER_CHECK}"
        return failed("the invoker check of Cloud Run must stay on", fix)
    return None


def _check_locations(deployment: Deployment, rules: Rules) -> Finding:
    """Warn of what only a person can judge: what a policy names beside the groups for all of the Union."""
    values = [value for rule in rules for value in rule.get("values", {}).get("allowedValues", [])]
    denied = [value for rule in rules for value in rule.get("values", {}).get("deniedValues", [])]
    everything = {"in:eu-locations", "in:europe-locations"} & set(values)
    if denied or (values and not everything) or any(rule.get("denyAll") for rule in rules):
        wanted = ", ".join(
            dict.fromkeys((deployment.environment.region, "europe-west1", "europe-west4", "eu", "eur3"))
        )
        found = f"{_LOCATIONS} allows {', '.join(values) or '-'} and denies {', '.join(denied) or '-'}"
        return warning(found, f"See that it allows {wanted}, or ask an administrator of the organisation to")
    return ok("no policy stops a deployment")


def allows(rules: Rules, value: str) -> bool:
    """Return whether a list constraint with these rules allows a value."""
    lists = [rule["values"] for rule in rules if "values" in rule]
    allowed = [each.removeprefix("is:") for values in lists for each in values.get("allowedValues", [])]
    denied = [each.removeprefix("is:") for values in lists for each in values.get("deniedValues", [])]
    if any(rule.get("denyAll") for rule in rules) or value in denied:
        return False
    return not allowed or value in allowed


def _enforces(rules: Rules) -> bool:
    return any(rule.get("enforce") for rule in rules)
