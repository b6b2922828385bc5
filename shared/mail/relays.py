"""Mail through several relays: each takes its share, and one that fails is left out until it works again."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from shared import log
from shared.clock import Clock
from shared.errors import MailDeferred, MailRefused, MailUnavailable, MailUnresolved
from shared.mail import Mail
from shared.mail.message import build
from shared.reference import mail_providers

#: How long a relay is left out after its first failure; doubled after each probe that fails.
FIRST_PAUSE_SECONDS = 2.0
MAX_PAUSE_SECONDS = 120.0


class Relay(Protocol):
    """Implemented by `smtp.SmtpRelay`."""

    name: str
    mails_per_second: float

    async def send(self, mail: Mail, content: bytes) -> None:
        """Send a mail, see `smtp.SmtpRelay.send`."""

    def close(self) -> None:
        """Close all connections."""


@dataclass(slots=True)
class _Health:
    """Until when a relay is left out, if it is. `is_probed`: a mail is on its way to find out whether it works."""

    pause_seconds: float = 0
    until: float | None = None
    is_probed: bool = False

    def may_send(self, now: float) -> bool:
        return self.until is None or (now >= self.until and not self.is_probed)


class RelayMailer:
    """Sends each mail through one of the relays that work, chosen at random by how many mails a second they take.

    A mail that was definitely not sent because the relay failed goes to the next one at once. An answer about the
    recipient concerns this mail alone: another relay would be greylisted as well, so the queue tries again later.
    Then chance chooses again, and a provider who turns one relay away for good soon meets another.

    Args:
        relays: of which each takes its share.
        now: the time that mails are stamped with.
        monotonic: a clock in seconds that is never set, by which relays are left out.
        chance: chooses the relay.
    """

    def __init__(
        self,
        relays: Sequence[Relay],
        now: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._health = {relay.name: _Health() for relay in relays}
        self._relays = relays
        self._now = now
        self._monotonic = monotonic
        self._chance = chance or random.Random()  # noqa: S311 - no secret

    async def send(self, mail: Mail) -> None:
        """Send the mail, see `Mailer.send`."""
        content = build(mail, self._now())
        untried = list(self._relays)
        while relay := self._choose(untried):
            untried.remove(relay)
            with suppress(MailUnavailable):
                await self._send_through(relay, mail, content)
                return
        error, provider = MailUnavailable("every relay is down"), mail_providers.provider_class(mail.to)
        log.event("mail_deferred", "WARNING", error=type(error).__name__, provider=provider)
        raise error

    def close(self) -> None:
        """Close all connections."""
        for relay in self._relays:
            relay.close()

    def _choose(self, untried: Sequence[Relay]) -> Relay | None:
        now = self._monotonic()
        usable = [relay for relay in untried if self._health[relay.name].may_send(now)]
        return self._chance.choices(usable, [relay.mails_per_second for relay in usable])[0] if usable else None

    async def _send_through(self, relay: Relay, mail: Mail, content: bytes) -> None:
        health = self._health[relay.name]
        is_probe = health.is_probed = health.until is not None
        try:
            await relay.send(mail, content)
        except (MailUnavailable, MailUnresolved) as error:
            if is_probe or health.until is None:  # not for mails that met the same failure
                self._leave_out(relay, error)
            raise
        except (MailRefused, MailDeferred):  # it answers
            if is_probe:
                self._take_back(relay)
            raise
        else:
            if is_probe:
                self._take_back(relay)
        finally:
            if is_probe:
                health.is_probed = False

    def _leave_out(self, relay: Relay, error: MailUnavailable | MailUnresolved) -> None:
        health = self._health[relay.name]
        health.pause_seconds = min(2 * health.pause_seconds, MAX_PAUSE_SECONDS) or FIRST_PAUSE_SECONDS
        health.until = self._monotonic() + health.pause_seconds
        log.event(
            "relay_left_out",
            "WARNING",
            relay=relay.name,
            error=str(error),
            reply=getattr(error, "reply", None),
            seconds=health.pause_seconds,
        )

    def _take_back(self, relay: Relay) -> None:
        self._health[relay.name] = _Health()
        log.event("relay_taken_back", relay=relay.name)
