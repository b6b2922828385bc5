"""A rush of one mail domain: everybody is mailed in the end, at the rate of the cap."""

import heapq
import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from shared.models.labels import Label
from shared.store import domain_caps
from shared.store.entities import Address, Defer, Domain, GrantMail, Mailbox, MailKind
from shared.store.transitions import MailTransition
from tests.shared.store.test_store_contract import submission
from tests.support.clock import NOW

HOUR = timedelta(hours=1)


def test_a_careless_program_leaves_half_of_the_cap_to_people() -> None:
    """A thousand made-up addresses of a domain, from one network, do not keep its people from signing."""
    bot, person = (
        GrantMail(
            Address("c", name, "m", "d"),
            "confirm:s",
            MailKind.CONFIRM,
            (replace(submission(), labels=labels),),
            Mailbox(),
        )
        for name, labels in (("b", (Label.NETWORK_BURST,)), ("p", (Label.DOMAIN_BURST,)))
    )
    domain, mailed = Domain(), Counter[str]()

    for sent in [bot] * 1000 + [person] * 100:
        transition = domain_caps.apply(MailTransition(sent), None, domain, NOW)
        if transition.domain:
            domain = transition.domain
            mailed[sent.address.digest] += 1

    assert mailed == {"b": 50, "p": 50}


def test_a_university_of_two_thousand_that_signs_in_an_hour_is_mailed_within_two_days() -> None:
    """Nobody is lost, no hour has more than a hundred, and each comes back from the queue only a few times."""
    chance = random.Random(1)
    grant = GrantMail(Address("c", "a", "m", "d"), "confirm:s", MailKind.CONFIRM, (), Mailbox())
    waiting = [(NOW + chance.uniform(0, 1) * HOUR, number) for number in range(2000)]
    heapq.heapify(waiting)
    signed_at = {number: at for at, number in waiting}
    domain, mailed_at, tries = Domain(), list[timedelta](), 0

    while waiting:
        now, number = heapq.heappop(waiting)
        tries += 1
        transition = domain_caps.apply(MailTransition(grant), None, domain, now)
        if isinstance(transition.decision, Defer):
            # As deliver defers it.
            until = transition.decision.until + chance.uniform(0, 1) * (now - signed_at[number])
            heapq.heappush(waiting, (until, number))
        else:
            assert transition.domain
            domain = transition.domain
            mailed_at.append(now - NOW)

    assert len(mailed_at) == 2000
    assert all(late - early >= HOUR for early, late in zip(mailed_at, mailed_at[100:], strict=False))
    assert mailed_at[1000] < timedelta(hours=11)
    assert mailed_at[1800] < timedelta(hours=20)
    assert mailed_at[-1] < timedelta(days=2)
    assert tries < 8 * 2000
