"""oEmbed: what editors are told to show in place of a pasted address."""

import re
from html import unescape
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.support.deployment import CAMPAIGN, PUBLIC_URL, World

PETITION = f"{PUBLIC_URL}/c/{CAMPAIGN}"
PARTNER = "digital-rights"


async def embedded(deployed: World, url: str, **limits: str) -> dict[str, Any]:
    response = await deployed.client.get("/v1/oembed", params={"url": url, **limits})
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    return content


def source(content: dict[str, Any]) -> httpx.URL:
    """Return the address of the frame."""
    return httpx.URL(unescape(re.findall(r'src="([^"]+)"', content["html"])[0]))


@pytest.mark.parametrize("page", ["", "/progress"])
async def test_an_editor_finds_it_from_the_page(deployed: World, page: str) -> None:
    """The page's head leads to a frame in the page's language and for its partner, which any page may frame."""
    shown = (await deployed.client.get(f"/c/{CAMPAIGN}{page}?lang=de&partner={PARTNER}")).text
    [link] = re.findall(r'<link rel="alternate" type="application/json\+oembed" href="([^"]+)"', shown)

    found = await deployed.client.get(unescape(link))
    frame = await deployed.client.get(str(source(found.json())))

    assert found.json()["type"] == "rich"
    assert found.json()["title"].startswith("Biometrische Massenüberwachung")
    assert dict(source(found.json()).params) == {"lang": "de", "embed": "1", "partner": PARTNER}
    assert 'lang="de"' in frame.text
    assert "frame-ancestors *" in frame.headers["content-security-policy"]


async def test_those_who_go_on_from_the_frame_sign_for_the_partner_of_the_address(deployed: World) -> None:
    """A partner that the campaign does not know is left out."""
    ours = await embedded(deployed, f"{PETITION}?lang=en&partner={PARTNER}")
    unknown = await embedded(deployed, f"{PETITION}?lang=en&partner=nobody")

    frame = unescape((await deployed.client.get(str(source(ours)))).text)

    assert f'href="{PETITION}?lang=en&partner={PARTNER}" target="_top"' in frame
    assert "partner" not in source(unknown).params


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({}, (600, 340)),
        ({"maxwidth": "320"}, (320, 340)),
        ({"maxwidth": "9999", "maxheight": "300"}, (600, 300)),
    ],
)
async def test_it_is_no_larger_than_there_is_room_for(
    deployed: World, limits: dict[str, str], size: tuple[int, int]
) -> None:
    """Both limits hold, for the frame itself as for what is said of it."""
    content = await embedded(deployed, PETITION, **limits)

    assert (content["width"], content["height"]) == size
    assert f'width="{size[0]}" height="{size[1]}"' in content["html"]


@pytest.mark.parametrize("limits", [{"maxwidth": "239"}, {"maxheight": "100"}])
async def test_it_is_a_link_where_there_is_no_room_for_a_frame(deployed: World, limits: dict[str, str]) -> None:
    """It has a title and no markup."""
    content = await embedded(deployed, PETITION, **limits)

    assert content["type"] == "link"
    assert content["title"]
    assert not {"html", "width", "height"} & content.keys()


async def test_the_frame_is_in_a_sandbox(deployed: World) -> None:
    """Nothing in it runs a script or acts for the page around it; its link alone leads elsewhere."""
    content = await embedded(deployed, PETITION)

    [sandbox] = re.findall(r'sandbox="([^"]*)"', content["html"])
    assert not {"allow-scripts", "allow-same-origin", "allow-top-navigation"} & set(sandbox.split())


@pytest.mark.parametrize(
    "url",
    [
        "",
        f"https://petition.example.net/c/{CAMPAIGN}",
        f"{PUBLIC_URL}.example.net/c/{CAMPAIGN}",
        f"{PUBLIC_URL}@example.net/c/{CAMPAIGN}",
        f"javascript:{PETITION}",
        f"{PETITION}/privacy",
        f"{PETITION}/progress/x",
        f"{PUBLIC_URL}/c/nobody",
        f'{PETITION}"><script>',
    ],
)
async def test_other_addresses_are_not_found(deployed: World, url: str) -> None:
    """It describes the petition and its numbers at our own address, and nothing else."""
    response = await deployed.client.get("/v1/oembed", params={"url": url})

    assert response.status_code == 404
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "value"), [("maxwidth", "wide"), ("maxheight", "0"), ("maxheight", "-5"), ("format", "yaml")]
)
async def test_what_it_cannot_do_is_named(deployed: World, name: str, value: str) -> None:
    """A limit is a number of pixels; the formats are JSON and XML."""
    response = await deployed.client.get("/v1/oembed", params={"url": PETITION, name: value})

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [name]


async def test_xml_says_the_same_as_json(deployed: World) -> None:
    """Each member is an element (https://oembed.com, 2.3.4)."""
    content = await embedded(deployed, PETITION)
    response = await deployed.client.get("/v1/oembed", params={"url": PETITION, "format": "xml"})

    root = ElementTree.fromstring(response.content)  # noqa: S314 - our own answer
    assert response.headers["content-type"].startswith("text/xml")
    assert root.tag == "oembed"
    assert {each.tag: each.text for each in root} == {name: str(value) for name, value in content.items()}


async def test_any_page_may_ask_and_a_cdn_keeps_no_copy(deployed: World) -> None:
    """The CDN does not keep answers apart by the pasted address, so that it would mix them up."""
    response = await deployed.client.get("/v1/oembed", params={"url": PETITION})

    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cache-control"] == "private, max-age=3600"
