"""The errors of Undersign, as one tree.

    UndersignError
    ├── PublicError                shown to clients; mapped once, in web/problem.py, to RFC 9457 or a page
    │   ├── UnknownCampaign        404 unknown_campaign
    │   ├── NotFound               404 not_found
    │   ├── MethodNotAllowed       405 method_not_allowed
    │   ├── TooLarge               413 too_large
    │   ├── UnsupportedMediaType   415 unsupported_media_type
    │   ├── OriginNotAllowed       403 origin_not_allowed
    │   ├── CampaignClosed         410 campaign_closed
    │   ├── CampaignPaused         409 campaign_paused
    │   ├── MalformedBody          400 (base of the three)
    │   │   ├── NotUtf8            400 not_utf8
    │   │   ├── NotJson            400 not_json
    │   │   └── NestedTooDeeply    400 nested_too_deeply
    │   ├── InvalidFields          422 invalid_fields
    │   ├── InvalidToken           404 invalid_token
    │   │   └── ExpiredToken       410 expired_token
    │   └── TryAgain               503 try_again, with Retry-After
    ├── Unavailable                a service we depend on does not answer; public as TryAgain
    │   ├── StoreUnavailable
    │   └── QueueUnavailable
    ├── RetryTask                  deliver cannot do this one task now, and the others are not concerned
    ├── Unopenable                 a sealed envelope that none of our keys opens, or that holds nonsense
    │   └── UnknownVersion         a sealed record of a later version than this program knows
    ├── MailError
    │   ├── MailRefused            there is no such mailbox, as the relay says for good at RCPT
    │   ├── MailDeferred           definitely not sent; try later
    │   │   ├── MailRejected       and the relay has seen it, and refuses it for good (5xx after DATA)
    │   │   └── MailUnavailable    and the relay, or every relay, is down
    │   ├── MailUnresolved         it may or may not have been sent
    │   └── MailboxUnreadable      the mailbox of bounces cannot be read
    └── ConfigurationError         the function must not start

Codes are part of the HTTP contract and never change; their texts live in locales/. No exception carries an
address, a name or a token, because exception texts end up in logs.
"""

from dataclasses import dataclass
from datetime import timedelta


class UndersignError(Exception):
    """Base of all our errors."""


class PublicError(UndersignError):
    """An error that is shown to the client."""

    status = 500
    code = "internal"
    headers: dict[str, str] = {}  # noqa: RUF012 - overridden whole, never changed in place

    def __init__(self, **details: str) -> None:
        super().__init__(self.code)
        #: Extra members of the problem document, and values for the text's placeholders.
        self.details = details


class UnknownCampaign(PublicError):
    status, code = 404, "unknown_campaign"


class NotFound(PublicError):
    status, code = 404, "not_found"


class MethodNotAllowed(PublicError):
    status, code = 405, "method_not_allowed"

    def __init__(self, allow: str) -> None:
        super().__init__()
        self.headers = {"Allow": allow}


class TooLarge(PublicError):
    status, code = 413, "too_large"


class UnsupportedMediaType(PublicError):
    status, code = 415, "unsupported_media_type"


class OriginNotAllowed(PublicError):
    """`hosted_page`: absolute URL of the page on which one can sign instead."""

    status, code = 403, "origin_not_allowed"


class CampaignClosed(PublicError):
    status, code = 410, "campaign_closed"


class CampaignPaused(PublicError):
    """For now: the client should keep what was typed."""

    status, code = 409, "campaign_paused"


class MalformedBody(PublicError):
    status = 400


class NotUtf8(MalformedBody):
    code = "not_utf8"


class NotJson(MalformedBody):
    code = "not_json"


class NestedTooDeeply(MalformedBody):
    code = "nested_too_deeply"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: `code` keys the text `fields.<code>` of locales/."""

    field: str
    code: str


class InvalidFields(PublicError):
    status, code = 422, "invalid_fields"

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__()
        self.errors = errors


class InvalidToken(PublicError):
    status, code = 404, "invalid_token"


class ExpiredToken(InvalidToken):
    """The link was ours and is too old, or what it pointed at is gone. `campaign`: its id."""

    status, code = 410, "expired_token"


class TryAgain(PublicError):
    status, code = 503, "try_again"

    def __init__(self, after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(int(after.total_seconds()))}


class Unavailable(UndersignError):
    """A service we depend on does not answer; what was asked of it may or may not have been done."""


class StoreUnavailable(Unavailable):
    pass


class QueueUnavailable(Unavailable):
    pass


class RetryTask(UndersignError):
    pass


class Unopenable(UndersignError):
    pass


class UnknownVersion(Unopenable):
    pass


class MailError(UndersignError):
    pass


class MailRefused(MailError):
    pass


class MailDeferred(MailError):
    pass


class MailRejected(MailDeferred):
    pass


class MailUnavailable(MailDeferred):
    """`reply`: the relay's SMTP code, if it gave one."""

    def __init__(self, error: str, reply: int | None = None) -> None:
        super().__init__(error)
        self.reply = reply


class MailUnresolved(MailError):
    pass


class MailboxUnreadable(MailError):
    """`step`: at which command. `error`: the type of what it met."""

    def __init__(self, step: str, error: str) -> None:
        super().__init__(f"{step}: {error}")
        self.step = step
        self.error = error


class ConfigurationError(UndersignError):
    pass
