"""The functions, and the paths that each of them answers: the one table of both.

A function attaches its handlers to its paths; the local server, the OpenAPI document and the build read the table.
infra/balancer.tf has the paths as a load balancer wants them, which a test holds against these.
"""

from collections.abc import Mapping
from enum import StrEnum


class SignPath(StrEnum):
    """Take signatures."""

    SIGNATURES = "/v1/campaigns/{campaign}/signatures"
    LINKS = "/v1/campaigns/{campaign}/links"


class DeliverPath(StrEnum):
    """Called by the queue and the scheduler alone."""

    TASK = "/v1/tasks/deliver"
    SWEEP = "/v1/tasks/sweep"
    SNAPSHOT = "/v1/tasks/snapshot"
    FOLD = "/v1/tasks/fold"
    BOUNCES = "/v1/tasks/bounces"


class ConfirmPath(StrEnum):
    """The links in the mail."""

    CONFIRM = "/v1/confirm/{token}"
    WITHDRAW = "/v1/withdraw/{token}"


class CountPath(StrEnum):
    """Every number that is public."""

    COUNT = "/v1/campaigns/{campaign}/count"
    COUNT_CSV = "/v1/campaigns/{campaign}/count.csv"
    BADGE = "/v1/campaigns/{campaign}/count.svg"
    ECI_PROGRESSION = "/v1/campaigns/{campaign}/eci/report/progression"
    ECI_MAP = "/v1/campaigns/{campaign}/eci/report/map"
    UK_PETITION = "/v1/campaigns/{campaign}/uk.json"
    UK_COUNT = "/v1/campaigns/{campaign}/uk/count.json"
    HISTORY = "/v1/campaigns/{campaign}/history"
    HISTORY_CSV = "/v1/campaigns/{campaign}/history.csv"
    HOURS = "/v1/campaigns/{campaign}/history/hours"
    HOURS_CSV = "/v1/campaigns/{campaign}/history/hours.csv"
    MILESTONES = "/v1/campaigns/{campaign}/milestones.atom"
    OVERLAY = "/v1/campaigns/{campaign}/overlay"
    PROGRESS = "/c/{campaign}/progress"
    #: The page for live streams. Streamers call it an overlay, but OVERLAY is what changes about a campaign.
    STREAM = "/c/{campaign}/stream"


class EmbedPath(StrEnum):
    """Pages, the widget and the OpenAPI document."""

    HOME = "/"
    PETITION = "/c/{campaign}"
    LINKS = "/c/{campaign}/links"
    PRIVACY = "/c/{campaign}/privacy"
    SNIPPETS = "/c/{campaign}/embed"
    SHEET = "/c/{campaign}/sheet"
    QR = "/c/{campaign}/qr.svg"
    SHARE_IMAGE = "/c/{campaign}/share.png"
    OEMBED = "/v1/oembed"
    IMAGE = "/c/{campaign}/images/{file}"
    FORM = "/v1/campaigns/{campaign}/form"
    SCRIPT = "/embed/{file}"
    OPENAPI = "/v1/openapi.json"


PATHS: Mapping[str, type[StrEnum]] = {
    "sign": SignPath,
    "deliver": DeliverPath,
    "confirm": ConfirmPath,
    "count": CountPath,
    "embed": EmbedPath,
}
#: Those that a CDN is in front of.
CACHED = ("count", "embed")
FUNCTIONS = tuple(PATHS)
#: Those that the internet reaches, through the load balancer.
PUBLIC = tuple(name for name in FUNCTIONS if name != "deliver")
#: Answers what no path names: leads to the page that is meant, or answers 404.
DEFAULT = "embed"


def health(function: str) -> str:
    """Return the path of a function's health."""
    return f"/v1/health/{function}"


def function_by_path() -> Mapping[str, str]:
    """Map every path to the function that answers it."""
    return {path: function for function, paths in PATHS.items() for path in (*map(str, paths), health(function))}
