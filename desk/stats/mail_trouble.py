"""What is known of trouble with mail: whom it does not reach, and what waits. Numbers only, never an address.

Bounces, complaints and what the relays put off are logged and counted by the deployment's metrics alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from desk import runtime
from desk.stats import summary
from desk.stats.summary import Breakdown, Row
from desk.workspace import open_campaign
from shared.campaigns.model import Campaign
from shared.errors import ConfigurationError, Unavailable
from shared.stats import automatic_work

#: Up to so many tasks are counted in each place.
MOST = 1000
#: A provider is lost of whose mails fewer than half as many are confirmed as of all: the rule of the alert
#: provider-lost (infra/alerts.tf). Below so many mails, chance alone does it.
_MIN_MAILS = 50
_LOST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class MailTrouble:
    """`providers`: by class of mail provider, of those who signed on the day `since` or later.

    `lost`: those of them whose people hardly confirm. `is_far_behind`: most mails of the last hour were not
    confirmed. `waiting`: how many tasks there are in each place, up to `MOST`; None: not known.
    """

    since: date
    providers: Sequence[Row]
    lost: frozenset[str]
    is_far_behind: bool
    waiting: Mapping[str, int | None]

    @property
    def dead_letters(self) -> int:
        """Return how many tasks deliver has given up, as far as is known."""
        return self.waiting.get(runtime.DEAD_LETTERS_NAME) or 0


async def gather(campaign: str, now: datetime) -> tuple[MailTrouble, Campaign]:
    """Read what is known of a campaign's mail, and of the queues, which all campaigns share."""
    since = (now - timedelta(days=1)).date()
    numbers, known, _ = await summary.gather(campaign, (since, None), now)
    async with open_campaign(campaign) as (_, desk):
        recent = await automatic_work.read_numbers(desk.maintenance, campaign, now)
    providers = numbers.by[Breakdown.MAILBOX]
    trouble = MailTrouble(
        since=since,
        providers=providers,
        lost=lost_providers(providers),
        is_far_behind=automatic_work.is_far_behind(recent, now),
        waiting=await _waiting(),
    )
    return trouble, known


def lost_providers(rows: Sequence[Row]) -> frozenset[str]:
    """Return the providers of whose mails far fewer are confirmed than of all."""
    mailed, confirmed = sum(row.mailed for row in rows), sum(row.confirmed for row in rows)
    if not confirmed:
        return frozenset()
    share = _LOST_SHARE * confirmed / mailed if mailed else 0.0
    return frozenset(row.key for row in rows if row.mailed > _MIN_MAILS and row.confirmed < share * row.mailed)


async def _waiting() -> Mapping[str, int | None]:
    try:
        lists = runtime.task_lists()
    except ConfigurationError:  # the settings name a store alone
        return {}
    numbers = dict[str, int | None]()
    for place, tasks in lists.items():
        try:
            numbers[place] = await tasks.count(MOST)
        except Unavailable:
            numbers[place] = None
        finally:
            await tasks.aclose()
    return numbers
