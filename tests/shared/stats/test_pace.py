"""How fast the total grows and when it reaches a goal, where the history is whole, has holes, or falls."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import pytest

from shared.campaigns.loader import load_all
from shared.campaigns.model import Campaign
from shared.campaigns.overlay import Overlay, Paper
from shared.models.responses import Count, Forecast, Rate
from shared.stats import count, fall
from shared.stats.count import Snapshot
from shared.store.entities import Tally, TotalAt
from tests.support.clock import NOW
from tests.support.deployment import CAMPAIGN

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def campaign(opens: datetime = NOW - 21 * DAY, closes: datetime = NOW + 300 * DAY) -> Campaign:
    """Return the example campaign; its goals are 1,000, 5,000, 10,000 and on, to a million."""
    return load_all()[CAMPAIGN].model_copy(update={"opens": opens, "closes": closes})


def growing(per_hour: int, total: int, hours: int, until: datetime = NOW) -> dict[datetime, int]:
    """Return the points of a total that grows evenly to `total` at `until`, which is no point itself."""
    return {until - n * HOUR: total - n * per_hour for n in range(hours, 0, -1)}


def shown(
    points: Mapping[datetime, int],
    total: int,
    as_of: datetime = NOW,
    overlay: Overlay | None = None,
    of: Campaign | None = None,
) -> Count:
    snapshot = Snapshot(Tally(total, {"DE": total}), overlay or Overlay(), as_of, rose_at=as_of)
    return count.public(of or campaign(), snapshot, [TotalAt(at, number) for at, number in points.items()])


class TestRate:
    def test_is_the_growth_of_the_last_hour_and_day(self) -> None:
        """A hundred an hour are 2,400 a day."""
        public = shown(growing(100, 9_000, 72), 9_000)

        assert public.rate == Rate(last_hour=100, last_24_hours=2_400)

    def test_between_two_points_goes_by_a_straight_line(self) -> None:
        """At half past, half of the hour before the last point counts, and all that came since."""
        public = shown(growing(100, 9_000, 72), 9_010, NOW - 30 * MINUTE)

        assert public.rate == Rate(last_hour=9_010 - 8_850, last_24_hours=9_010 - 6_550)

    def test_stays_the_same_within_a_minute(self) -> None:
        """So that an answer which is asked for every few seconds has the same tag while the total is the same."""
        first, later = (
            shown(growing(7_200, 900_000, 72), 900_000, NOW + timedelta(seconds=seconds)) for seconds in (0, 55)
        )

        assert first.rate == later.rate

    def test_survives_one_missing_snapshot(self) -> None:
        """Where two are missing, nobody knows how the signatures were spread over the hours."""
        points = growing(100, 9_000, 72)
        one, two = dict(points), dict(points)
        del one[NOW - HOUR], two[NOW - HOUR], two[NOW - 2 * HOUR]

        assert shown(one, 9_000).rate == Rate(last_hour=100, last_24_hours=2_400)
        assert shown(two, 9_000).rate == Rate(last_24_hours=2_400)

    def test_is_absent_for_a_time_that_has_no_history(self) -> None:
        """The history says nothing of the day before, or is empty."""
        assert shown(growing(100, 9_000, 5), 9_000).rate == Rate(last_hour=100)
        assert shown({}, 9_000).rate is None

    def test_begins_with_zero_when_the_petition_opens(self) -> None:
        """All signatures of a petition that opened twenty minutes ago came within the hour."""
        public = shown({}, 40, of=campaign(opens=NOW - 20 * MINUTE))

        assert public.rate == Rate(last_hour=40, last_24_hours=40)

    def test_is_absent_before_the_petition_opens(self) -> None:
        """There is nothing to count yet."""
        assert shown({}, 0, of=campaign(opens=NOW + DAY)).rate is None

    def test_is_zero_where_a_few_have_withdrawn(self) -> None:
        """A rate below nothing is no rate."""
        public = shown(growing(0, 9_000, 72), 8_999)

        assert public.rate == Rate(last_hour=0, last_24_hours=0)

    def test_begins_again_after_a_fall(self) -> None:
        """A database that came back older, and that the organisers have accepted: 500 are not "minus 8,000"."""
        fell = NOW - 30 * MINUTE
        points = growing(100, 9_000, 72, fell) | {fell: 500}

        assert shown(points, 550).rate is None
        assert shown({**points, fell + HOUR: 600}, 650, NOW + HOUR).rate == Rate(last_hour=100)

    def test_begins_again_after_the_total_was_lowered_on_purpose(self) -> None:
        """Even if as many came in the meantime, so that no fall shows in the history."""
        lowered = Overlay(lowered_at=NOW - 26 * HOUR)
        points = growing(100, 9_000, 72)

        assert shown(points, 9_000, overlay=lowered).rate == Rate(last_hour=100, last_24_hours=2_400)
        lately = Overlay(lowered_at=NOW - 2 * HOUR - fall.LOWERING_TIME)
        assert shown(points, 9_000, overlay=lately).rate == Rate(last_hour=100)
        assert shown(points, 9_000, overlay=Overlay(lowered_at=NOW - MINUTE)).rate is None

    def test_has_no_paper_in_it(self) -> None:
        """Signatures on paper come in heaps, when somebody has counted them."""
        heap = Paper(country="DE", number=5_000, note="a stall in Cologne", added_at=NOW)

        assert shown(growing(100, 9_000, 72), 9_000, overlay=Overlay(paper=(heap,))).rate == Rate(
            last_hour=100, last_24_hours=2_400
        )

    def test_of_a_purged_campaign_is_zero(self) -> None:
        """Its tally is the final count, and grows no more."""
        over = campaign(opens=NOW - 90 * DAY, closes=NOW - 60 * DAY)
        public = shown(growing(0, 9_000, 72), 9_000, overlay=Overlay(purged=NOW - DAY), of=over)

        assert (public.rate, public.forecast) == (Rate(last_hour=0, last_24_hours=0), None)


class TestLastConfirmedAt:
    @pytest.mark.parametrize(("per_hour", "is_shown"), [(9, False), (10, True)])
    def test_is_shown_to_the_minute_once_the_last_hour_brought_ten(self, per_hour: int, *, is_shown: bool) -> None:
        """With fewer, the minute could tell somebody who comes later that a person they know has signed."""
        as_of = NOW + timedelta(seconds=48)
        public = shown(growing(per_hour, 9_000, 72), 9_000, as_of)

        assert public.last_confirmed_at == (NOW if is_shown else None)


class TestForecast:
    def test_is_the_day_on_which_the_goals_are_reached_at_last_weeks_pace(self) -> None:
        """At 2,400 a day, 1,000 are missing to 10,000, and 991,000 to a million."""
        forecast = shown(growing(100, 9_000, 72), 9_000, of=campaign(closes=NOW + 500 * DAY)).forecast

        assert forecast == Forecast(next_goal=date(2026, 11, 23), goal=date(2028, 1, 9))

    def test_goes_by_no_more_than_a_week(self) -> None:
        """A petition that grew by a thousand an hour, and then by ten, grows by ten."""
        points = growing(1_000, 90_000, 72, NOW - 7 * DAY) | growing(10, 91_680, 168)

        forecast = shown(points, 91_680).forecast

        assert forecast == Forecast(next_goal=(NOW + 832 * HOUR).date())

    @pytest.mark.parametrize(("hours", "is_given"), [(23, False), (24, True)])
    def test_needs_a_day_of_numbers(self, hours: int, *, is_given: bool) -> None:
        """One evening on the news says little about the week."""
        public = shown(growing(100, 9_000, hours), 9_000)

        assert (public.forecast is not None) == is_given

    def test_needs_a_day_of_numbers_after_a_fall(self) -> None:
        """What was before it says nothing about the pace."""
        points = growing(100, 9_000, 72, NOW - 20 * HOUR) | growing(10, 700, 20)

        assert shown(points, 700).forecast is None

    def test_bridges_a_hole_in_the_history(self) -> None:
        """The pace of a week goes by its ends."""
        points = {NOW - 3 * DAY: 1_800, NOW - HOUR: 8_900}

        assert shown(points, 9_000).forecast == shown(growing(100, 9_000, 72), 9_000).forecast

    @pytest.mark.parametrize("total", [9_000, 8_990])
    def test_is_absent_where_nothing_grows(self, total: int) -> None:
        """Or where a few have withdrawn."""
        assert shown(growing(0, 9_000, 72), total).forecast is None

    def test_is_absent_once_the_goal_is_reached(self) -> None:
        """There is no next one."""
        assert shown(growing(100, 1_000_000, 72), 1_000_000).forecast is None

    def test_names_no_day_after_the_close(self) -> None:
        """Nobody can sign then; the next goal may come before."""
        forecast = shown(growing(100, 9_000, 72), 9_000, of=campaign(closes=NOW + 300 * DAY)).forecast

        assert forecast == Forecast(next_goal=date(2026, 11, 23))

    def test_names_no_day_in_more_than_ten_years(self) -> None:
        """One signature a day would reach a million in 2,700 years."""
        points = {NOW - 3 * DAY: 8_997, NOW - HOUR: 9_000}
        forever = campaign(closes=NOW.replace(year=9998))

        assert shown(points, 9_000, of=forever).forecast == Forecast(next_goal=(NOW + 1_000 * DAY).date())

    def test_is_absent_while_no_signatures_are_taken(self) -> None:
        """A petition that is paused, or has closed, has no pace."""
        points = growing(100, 9_000, 72)

        assert shown(points, 9_000, overlay=Overlay(paused=True)).forecast is None
        assert shown(points, 9_000, of=campaign(closes=NOW - HOUR)).forecast is None
        assert shown(points, 9_000, overlay=Overlay(paused=True)).rate is not None

    def test_stays_the_same_while_the_total_does(self) -> None:
        """Seconds and hours do not change a day, so an answer has the same tag for long."""
        points = growing(100, 9_000, 72)

        tags = {count.etag(shown(points, 9_000, NOW + timedelta(seconds=seconds))) for seconds in (0, 5, 50)}

        assert len(tags) == 1
