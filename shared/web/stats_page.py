"""The numbers of a campaign as its page for journalists shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.models.responses import Count
from shared.reference import countries
from shared.stats.count import OTHER
from shared.stats.history import Line
from shared.store.entities import Point, TotalAt
from shared.web import charts

if TYPE_CHECKING:
    from shared.locales import Locale

#: A younger campaign is drawn hour by hour.
_DRAWN_BY_HOUR = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class CountryRow:
    """`total`: None where it is too small to be shown. `needed`: its threshold, None where it has none."""

    name: str
    total: int | None
    needed: int | None
    met: bool
    #: Of the threshold, else of the country with most signatures; 0 to 100.
    percent: float


def chart(count: Count, line: Line) -> charts.Chart | None:
    """Chart the total over time, up to the count of this moment."""
    is_young = not line.stored or count.as_of - line.days[0].at < _DRAWN_BY_HOUR
    points: Sequence[Point | TotalAt] = line.hours if is_young else line.days
    moments = [(point.at, point.total) for point in points if point.at < count.as_of]
    return charts.line([*moments, (count.as_of, count.total)])


def country_rows(count: Count, locale: "Locale") -> Sequence[CountryRow]:
    """List the countries with a threshold, the nearest to it first; then the others, the largest first."""
    names = dict(countries.names(locale.language))
    with_threshold = sorted(_member_states(count, names), key=lambda row: (-row.percent, -(row.total or 0)))
    return [*with_threshold, *_others(count, names, locale)]


def _member_states(count: Count, names: dict[str, str]) -> Iterator[CountryRow]:
    if count.thresholds is None:
        return
    for code, threshold in sorted(count.thresholds.by_country.items(), key=lambda each: names[each[0]]):
        total = count.by_country.get(code)
        percent = min(100, 100 * (total or 0) / threshold.needed)
        yield CountryRow(names[code], total, threshold.needed, threshold.met, percent)


def _others(count: Count, names: dict[str, str], locale: "Locale") -> Iterator[CountryRow]:
    thresholds = count.thresholds.by_country if count.thresholds else {}
    shown = {code: total for code, total in count.by_country.items() if code not in {*thresholds, OTHER}}
    most = max(shown.values(), default=0)
    for code, total in sorted(shown.items(), key=lambda each: -each[1]):
        percent = 0 if thresholds else 100 * total / most
        yield CountryRow(names[code], total, None, met=False, percent=percent)
    if OTHER in count.by_country:
        yield CountryRow(locale("progress.others"), count.by_country[OTHER], None, met=False, percent=0)
