"""Labels: coarse signs that a submission may not be a person's. They hold no address, no network and no domain."""

from enum import StrEnum


class Label(StrEnum):
    """One label. `..._BURST`: many alike within an hour; volume alone, which news and large offices bring, too."""

    #: The provider hands out mailboxes to throw away.
    DISPOSABLE_DOMAIN = "disposable_domain"
    DOMAIN_BURST = "domain_burst"
    NETWORK_BURST = "network_burst"
    #: Sent sooner after the form was shown than anybody fills it in.
    TOO_FAST = "too_fast"
    #: Sent without a form having been loaded.
    NO_PAGE = "no_page"
    #: Sent without the work that the campaign asked for, as browsers without scripts do.
    NO_WORK = "no_work"
