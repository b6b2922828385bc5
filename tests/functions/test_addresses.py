"""Addresses of pages as people pass them on, and what leads to a petition without naming one."""

import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from shared.campaigns.listed import listed
from shared.campaigns.loader import load_all
from shared.campaigns.model import CANARY
from shared.web import paths
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, World, campaign_file, world

PETITION = f"/c/{CAMPAIGN}"
PAGES = ["", "/links", "/privacy", "/embed", "/progress"]
#: What stands behind a link in a mail, a chat or a text, and what a program made of it.
BEHIND = [
    "&lang=de", "?lang=de", "%20", "%2E",
    "/", "//", ".", ",", ")", "]", "}", ">", ";", ":", "!", "?", "'", '"', "*", "**", "_", "…", "»", "«", "›",
    "’", "”", "“", "。", "、", "）", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u00a0", " ", "\t",
    "\\", "/.", ").", '">', "/)",
]  # fmt: skip
#: The first nine are from public reports about other petition systems.
SPELLINGS = """
/c/reclaim-your-face/ /c/reclaim-your-face. /c/reclaim-your-face, /c/reclaim-your-face) /c/reclaim-your-face%20
/c/reclaim-your-face%E2%80%8B /c/Reclaim-Your-Face /c/reclaim-your-face&source=x /
/C/reclaim-your-face /C/RECLAIM-YOUR-FACE/ //c/reclaim-your-face /c//reclaim-your-face /c/%20reclaim-your-face
/reclaim-your-face /c/reclaim%E2%80%91your-face /c/reclaim%E2%80%93your%E2%80%93face /c/reclaim-your%C2%AD-face
/c/%22reclaim-your-face%22 /c%5Creclaim-your-face /c/reclaim-your-face%2520 /c /c/ /C/ /%20 /. //
""".split()


@pytest_asyncio.fixture
async def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A deployment with two open petitions, one that has closed, and the canary."""
    folder = tmp_path / "campaigns"
    days = {"opens = ": "opens = 2026-01-01 #", "closes = ": "closes = 2026-01-02 #"}
    for name in ("first", "second", CANARY):
        campaign_file(folder, name)
    campaign_file(folder, "over", **days)
    async with world(tmp_path / "var", monkeypatch, CAMPAIGNS_FOLDER=str(folder)) as deployed:
        yield deployed


async def followed(deployed: World, address: str) -> httpx.Response:
    """Follow the redirects of an address, each of which is uncached and leads to ourselves."""
    response = await deployed.client.get(address, follow_redirects=True)
    for hop in response.history:
        assert (hop.status_code, hop.headers["cache-control"]) == (302, "no-store")
        assert hop.headers["location"].startswith("/")
        assert not hop.headers["location"].startswith("//")
    return response


@pytest.mark.parametrize("page", PAGES)
async def test_what_stands_behind_an_address_does_not_matter(deployed: World, page: str) -> None:
    """Slashes, punctuation, spaces and invisible characters lead to the page that was meant."""
    for behind in BEHIND:
        response = await followed(deployed, PETITION + page + quote(behind))

        assert (response.status_code, response.url.path) == (200, PETITION + page), behind
        assert "lang=de" not in behind or response.url.params["lang"] == "de"


async def test_every_spelling_leads_to_the_petition(deployed: World) -> None:
    """So does the address of the whole site, where there is one petition."""
    for spelling in SPELLINGS:
        response = await followed(deployed, spelling)

        assert (response.status_code, response.url.path) == (200, PETITION), spelling
        assert len(response.history) == 2  # to the page, and to its language


@pytest.mark.parametrize(
    "written", ["lang=de.", "lang=de)", "lang=de%E2%80%8B", "lang=%22de%22", "source=x&amp;lang=de"]
)
async def test_punctuation_behind_a_query_does_not_matter(deployed: World, written: str) -> None:
    """Addresses end with their query, so that is where most of it lands."""
    response = await followed(deployed, f"{PETITION}?{written}")

    assert response.url.params["lang"] == "de"


async def test_the_query_goes_along(deployed: World) -> None:
    """A partner is not lost with a slash."""
    response = await deployed.client.get(f"{PETITION}/?lang=de&source=radio")

    assert response.headers["location"] == f"{PETITION}?lang=de&source=radio"


async def test_only_reading_is_redirected(deployed: World) -> None:
    """A form that was sent to a wrong address would lose what it holds."""
    head = await deployed.client.head(f"{PETITION}/")
    post = await deployed.client.post(f"{PETITION}/", data={"name": "Ann"})

    assert (head.status_code, post.status_code) == (302, 404)


async def test_where_there_are_several_petitions_the_reader_chooses(several: World) -> None:
    """The list is in the reader's language, with those that are open; the canary is never listed nor led to."""
    response = await several.client.get("/", headers={"Accept-Language": "de"})
    lost = await several.client.get("/c/nothing", headers={"Accept": "text/html", "Accept-Language": "de"})
    led = await several.client.get("/c/", headers={"Accept": "text/html"})
    canary = await several.client.get("/c/Canary/")

    assert (response.status_code, lost.status_code, canary.status_code) == (200, 404, 404)
    assert led.headers["location"] == "/"
    assert response.headers["cache-control"] == "no-store"
    for page in (response.text, lost.text):
        assert "Petitionen" in page
        assert 'href="/c/first?lang=' in page
        assert 'href="/c/second?lang=' in page
        assert "/c/over" not in page
        assert "/c/canary" not in page


@given(st.text(), st.text("&?=/%;lang.de"))
def test_no_address_leads_away_or_round_in_circles(path: str, query: str) -> None:
    """Whatever an address holds, it leads to a page of ours, and from there no further."""
    meant = paths.page_meant(f"/{path}", query, {CAMPAIGN}, "/")

    if meant is not None:
        target = httpx.URL(PUBLIC_URL).join(meant)
        assert str(target).startswith(f"{PUBLIC_URL}/")
        assert target.path == "/" or target.path.startswith(PETITION)
        assert paths.page_meant(target.path, "", {CAMPAIGN}, "/") is None


def is_punctuation(character: str) -> bool:
    """Tell whether a character separates nothing in an address, and looks like no letter and no digit."""
    plain = unicodedata.normalize("NFKC", character)
    return not (set(plain) & set("&?#/\\-%´¨`^¯¸") or any(map(str.isalnum, plain)))


@given(
    st.sampled_from(PAGES),
    st.text(st.characters(categories=["P", "S", "Z", "Cf"]).filter(is_punctuation), max_size=5),
)
def test_any_punctuation_may_stand_behind_an_address(page: str, behind: str) -> None:
    """Of whatever script."""
    address = PETITION + page + behind

    assert paths.page_meant(address, "", {CAMPAIGN}, "/") in {
        PETITION + page,
        None if not behind else PETITION + page,
    }


def test_where_no_petition_is_open_all_are_listed(tmp_path: Path) -> None:
    """Old links to the site still lead to what has been asked."""
    campaign_file(tmp_path, "first")
    campaign_file(tmp_path, CANARY)

    campaigns = load_all(tmp_path)

    assert [campaign.id for campaign in listed(campaigns, NOW.replace(year=NOW.year + 9))] == ["first"]
