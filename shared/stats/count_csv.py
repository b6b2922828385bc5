"""The count by country as a table, for those who open it in a spreadsheet."""

import csv
import io
from collections.abc import Iterator

from shared.locales import Locale
from shared.models.responses import Count
from shared.reference import countries
from shared.stats.count import OTHER

_COLUMNS = ("country", "name", "signatures", "needed", "share")
_Row = tuple[str, str, int | None, int | None, float | None]


def as_csv(count: Count, locale: Locale) -> str:
    """Write a row for each country, ordered by its name in the language, `other` last (RFC 4180).

    Each country with a threshold has a row; its number is empty where it is folded into `other`.
    """
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(_COLUMNS)
    table.writerows(_rows(count, locale))
    return written.getvalue()


def _rows(count: Count, locale: Locale) -> Iterator[_Row]:
    thresholds = count.thresholds.by_country if count.thresholds else {}
    for code, name in countries.names(locale.language):
        threshold, signatures = thresholds.get(code), count.by_country.get(code)
        if threshold:
            yield code, name, signatures, threshold.needed, threshold.share
        elif signatures:
            yield code, name, signatures, None, None
    if OTHER in count.by_country:
        yield OTHER, locale("progress.others"), count.by_country[OTHER], None, None
