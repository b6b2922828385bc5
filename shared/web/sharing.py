"""Passing a petition on: links to messengers and networks, which are mere links and run no script of anyone's."""

from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

from shared.reference import countries

#: Each service's address, with {text} and {url} to fill in.
SERVICES: Mapping[str, str] = {
    "WhatsApp": "https://wa.me/?text={text}%20{url}",
    "Facebook": "https://www.facebook.com/sharer/sharer.php?u={url}",
    "Telegram": "https://t.me/share/url?url={url}&text={text}",
    "Viber": "viber://forward?text={text}%20{url}",
    "Mastodon": "https://share.joinmastodon.org/#text={text}%20{url}",
    "Bluesky": "https://bsky.app/intent/compose?text={text}%20{url}",
}
DEFAULT = "WhatsApp"
#: Where another one is what most people write to each other with, or pass news on with.
PRIMARY: Mapping[str, str] = {
    **dict.fromkeys(("BG", "GR"), "Viber"),
    **dict.fromkeys(("CZ", "DK", "HU", "LT", "MT", "PL", "SE", "SK"), "Facebook"),
}


def links(url: str, message: str) -> Mapping[str, str]:
    """Return the address that opens each service with `message` and `url` filled in, by the service's name."""
    filled = {"url": quote(url, safe=""), "text": quote(message, safe="")}
    return {service: address.format_map(filled) for service, address in SERVICES.items()}


def next_step(url: str, language: str, campaign: str, source: str) -> str:
    """Return the address of a campaign's next step in a language, with what its website counts visitors under.

    `source`: where the signature came from, "" if unknown; nothing else about a signer goes along. A parameter
    that `url` has already stays as it is.
    """
    address = urlsplit(url.replace("{language}", language))
    given = parse_qs(address.query, keep_blank_values=True)
    added = {"utm_source": source, "utm_campaign": campaign}
    added = {name: value for name, value in added.items() if value and name not in given}
    return urlunsplit(address._replace(query="&".join(filter(None, (address.query, urlencode(added))))))


def og_locale(language: str) -> str:
    """Return a language as networks want it, with a region: "de_DE" (https://ogp.me/#optional)."""
    return f"{language}_{countries.BY_LANGUAGE.get(language, 'GB')}"


def mail(title: str, url: str, message: str) -> str:
    """Return a mailto: address (RFC 6068) with subject and text filled in."""
    body = f"{message}\n\n{url}"
    return f"mailto:?subject={quote(title, safe='')}&body={quote(body, safe='')}"
