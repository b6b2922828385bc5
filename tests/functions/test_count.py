"""count: numbers that anybody may read and a CDN may cache."""

import csv
import io
import re
from collections.abc import Mapping
from datetime import datetime
from html import unescape
from xml.etree import ElementTree

import pytest

from desk import runtime
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, COUNT, PUBLIC_URL, World

BADGE = f"{COUNT}.svg"
PROGRESS = f"/c/{CAMPAIGN}/progress"


async def confirm_many(deployed: World, by_country: Mapping[str, int]) -> None:
    """Sign and confirm, so many times from each country."""
    for country, number in by_country.items():
        for one in range(number):
            mail = await deployed.sign_and_deliver(email=f"{country}{one}@example.org", country=country)
            await deployed.press(mail)


async def test_the_count_has_the_fields_of_the_contract(deployed: World) -> None:
    """It has total, goals, countries of ten and more, thresholds, and when it was read."""
    await confirm_many(deployed, {"DE": 10, "FR": 9, "BR": 1})

    count = await deployed.count()

    campaign = deployed.functions["count"].deps.campaigns[CAMPAIGN]
    assert (count["campaign"], count["total"], count["goal"]) == (CAMPAIGN, 20, 1_000_000)
    assert count["next_goal"] == campaign.goal_steps[0]
    assert count["by_country"] == {"DE": 10, "other": 10}
    assert count["as_of"] == NOW.isoformat().replace("+00:00", "Z")
    assert (count["thresholds"]["needed"], count["thresholds"]["met"]) == (7, 0)
    assert count["thresholds"]["by_country"]["DE"] == {"needed": 67680, "met": False, "share": 0.0001}
    assert len(count["thresholds"]["by_country"]) == 27


async def test_the_count_by_country_is_a_table_with_names(deployed: World) -> None:
    """Ordered by the names in the language asked for; a country under ten is folded, though it has a threshold."""
    await confirm_many(deployed, {"DE": 11, "BR": 10, "FR": 9})
    await deployed.count()

    response = await deployed.client.get(f"{COUNT}.csv?lang=de")

    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="{CAMPAIGN}-countries.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    shown = {row["country"]: row for row in rows}
    assert shown["BR"] == {"country": "BR", "name": "Brasilien", "signatures": "10", "needed": "", "share": ""}
    assert list(shown["DE"].values()) == ["DE", "Deutschland", "11", "67680", "0.0001"]
    assert list(shown["FR"].values()) == ["FR", "Frankreich", "", "55695", ""]
    assert list(shown["other"].values()) == ["other", "Alle anderen Länder", "9", "", ""]
    assert [row["name"] for row in rows[:3]] == ["Belgien", "Brasilien", "Bulgarien"]
    assert len(rows) == 27 + 1 + 1


async def test_the_table_is_sent_again_only_when_its_numbers_have_changed(deployed: World) -> None:
    """As the count is; in another language it is another table."""
    german = await deployed.client.get(f"{COUNT}.csv?lang=de")
    known = {"If-None-Match": german.headers["etag"]}
    deployed.now = NOW.replace(hour=21)

    same, english = [await deployed.client.get(f"{COUNT}.csv?lang={it}", headers=known) for it in ("de", "en")]

    assert (same.status_code, english.status_code) == (304, 200)


async def collected(deployed: World, partner: str | None, number: int) -> None:
    """Let as many people sign for a partner, or for none."""
    for each in range(number):
        fields = {"email": f"{partner}-{each}@example.org", "partner": partner}
        await deployed.press(await deployed.sign_and_deliver(**fields))


async def test_the_count_names_partners_that_agree_to_it(deployed: World) -> None:
    """Only from ten signatures on, the largest first; the others cannot be told apart in the rest of the total."""
    await collected(deployed, "libertes-ouvertes", 11)
    await collected(deployed, "digital-rights", 9)
    await collected(deployed, "cyfrowa-wolnosc", 12)
    await collected(deployed, None, 1)
    first = await deployed.count()

    await deployed.press(await deployed.sign_and_deliver(email="tenth@example.org", partner="digital-rights"))
    then = await deployed.count()

    libertes = {"id": "libertes-ouvertes", "name": "Libertés Ouvertes", "total": 11}
    digital = {"id": "digital-rights", "name": "Digital Rights Watch Berlin", "total": 10}
    assert (first["total"], first["by_partner"]) == (33, [libertes])
    assert (then["total"], then["by_partner"]) == (34, [libertes, digital])


async def test_the_page_with_the_numbers_lists_partners_that_agree_to_it(deployed: World) -> None:
    """Each with a link to its website; without any, partners are not mentioned."""
    before = (await deployed.client.get(f"{PROGRESS}?lang=en")).text
    await collected(deployed, "digital-rights", 12)
    await collected(deployed, "cyfrowa-wolnosc", 11)
    await deployed.count()

    page = (await deployed.client.get(f"{PROGRESS}?lang=en")).text

    assert "collected by partners" not in before
    assert "<h2>Signatures collected by partners</h2>" in page
    website = 'href="https://digital-rights.example.org" rel="external noopener">Digital Rights Watch Berlin</a>'
    assert re.search(rf'<th scope="row"><a {website}.*?<td class="number">12</td>', page, re.S)
    assert "Cyfrowa" not in page


async def test_a_partner_that_agrees_has_a_view_of_its_own(deployed: World) -> None:
    """It shows its total and its share, and leads to what collects more; a language keeps the partner."""
    own = f"{PROGRESS}?lang=en&partner=digital-rights"
    before = unescape((await deployed.client.get(own)).text)
    await collected(deployed, "digital-rights", 12)
    await collected(deployed, None, 4)
    await deployed.count()

    page = unescape((await deployed.client.get(own)).text)
    snippets = unescape((await deployed.client.get(own.replace("/progress", "/embed"))).text)

    assert "Signatures collected: under 10" in before
    assert "Signatures collected: 12" in page
    assert "Share of all signatures: 75%" in page
    assert f">{PUBLIC_URL}/c/{CAMPAIGN}?lang=en&partner=digital-rights</a>" in page
    for path in ("/embed", "/sheet", "/qr.svg"):
        assert f'href="/c/{CAMPAIGN}{path}?lang=en&partner=digital-rights"' in page
    assert f'href="{PROGRESS}?lang=de&partner=digital-rights"' in page
    assert f'href="{own}">The numbers of this organisation</a>' in snippets


async def test_the_address_of_a_partner_that_does_not_agree_shows_no_number_of_it(deployed: World) -> None:
    """It can be guessed, so it shows the page that all see; only the link to sign names the partner."""
    await collected(deployed, "cyfrowa-wolnosc", 12)
    await deployed.count()

    everybody = (await deployed.client.get(f"{PROGRESS}?lang=en")).text
    own = (await deployed.client.get(f"{PROGRESS}?lang=en&partner=cyfrowa-wolnosc")).text
    snippets = (await deployed.client.get(f"/c/{CAMPAIGN}/embed?lang=en&partner=cyfrowa-wolnosc")).text

    assert own.replace("&amp;partner=cyfrowa-wolnosc", "").replace("%26partner=cyfrowa-wolnosc", "") == everybody
    assert "The numbers of this organisation" not in snippets


async def test_the_privacy_notice_says_that_partners_numbers_are_public(deployed: World) -> None:
    """Where a partner has agreed to it."""
    page = (await deployed.client.get(f"/c/{CAMPAIGN}/privacy?lang=en")).text

    assert "how many signatures it has collected, only from ten on" in page


async def test_the_licence_of_the_numbers_is_named_with_them(deployed: World) -> None:
    """In the count for programs, and on the page for people."""
    count = await deployed.count()
    page = (await deployed.client.get(f"/c/{CAMPAIGN}/progress?lang=en")).text

    assert count["data_license"] == "CC0-1.0"
    assert '<a rel="license" href="https://creativecommons.org/publicdomain/zero/1.0/">CC0 1.0</a>' in page


async def test_any_page_may_read_the_count_and_a_cdn_may_cache_it(deployed: World) -> None:
    """CORS is open, and the cache headers are those of the contract."""
    response = await deployed.client.get(COUNT, headers={"Origin": "https://anybody.example"})

    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cache-control"] == "public, max-age=5"
    assert response.headers["vary"] == "Accept-Encoding"
    assert "set-cookie" not in response.headers


async def test_the_same_numbers_are_not_sent_twice(deployed: World) -> None:
    """A known entity tag gets 304, even when the time has changed, and 200 once the numbers have."""
    first = await deployed.client.get(COUNT)
    known = {"If-None-Match": f'"other", {first.headers["etag"]}'}
    deployed.now = NOW.replace(hour=21)

    same = await deployed.client.get(COUNT, headers=known)
    await confirm_many(deployed, {"DE": 1})
    deployed.now = NOW.replace(hour=22)
    changed = await deployed.client.get(COUNT, headers=known)

    assert first.headers["etag"].startswith('W/"')
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["cache-control"] == first.headers["cache-control"]
    assert (changed.status_code, changed.json()["total"]) == (200, 1)


async def test_the_count_is_cached_for_five_seconds(deployed: World) -> None:
    """A hundred thousand readers a second cost one read of the database."""
    await deployed.client.get(COUNT)
    await confirm_many(deployed, {"DE": 1})

    soon = await deployed.client.get(COUNT)
    deployed.now = NOW.replace(second=5)
    later = await deployed.client.get(COUNT)

    assert (soon.json()["total"], later.json()["total"]) == (0, 1)


async def test_the_badge_is_a_picture_that_screen_readers_can_read(deployed: World) -> None:
    """It is well-formed SVG with the total as text, cacheable, and without scripts or links."""
    await confirm_many(deployed, {"DE": 1})

    response = await deployed.client.get(BADGE)

    assert response.headers["content-type"] == "image/svg+xml"
    assert "max-age=5" in response.headers["cache-control"]
    assert response.headers["etag"]
    text = "".join(ElementTree.fromstring(response.text).itertext())  # noqa: S314 - our own picture
    assert re.search(r"\b1\b", text)
    assert "script" not in response.text
    assert "href" not in response.text


async def test_the_badge_comes_dark_light_and_compact(deployed: World) -> None:
    """Each is well-formed and readable: its small text has a contrast of 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    await confirm_many(deployed, {"DE": 1})
    queries = ("lang=en", "lang=en&theme=dark", "lang=en&theme=light", "lang=en&theme=light&size=compact")

    dark, explicit, light, compact = [(await deployed.client.get(f"{BADGE}?{query}")).text for query in queries]

    assert dark == explicit
    assert len({dark, light, compact}) == 3
    for picture, height, has_bar in ((dark, 48, True), (light, 48, True), (compact, 24, False)):
        root = ElementTree.fromstring(picture)  # noqa: S314 - our own picture
        assert (root.get("width"), root.get("height")) == ("200", str(height))
        assert ("ext goal" in picture, "<path" in picture) == (has_bar, has_bar)
        back = re.search(r'<rect[^>]*fill="(#\w+)"', picture)
        ink, soft = re.findall(r"fill:(#\w+)", picture)
        assert back
        assert min(contrast(ink, back[1]), contrast(soft, back[1])) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("query", ["theme=pink", "size=huge", "theme=light&theme=dark", "%74heme=light"])
@pytest.mark.parametrize("path", [BADGE, f"/c/{CAMPAIGN}/stream"])
async def test_a_look_that_there_is_not_leads_to_one_that_there_is(deployed: World, path: str, query: str) -> None:
    """Uncached, so that nobody fills a cache with made-up ones."""
    moved = await deployed.client.get(f"{path}?lang=en&{query}")
    shown = await deployed.client.get(moved.headers["location"])

    assert (moved.status_code, moved.headers["cache-control"]) == (302, "no-store")
    assert shown.status_code == 200


async def test_the_page_for_streams_has_the_number_before_its_script_runs(deployed: World) -> None:
    """It may be framed by the tools of any streamer, and is no form."""
    await confirm_many(deployed, {"DE": 1})
    await deployed.count()

    page = await deployed.client.get(f"/c/{CAMPAIGN}/stream?lang=en&theme=light")

    assert "1 person has signed</undersign-counter>" in page.text
    assert '<body class="light ">' in page.text
    assert "frame-ancestors *" in page.headers["content-security-policy"]
    assert "<form" not in page.text


CLOSED, ANNOUNCED, OPEN = NOW.replace(year=2027), NOW.replace(month=10), NOW.replace(minute=1)


@pytest.mark.parametrize(
    ("now", "signers", "shown", "hidden"),
    [
        (OPEN, 0, ["Be the first to sign", "ext goal: 1,000"], ["0 people"]),
        (OPEN, 1, ["1 person has signed", "ext goal: 1,000"], ["Be the first"]),
        (CLOSED, 1, ["1 person has signed"], ["ext goal"]),
        (CLOSED, 0, [], ["ext goal", "Be the first", "0 people"]),
        (ANNOUNCED, 0, [], ["ext goal", "Be the first", "0 people"]),
    ],
)
async def test_a_campaign_starts_with_an_invitation_and_ends_without_a_next_goal(
    deployed: World, now: datetime, signers: int, shown: list[str], hidden: list[str]
) -> None:
    """On the page with the numbers and on the badge; and the count says why nobody can sign."""
    await confirm_many(deployed, {"DE": signers})
    deployed.now = now

    page = (await deployed.client.get(f"/c/{CAMPAIGN}/progress?lang=en")).text
    badge = (await deployed.client.get(f"{BADGE}?lang=en")).text
    count = await deployed.count()

    assert [text for text in shown if text not in page] == []
    assert [text for text in hidden if text in page + badge] == []
    assert ("Be the first" in badge, "ext goal" in badge) == (now == OPEN and not signers, now == OPEN)
    assert count.get("closed_reason") == (None if now == OPEN else "campaign_closed")
    assert (count["total"], count["goal"]) == (signers, 1_000_000)
    assert count["next_goal"] > 0


async def test_the_count_says_that_a_campaign_is_paused(deployed: World) -> None:
    """It keeps its next goal, since it goes on; nobody is invited to sign meanwhile."""
    records = runtime.desk().maintenance
    await records.change_overlay(CAMPAIGN, lambda overlay: overlay.model_copy(update={"paused": True}))
    records.close()

    count = await deployed.count()
    badge = (await deployed.client.get(f"{BADGE}?lang=en")).text

    assert count["closed_reason"] == "campaign_paused"
    assert "next goal" in badge
    assert "Be the first" not in badge


@pytest.mark.parametrize("address", [COUNT, BADGE])
async def test_a_returning_signer_is_shown_the_new_number(deployed: World, address: str) -> None:
    """No browser may serve the old one while it fetches the new one."""
    response = await deployed.client.get(address)

    assert "stale-while-revalidate" not in response.headers["cache-control"]


async def test_head_answers_like_get_without_a_body(deployed: World) -> None:
    """Monitoring uses it."""
    response = await deployed.client.head(COUNT)

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


async def test_an_unknown_campaign_is_a_problem_that_any_page_may_read(deployed: World) -> None:
    """The answer is 404 with the stable code."""
    response = await deployed.client.get("/v1/campaigns/nobody/count")

    assert (response.status_code, response.json()["code"]) == (404, "unknown_campaign")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cache-control"] == "no-store"
