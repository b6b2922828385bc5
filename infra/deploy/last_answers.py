"""The last answers of the functions, for a bucket to give once the functions are gone.

All that everybody may read is copied from the public address, in each language; nothing of it is about a signer.
infra/retired/routes.tf leads each request to its copy.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import httpx

from infra.deploy import gcloud
from infra.deploy.build import ROOT
from shared import locales
from shared.campaigns.model import Campaign
from shared.web import pages
from shared.web.routes import CountPath, EmbedPath
from shared.web.widget_versions import Scripts

#: Of each campaign, in each language.
PAGES = (EmbedPath.PETITION, EmbedPath.PRIVACY, EmbedPath.SNIPPETS, CountPath.PROGRESS, CountPath.STREAM)
#: Pages that can be had for a frame, too.
FRAMES = (EmbedPath.PETITION, CountPath.PROGRESS)
DATA = (
    EmbedPath.FORM,
    CountPath.COUNT,
    CountPath.COUNT_CSV,
    CountPath.BADGE,
    CountPath.ECI_PROGRESSION,
    CountPath.ECI_MAP,
    CountPath.UK_PETITION,
    CountPath.UK_COUNT,
    CountPath.OVERLAY,
    CountPath.HISTORY,
    CountPath.HISTORY_CSV,
    CountPath.HOURS,
    CountPath.HOURS_CSV,
    CountPath.MILESTONES,
)
#: Only where the campaign has one.
PICTURE = EmbedPath.SHARE_IMAGE
#: Each of the campaign's images, in no language.
IMAGES = EmbedPath.IMAGE
#: In its place is the page that says that all is over, to which links in mails lead, too.
REPLACED = EmbedPath.LINKS
#: For all campaigns together.
ONCE = (EmbedPath.HOME, EmbedPath.SCRIPT, EmbedPath.OPENAPI)

HOME = "index.html"
NOT_FOUND = "404.html"
#: An hour: nothing changes any more, but a mistake could be corrected.
_CACHE = "public, max-age=3600"
STORAGE = "https://storage.googleapis.com"
#: Cloud Armor lets an address ask so often a minute; then it answers 429.
_ATTEMPTS, _PAUSE_SECONDS = 10, 15.0
_HTML = {"Accept": "text/html"}


class Failed(Exception):
    """An answer cannot be copied; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """`name`: of an object of the bucket. `address`: path and query at which the public asks for it."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept at a place. `policy`: its Content-Security-Policy, "" where it has none."""

    body: bytes
    media_type: str
    policy: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def languages(campaigns: Mapping[str, Campaign]) -> list[str]:
    """Return every language that a campaign can be read in."""
    return sorted({language for campaign in campaigns.values() for language in campaign.texts} & locales.LANGUAGES)


def places(campaigns: Mapping[str, Campaign]) -> Iterator[Place]:
    """Yield every place but those of `ended`: without a language, and in each, where a campaign may lack it.

    Images and scripts have no language.
    """
    yield Place(HOME, EmbedPath.HOME)
    scripts = Scripts(ROOT / "functions" / "embed" / "static")
    for path in (*(EmbedPath.SCRIPT.format(file=name) for name in scripts.names), EmbedPath.OPENAPI):
        yield _place(path)
    for campaign in campaigns.values():
        yield from (_place(IMAGES.format(campaign=campaign.id, file=name)) for name in campaign.images)
    for language in (None, *languages(campaigns)):
        for campaign in campaigns.values():
            yield from _of_campaign(campaign, language)


def _of_campaign(campaign: Campaign, language: str | None) -> Iterator[Place]:
    for template in (*PAGES, *((PICTURE,) if campaign.share_image else ()), *DATA):
        # The form of all pages but ours has the names of the countries as well.
        query = {"embed": "1"} if template is EmbedPath.FORM else {}
        yield _place(template.format(campaign=campaign.id), language, **query)
    for template in FRAMES:
        yield _place(template.format(campaign=campaign.id), language, folder="framed", embed="1")


def _place(path: str, language: str | None = None, *, folder: str = "", **query: str) -> Place:
    query = {"lang": language, **query} if language else query
    name = "/".join(filter(None, (language, folder, path.lstrip("/"))))
    return Place(name, f"{path}?{urlencode(query)}" if query else path)


def ended(campaigns: Mapping[str, Campaign]) -> Iterator[tuple[Place, Answer]]:
    """Yield the page that links in mails lead to, of each campaign in each language."""
    for campaign in campaigns.values():
        for language in (None, *languages(campaigns)):
            spoken = language if language in campaign.texts else None
            locale = locales.load(spoken or campaign.default_language)
            page = pages.retired(campaign, locale)
            answer = Answer(
                bytes(page.body), page.headers["content-type"], page.headers["content-security-policy"]
            )
            yield _place(REPLACED.format(campaign=campaign.id), language), answer


def copy(public: httpx.Client, campaigns: Mapping[str, Campaign]) -> dict[Place, Answer]:
    """Read every answer at the public address.

    Raises:
        Failed: an answer is not 200, or a campaign still takes signatures.
    """
    copied = {place: _read(public, place.address) for place in places(campaigns)}
    missing = Place(NOT_FOUND, f"/{NOT_FOUND}")
    copied[missing] = _read(public, missing.address, status=404)
    return copied | dict(ended(campaigns))


def page_policy(campaigns: Mapping[str, Campaign], copied: Mapping[Place, Answer]) -> str:
    """Return one Content-Security-Policy for all pages: that of a petition, with the styles of every page."""
    policies = {place.name: answer.policy for place, answer in copied.items()}
    styles = {style for policy in policies.values() for style in re.findall(r"'sha256-[^']+'", policy)}
    petition = policies[EmbedPath.PETITION.format(campaign=next(iter(campaigns))).lstrip("/")]
    return re.sub(r"style-src [^;]+", f"style-src {' '.join(sorted(styles))}", petition)


def _read(public: httpx.Client, address: str, status: int = 200) -> Answer:
    answer = get(public, address)
    if answer.status_code != status:
        raise Failed(f"{address} answers {answer.status_code}, not {status}")
    headers = answer.headers
    return Answer(answer.content, headers["content-type"], headers.get("content-security-policy", ""))


def get(public: httpx.Client, address: str, *, sleep: Callable[[float], None] = time.sleep) -> httpx.Response:
    """Ask the public address as a browser does, again where there were too many requests.

    Raises:
        Failed: there is no answer.
    """
    # A redirect leads to the language that the campaign has.
    try:
        for _ in range(_ATTEMPTS):
            answer = public.get(address, headers=_HTML, follow_redirects=True)
            if answer.status_code != 429:
                break
            sleep(_PAUSE_SECONDS)
    except httpx.HTTPError as error:
        raise Failed(f"{address}: {type(error).__name__}: {error}") from error
    return answer


def upload(storage: httpx.Client, bucket: str, copied: Mapping[Place, Answer]) -> None:
    """Put the answers into the bucket (https://cloud.google.com/storage/docs/xml-api/put-object-upload).

    By HTTP: on a disk, no file could have the name of a folder, as /c/swifts and /c/swifts/privacy have.

    Raises:
        Failed: the bucket does not take one.
    """
    for place, answer in copied.items():
        headers = {"Content-Type": answer.media_type, "Cache-Control": _CACHE}
        try:
            storage.put(f"/{bucket}/{quote(place.name)}", content=answer.body, headers=headers).raise_for_status()
        except httpx.HTTPError as error:
            raise Failed(f"gs://{bucket}/{place.name}: {error}") from error


def storage_client() -> httpx.Client:
    """Return a client of Cloud Storage, for the person who is logged in."""
    token = gcloud.gcloud("auth print-access-token").strip()
    return httpx.Client(base_url=STORAGE, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def differing(public: httpx.Client, digests: Mapping[str, str]) -> Sequence[str]:
    """Return the addresses at which the public does not get what was copied. `digests`: by address."""
    return [
        address
        for address, digest in digests.items()
        if hashlib.sha256(get(public, address).content).hexdigest() != digest
    ]
