"""embed: the hosted pages, and what all functions have in common."""

import re
from pathlib import Path

import httpx
import pytest

from shared.web.routes import FUNCTIONS
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, SIGNATURES, World, campaign_file, signature, world

PETITION = f"/c/{CAMPAIGN}"


def partner(deployed: World) -> str:
    return str(next(iter(deployed.functions["embed"].deps.campaigns[CAMPAIGN].partners)))


@pytest.mark.parametrize("path", [PETITION, f"{PETITION}/links", f"{PETITION}/privacy"])
async def test_pages_without_a_language_redirect_to_a_supported_one(deployed: World, path: str) -> None:
    """They redirect uncached and keep the query, as CDNs do not cache what varies by Accept-Language."""
    headers = {"Accept-Language": "tlh, en-GB;q=0.8"}

    response = await deployed.client.get(f"{path}?source=radio&lang=xx", headers=headers)

    assert response.status_code == 302
    assert httpx.URL(response.headers["location"]).params == httpx.QueryParams(source="radio", lang="en")
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [PETITION, f"{PETITION}/privacy"])
async def test_pages_with_a_language_may_be_cached(deployed: World, path: str) -> None:
    """They say nothing about who reads them."""
    response = await deployed.client.get(f"{path}?lang=en")

    assert response.status_code == 200
    assert "public" in response.headers["cache-control"]
    assert "set-cookie" not in response.headers
    assert response.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", [f"{PETITION}?lang=en", f"/v1/campaigns/{CAMPAIGN}/form?lang=en", "/embed/v1.js"])
async def test_pages_are_compressed_for_clients_that_accept_it(deployed: World, path: str) -> None:
    """Here by the local server, where it is deployed by the CDN: less than half of the bytes are sent."""
    plain = await deployed.client.get(path, headers={"Accept-Encoding": "identity"})
    small = await deployed.client.get(path, headers={"Accept-Encoding": "br, gzip"})

    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content) / 2
    assert small.content == plain.content


@pytest.mark.parametrize("refused", ["gzip;q=0", "br, GZIP ; q=0.000", "gzip;q=0, identity"])
async def test_pages_are_not_compressed_for_clients_that_refuse_it(deployed: World, refused: str) -> None:
    """RFC 9110, 12.4.2: a weight of zero is a no; a cache keeps the two answers apart."""
    response = await deployed.client.get(f"{PETITION}?lang=en", headers={"Accept-Encoding": refused})
    least = await deployed.client.get(f"{PETITION}?lang=en", headers={"Accept-Encoding": "gzip;q=0.01"})

    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "Accept-Encoding"
    assert least.headers["content-encoding"] == "gzip"


async def test_pages_that_belong_to_one_signer_are_not_compressed(deployed: World) -> None:
    """The length would reveal to eavesdroppers how similar a token is to the rest of the page."""
    mail = await deployed.sign_and_deliver()

    signed = await deployed.client.post(
        SIGNATURES, data=signature(consent="true"), headers={"Accept": "text/html"}
    )
    confirm = await deployed.client.get(mail.links["confirm"])
    confirmed = await deployed.client.post(mail.links["confirm"])

    for page in (signed, confirm, confirmed):
        assert page.headers["content-type"].startswith("text/html")
        assert "content-encoding" not in page.headers


async def test_a_page_loads_nothing_but_our_widget(deployed: World) -> None:
    """It has no inline script and no third party, and nobody may frame it."""
    response = await deployed.client.get(f"{PETITION}?lang=en")

    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'" in policy
    assert re.findall(r"<script[^>]*>", response.text) == ['<script type="module" src="/embed/v1.js">']
    assert set(re.findall(r' (?:src|action)="(.)', response.text)) == {"/"}


async def test_every_image_of_a_page_may_be_kept_for_ever(deployed: World) -> None:
    """Each address on the page has one, of the type that it says; its address changes with its content."""
    page = await deployed.client.get(f"{PETITION}?lang=en")
    addresses = set(re.findall(rf"{PETITION}/images/[^ \"]+", page.text))

    answers = {address: await deployed.client.get(address) for address in addresses}

    assert {address.rpartition(".")[2] for address in addresses} == {"webp", "jpg", "png"}
    for address, answer in answers.items():
        assert answer.status_code == 200
        assert answer.headers["content-type"] == IMAGE_TYPES[address.rpartition(".")[2]]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


#: By the ending of an image's name.
IMAGE_TYPES = {"webp": "image/webp", "jpg": "image/jpeg", "png": "image/png"}


async def test_there_is_no_other_image(deployed: World) -> None:
    """Neither an organiser's own file nor one outside the folder can be had."""
    for name in ("picture.png", "unwatched.png", "000000000000-480.webp", "..%2fshare.png", "de.toml"):
        assert (await deployed.client.get(f"{PETITION}/images/{name}")).status_code == 404


async def test_a_partner_is_carried_into_the_form(deployed: World) -> None:
    """The rest of the query fills in nothing, and consents to nothing; the source is left to the page's script."""
    slug = partner(deployed)
    query = f"lang=en&partner={slug}&source=radio&email=planted@example.org&consent=true&newsletter=true"

    response = await deployed.client.get(f"{PETITION}?{query}")

    assert f'name="partner" value="{slug}"' in response.text
    assert '"radio"' not in response.text.replace('type="radio"', "")
    assert "planted@" not in response.text
    assert "checked" not in response.text


@pytest.mark.parametrize(
    ("query", "leads_to"),
    [
        ("lang=en&partner=nobody&source=a%20B", "lang=en&source=a%20B"),
        ("lang=en&partner=", "lang=en"),
        ("lang=en&embed=yes&moved=0", "lang=en"),
        ("lang=de&lang=en", "lang=en"),
        ("%6cang=en", "lang=en"),
        ("lang=EN", "lang=en"),
        ("lang=de_DE", "lang=de"),
    ],
)
async def test_a_query_that_no_cache_is_to_keep_leads_to_one_it_keeps(
    deployed: World, query: str, leads_to: str
) -> None:
    """A mistyped link must not stop its readers from signing, nor make a copy of the page for each mistake."""
    response = await deployed.client.get(f"{PETITION}?{query}", headers={"Accept-Language": "fr"})

    assert response.status_code == 302
    assert response.headers["location"] == f"{PETITION}?{leads_to}"
    assert response.headers["cache-control"] == "no-store"
    assert (await deployed.client.get(response.headers["location"])).status_code == 200


async def test_correcting_the_address_reopens_the_form_filled_in(deployed: World) -> None:
    """All input is kept but consent and newsletter choice, and the page is not cached."""
    typed = {"name": "Ann Example", "email": "ann@exmaple.org", "country": "MT", "consent": "true"}

    response = await deployed.client.post(f"{PETITION}?lang=en", data={**typed, "newsletter": "true"})

    assert response.status_code == 200
    assert 'value="Ann Example"' in response.text
    assert 'value="ann@exmaple.org"' in response.text
    assert 'value="MT" selected' in response.text
    assert "checked" not in response.text
    assert response.headers["cache-control"] == "no-store"


async def test_a_signer_redirected_from_another_page_learns_why(deployed: World) -> None:
    """The form of an unregistered page redirects to the hosted page, which says so."""
    plain = await deployed.client.get(f"{PETITION}?lang=en")
    moved = await deployed.client.get(f"{PETITION}?lang=en&moved=1")

    assert 'role="status"' in moved.text
    assert 'role="status"' not in plain.text


async def test_a_closed_campaign_shows_the_petition_without_its_form(deployed: World) -> None:
    """Old links keep working."""
    deployed.now = NOW.replace(year=NOW.year + 5)

    response = await deployed.client.get(f"{PETITION}?lang=en")

    assert response.status_code == 200
    assert 'name="email"' not in response.text


async def test_errors_are_pages_for_people_and_problems_for_programs(deployed: World) -> None:
    """The Accept header decides."""
    person = await deployed.client.get("/c/nobody", headers={"Accept": "text/html,*/*;q=0.8"})
    program = await deployed.client.get("/c/nobody", headers={"Accept": "application/json"})

    assert person.headers["content-type"].startswith("text/html")
    assert program.json()["code"] == "unknown_campaign"
    assert (person.status_code, program.status_code) == (404, 404)


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_every_function_reports_its_health_and_version(deployed: World, function: str) -> None:
    """It reports on itself only, and is not cached."""
    response = await deployed.client.get(f"/v1/health/{function}")

    assert response.json()["function"] == function
    assert response.json()["version"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_no_function_lets_an_exception_reach_the_framework(
    deployed: World, function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected error is a 500 of ours, and the log holds its type but nothing of the request."""
    app = deployed.functions[function].app
    app.routes[0].handlers.clear()
    path = app.routes[0].path.format(campaign=CAMPAIGN, token="secret")
    path += "?lang=en" if app.routes[0].in_language else ""
    app.routes[0].handlers["GET"] = _fail

    response = await deployed.client.get(path, headers={"Accept": "application/json"})

    printed = "".join(capsys.readouterr())
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert '"error": "KeyError"' in printed
    assert "secret" not in printed


async def _fail(_call: object) -> None:
    raise KeyError("secret")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/confirm/", "/v1/confirm/a/b", "/c/nobody", "/c/%FF%FF/a", "/nobody/%00"],
)
async def test_an_unknown_path_is_not_found(deployed: World, function: str, path: str) -> None:
    """This holds for every function and any path."""
    async with deployed.client_of(deployed.apps[function]) as alone:
        response = await alone.get(path, headers={"Accept": "application/json"})

    assert response.status_code == 404
    assert response.json()["code"] in {"not_found", "unknown_campaign"}


async def test_an_unknown_campaign_is_answered_with_those_that_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a partner who has made a slip; what deployments try themselves out with is nobody's campaign."""
    for name in ("ours", "canary"):
        campaign_file(tmp_path / "campaigns", name)

    async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(tmp_path / "campaigns")) as deployed:
        while_open = await deployed.client.get("/v1/campaigns/our/form?lang=en")
        deployed.now = NOW.replace(year=NOW.year + 5)
        once_closed = await deployed.client.get("/v1/campaigns/our/form?lang=en")

    assert (while_open.json()["code"], while_open.json()["campaigns"]) == ("unknown_campaign", ["ours"])
    assert once_closed.json()["campaigns"] == []
