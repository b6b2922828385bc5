"""Signals: what a request shows of whether a person's browser sent it. Looked at in memory; only labels are kept.

They find careless programs. One that sends what browsers send, after as long as people take, is not found.
"""

from starlette.datastructures import Headers

from shared.models.labels import Label

#: Seconds from loading a page within which nobody fills in a form, even where the browser does most of it.
MIN_PAGE_SECONDS = 3

#: Browsers send one of these with every form and every script's request, unless software removes it: Origin with
#: each POST (https://fetch.spec.whatwg.org/#append-a-request-origin-header) since about 2020, Sec-Fetch-Site since
#: 2023 (https://caniuse.com/mdn-http_headers_sec-fetch-site), and those that know neither a Referer.
_SENT_BY_PAGES = ("origin", "referer", "sec-fetch-site")


def labels(headers: Headers, page_seconds: int | None, *, is_burst: bool, lacks_work: bool) -> tuple[Label, ...]:
    """Return the labels of a submission.

    `page_seconds`: from loading the page to sending the form, None where the sender does not say. `is_burst`: its
    network has sent many. `lacks_work`: the campaign asked for work.
    """
    found = {
        Label.NO_PAGE: not any(headers.get(name) for name in _SENT_BY_PAGES),
        Label.TOO_FAST: page_seconds is not None and page_seconds < MIN_PAGE_SECONDS,
        Label.NETWORK_BURST: is_burst,
        Label.NO_WORK: lacks_work,
    }
    return tuple(label for label, holds in found.items() if holds)
