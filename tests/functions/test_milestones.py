"""The feed of milestones: which goals, when, and that feed readers can read it."""

from collections.abc import Mapping
from datetime import timedelta
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from shared.stats import milestones
from shared.stats.history import Line
from shared.stats.milestones import Milestone
from shared.store.entities import Day, Point, TotalAt
from tests.functions.test_history import DAY, HOUR, record_totals
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN, PUBLIC_URL, World

FEED = f"/v1/campaigns/{CAMPAIGN}/milestones.atom"
GOALS = [1_000, 5_000, 10_000]
ATOM = "{http://www.w3.org/2005/Atom}"


def reached(*days: Mapping[timedelta, int]) -> dict[int, timedelta]:
    """Return how long ago each goal was reached, by days of totals, each of so long ago."""
    stored = []
    for day in days:
        hours = {f"h{index:02}": TotalAt(NOW - ago, total) for index, (ago, total) in enumerate(day.items())}
        last = list(hours.values())[-1]
        stored.append(Day(Point(last.at, last.total, {}), hours))
    return {each.goal: NOW - each.at for each in milestones.reached(Line(stored, NOW), GOALS)}


class TestReached:
    def test_is_the_hour_of_the_first_snapshot_that_shows_it(self) -> None:
        """On any day, not only of the last weeks; two goals may be reached in one hour."""
        days = {90 * DAY: 900, 90 * DAY - HOUR: 5_200}

        assert reached(days, {HOUR: 9_999}) == dict.fromkeys((1_000, 5_000), 90 * DAY - HOUR)

    def test_is_not_taken_back_by_withdrawals(self) -> None:
        """A total that trembles around a goal reaches it once."""
        assert reached({5 * HOUR: 1_001, 4 * HOUR: 999, 3 * HOUR: 1_002}) == {1_000: 5 * HOUR}

    def test_is_taken_back_by_a_fall(self) -> None:
        """A total that was wrong, or lowered on purpose: what is reached again is reached then."""
        fell = {5 * HOUR: 5_100, 4 * HOUR: 1_200}

        assert reached(fell) == {1_000: 5 * HOUR}
        assert reached({**fell, 3 * HOUR: 5_001}) == {1_000: 5 * HOUR, 5_000: 3 * HOUR}

    def test_survives_a_hole_in_the_history(self) -> None:
        """It is dated when it is first seen."""
        assert reached({3 * DAY: 900}, {HOUR: 1_100}) == {1_000: HOUR}

    def test_is_nothing_without_a_history(self) -> None:
        """Nor below the first goal."""
        assert milestones.reached(Line([], NOW), GOALS) == []
        assert reached({HOUR: 999}) == {}

    def test_counts_the_goal_itself(self) -> None:
        """A thousand signatures are a thousand."""
        day = Day(Point(NOW, 1_000, {}), {})

        assert milestones.reached(Line([day], NOW), GOALS) == [Milestone(1_000, NOW)]


def texts(element: Element, name: str) -> list[str | None]:
    return [found.text for found in element.findall(ATOM + name)]


async def test_the_feed_has_what_atom_demands(deployed: World) -> None:
    """RFC 4287: feed and entries have one id, title and time each, the feed an author and a link to itself."""
    await record_totals(deployed, {2 * DAY: 900, DAY: 1_100, HOUR: 5_000})

    response = await deployed.client.get(f"{FEED}?lang=en")

    assert response.headers["content-type"] == "application/atom+xml"
    feed = ElementTree.fromstring(response.text)  # noqa: S314 - our own feed
    page = f"{PUBLIC_URL}/c/{CAMPAIGN}/progress?lang=en"
    assert feed.tag == f"{ATOM}feed"
    assert texts(feed, "id") == [f"{PUBLIC_URL}{FEED}?lang=en"]
    assert texts(feed, "updated") == ["2026-11-22T19:00:00Z"]
    assert texts(feed, "rights") == ["CC0 1.0"]
    assert texts(feed.findall(f"{ATOM}author")[0], "name") == ["Unwatched Europe e.V."]
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert (links["self"], links["alternate"]) == (f"{PUBLIC_URL}{FEED}?lang=en", page)
    entries = feed.findall(f"{ATOM}entry")
    titles = ["5,000 people have signed", "1,000 people have signed"]
    assert [texts(each, "title") for each in entries] == [[title] for title in titles]
    assert [texts(each, "id") for each in entries] == [[f"{page}#5000"], [f"{page}#1000"]]
    assert [texts(each, "updated") for each in entries] == [["2026-11-22T19:00:00Z"], ["2026-11-21T20:00:00Z"]]


async def test_the_feed_is_there_before_the_first_milestone(deployed: World) -> None:
    """Empty, in the campaign's language, and as old as the petition, so that a reader can subscribe."""
    response = await deployed.client.get(FEED)

    feed = ElementTree.fromstring(response.text)  # noqa: S314 - our own feed
    assert texts(feed, "updated") == ["2026-11-01T00:00:00Z"]
    assert feed.findall(f"{ATOM}entry") == []


async def test_the_feed_is_found_on_the_page_with_the_numbers(deployed: World) -> None:
    """Feed readers look for it there, and ask again for next to nothing."""
    page = await deployed.client.get(f"/c/{CAMPAIGN}/progress?lang=de")
    first = await deployed.client.get(f"{FEED}?lang=de")
    later = await deployed.client.get(f"{FEED}?lang=de", headers={"If-None-Match": first.headers["etag"]})

    assert '<link rel="alternate" type="application/atom+xml"' in page.text
    assert f'href="{FEED}?lang=de"' in page.text
    assert later.status_code == 304
