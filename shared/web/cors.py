"""Which pages may use a campaign's form: our own, and those of its partners."""

from urllib.parse import urlsplit

from shared.campaigns.model import Campaign


def is_admitted(campaign: Campaign, origin: str | None, public_url: str) -> bool:
    """Tell whether pages of this origin are our own, or a partner's that the campaign has admitted."""
    return is_ours(origin, public_url) or origin in campaign.partner_by_origin


def is_ours(origin: str | None, public_url: str) -> bool:
    """Tell whether pages of this origin are our own; the local machine has two names."""
    scheme, _, rest = public_url.partition("://")
    if scheme == "https":
        return origin == public_url
    port = rest.partition(":")[2]
    return origin in {f"http://{host}:{port}" if port else f"http://{host}" for host in ("localhost", "127.0.0.1")}


def origin_of(url: str) -> str | None:
    """Return the origin of an absolute http(s) address, None of anything else."""
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else None
