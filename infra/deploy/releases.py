"""The releases of an environment: which bundles were applied when, and whether a signature got through.

Each is a file in the bundles' bucket, releases/<time>.json, which names the bundle of each function by its
content. It is written before anything is changed, so that an interrupted deployment is known to be one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from infra.deploy import gcloud


class Outcome(StrEnum):
    """What became of a release."""

    APPLYING = "applying"  # some functions may run it; an interrupted deployment stays so
    APPLIED = "applied"  # all functions run it, and it has not been tried out
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Release:
    """What runs, or ran. `id`: when it began to, in UTC. `bundles`: the bundle of each function."""

    id: str
    bundles: Mapping[str, str]
    outcome: Outcome


class Releases:
    """The bundles and releases of an environment, oldest first; the last one is live."""

    def __init__(self, bucket: str) -> None:
        self._bucket = f"gs://{bucket}"

    def all(self) -> list[Release]:
        """Return every release that was ever applied, even in part."""
        if not gcloud.succeeds("storage ls", f"{self._bucket}/releases/"):
            return []
        lines = gcloud.gcloud("storage cat", f"{self._bucket}/releases/*.json").splitlines()
        found = [Release(each["id"], each["bundles"], Outcome(each["outcome"])) for each in map(json.loads, lines)]
        return sorted(found, key=lambda release: release.id)

    def upload(self, bundles: Mapping[str, Path]) -> Mapping[str, str]:
        """Upload what is missing, and return the names of the bundles.

        A bundle is never overwritten, for its name is the hash of its content.
        """
        for bundle in bundles.values():
            gcloud.gcloud("storage cp", "--no-clobber", str(bundle), f"{self._bucket}/{bundle.name}")
        return {function: bundle.name for function, bundle in bundles.items()}

    def begin(self, bundles: Mapping[str, str], now: datetime) -> Release:
        """Record that these bundles are being applied, and return their release."""
        return self._write(Release(f"{now:%Y-%m-%dT%H-%M-%SZ}", bundles, Outcome.APPLYING))

    def record(self, release: Release, outcome: Outcome) -> Release:
        """Record what became of a release, and return it with its outcome."""
        return self._write(replace(release, outcome=outcome))

    def _write(self, release: Release) -> Release:
        content = {"id": release.id, "bundles": dict(release.bundles), "outcome": release.outcome}
        # A line, so that one command reads them all.
        line = f"{json.dumps(content)}\n"
        gcloud.gcloud("storage cp", "-", f"{self._bucket}/releases/{release.id}.json", given=line)
        return release


def before(known: Sequence[Release]) -> Release | None:
    """Return the newest release that passed its try-out with other bundles than those that are live.

    A rollback that was interrupted is finished first. None if there is nothing to go back to.
    """
    passed = [each for each in known if each.outcome is Outcome.PASSED]
    if passed and known[-1].outcome is Outcome.APPLYING and known[-1].bundles in [each.bundles for each in passed]:
        return known[-1]
    others = [each for each in passed if each.bundles != known[-1].bundles]
    return others[-1] if others else None


def leads_back(known: Sequence[Release], bundles: Mapping[str, str]) -> bool:
    """Return whether these bundles are older than what any function runs."""
    order = [each.bundles for each in known]
    return bundles in order and any(order.index(bundles) < order.index(each.bundles) for each in _running(known))


def _running(known: Sequence[Release]) -> Iterator[Release]:
    """Yield the last release and, where it was interrupted, those that it has perhaps not replaced."""
    for release in reversed(known):
        yield release
        if release.outcome is not Outcome.APPLYING:
            return
