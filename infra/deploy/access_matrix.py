"""Who may do what: a table made from the plan of production, kept in infra/README.md.

`make matrix` writes it there; without `--write` it is only printed.
"""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.deploy.terraform import INFRA, planned, resources, workspace

README = INFRA / "README.md"
_BEGIN, _END = "<!-- matrix: made by make matrix -->", "<!-- end of the matrix -->"
_REACHED = re.compile(r"/(databases|buckets)/([^']+)'")


def table(plan: Mapping[str, Any]) -> str:
    """Return a row for each account: who calls it, which secrets it reads, and each role with what it reaches."""
    rows = ["| account | is called by | reads the secrets | may, and where |", "| --- | --- | --- | --- |"]
    accounts = {account["account_id"]: account for account in resources(plan, "google_service_account")}
    for name in sorted(accounts, key=lambda name: (not name.startswith("fn-"), name)):
        member = f"serviceAccount:{accounts[name]['email']}"
        secrets = sorted(f"`{secret}`" for secret in _secrets(plan, member))
        grants = sorted(set(_grants(plan, member)))
        cells = (f"`{name}`", _callers(plan, name), ", ".join(secrets), "<br>".join(grants))
        rows.append(f"| {' | '.join(cell or '–' for cell in cells)} |")
    return "\n".join(rows)


def _callers(plan: Mapping[str, Any], account: str) -> str:
    names = []
    for each in resources(plan, "google_cloud_run_service_iam_member"):
        if each["service"] == account.removeprefix("fn-") and each["role"] == "roles/run.invoker":
            caller = each["member"].removeprefix("serviceAccount:").partition("@")[0]
            names.append("everybody, through the balancer" if caller == "allUsers" else f"`{caller}`")
    return ", ".join(sorted(names))


def _secrets(plan: Mapping[str, Any], member: str) -> Iterator[str]:
    for each in resources(plan, "google_secret_manager_secret_iam_member"):
        if each["member"] == member:
            yield str(each["index"]).split("/")[1]


#: Each kind of grant but those on secrets, and what it reaches.
_REACHES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "google_project_iam_member": lambda grant: _reach_in_project(grant),
    "google_cloud_tasks_queue_iam_member": lambda grant: f"the queue `{grant['name']}`",
    "google_cloud_run_service_iam_member": lambda grant: f"the function `{grant['service']}`",
    "google_storage_bucket_iam_member": lambda _: "the bundles",
    "google_service_account_iam_member": lambda _: "the account `undersign-queue`",
}


def _grants(plan: Mapping[str, Any], member: str) -> Iterator[str]:
    for kind, reach in _REACHES.items():
        for each in resources(plan, kind):
            if each["member"] == member:
                # The identifier of a custom role is known only once it is made.
                yield f"`{each.get('role') or 'undersignSpoolCreator'}` on {reach(each)}"


def _reach_in_project(grant: Mapping[str, Any]) -> str:
    conditions = grant.get("condition") or []
    if not conditions:
        return "the project"
    reached = _REACHED.search(conditions[0]["expression"])
    if reached is None:
        raise SystemExit(f"unknown condition: {conditions[0]['expression']}")
    if reached[1] == "buckets":
        return "the copies of the bundles that are built"
    return "the spool" if reached[2] == "spool" else "the signatures"


def stored() -> str:
    """Return the table that infra/README.md holds."""
    return README.read_text(encoding="utf-8").split(_BEGIN)[1].split(_END)[0].strip()


def write(made: str) -> None:
    """Replace the table in infra/README.md."""
    before, rest = README.read_text(encoding="utf-8").split(_BEGIN)
    README.write_text(f"{before}{_BEGIN}\n{made}\n{_END}{rest.split(_END)[1]}", encoding="utf-8")


def main() -> None:
    """Print the table, or write it into infra/README.md."""
    parser = argparse.ArgumentParser(description="Print who may do what.")
    parser.add_argument("--write", action="store_true", help="write it into infra/README.md instead")
    show = write if parser.parse_args().write else print
    with workspace() as folder:
        show(table(planned(folder, "production")))


if __name__ == "__main__":
    main()
