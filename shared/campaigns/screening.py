"""Screening: which labels hold a confirmed signature, so that it is not counted before the organisers have looked.

Volume alone never does: those who read the news at one time, share an office or sit behind one carrier's network
look like bots that press all at once.
"""

from collections.abc import Collection

from shared.models.labels import Label

#: A signature is held that has all the labels of one of these.
Policy = Collection[frozenset[Label]]

#: Labels of volume alone, even both together: a university has one mail domain and one network.
VOLUME = frozenset({Label.DOMAIN_BURST, Label.NETWORK_BURST})

#: Mailboxes to throw away make one person as many as that person likes, and nobody fills in a form within seconds.
#: A partner's own form, an old browser or a program for many signers shows no page or does no work, so that these
#: hold in a burst alone.
DEFAULT_POLICY: tuple[frozenset[Label], ...] = (
    frozenset({Label.DISPOSABLE_DOMAIN}),
    frozenset({Label.TOO_FAST}),
    *(frozenset({label, burst}) for label in (Label.NO_PAGE, Label.NO_WORK) for burst in sorted(VOLUME)),
)


def is_held(labels: Collection[Label], policy: Policy) -> bool:
    """Return whether a signature with these labels is held."""
    return any(held.issubset(labels) for held in policy)
