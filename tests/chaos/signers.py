"""Signers: they press a button until they hear something, read their mail, and change their minds.

The widget's retries are those of functions/embed/static/v1.js. On a page that shows an error, people press again.
"""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from tests.chaos.inbox import Letter
from tests.chaos.ledgers import Answer, Heard
from tests.chaos.system import System
from tests.support.deployment import LINKS, PUBLIC_URL, SIGNATURES, signature

_ATTEMPTS = 6
_IN_A_DOMAIN = 20
_TIMEOUT_SECONDS = 20
#: Beside those of the widget and of a person, so that an outage of two seconds is long enough to be met.
_PAUSE_FACTOR = 0.25
#: From loading the page to pressing the button: every tenth is as fast as a program, and held.
_PAGE_SECONDS = (1, *[20] * 9)
_COUNTRIES = ("DE", "FR", "IT", "ES", "PL", "MT")
#: Where those who sign again have moved to: their links are told by it from those for what they withdrew.
_NEW_COUNTRY = "IE"

Story = Callable[["Signer"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a button, with the widget's retries. `began`: by the monotonic clock."""

    function: str
    began: float
    seconds: float
    is_answered: bool


class Signers:
    """Everybody who takes part in a run, and what they heard. When it ends, who still waits has waited in vain."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self.system = system
        self.heard: list[Heard] = []
        self.presses: list[Press] = []
        self.busy = 0
        self._chance = chance
        self._numbers = itertools.count()
        self._lives: list[asyncio.Task[None]] = []
        self._client = httpx.AsyncClient(
            trust_env=False, timeout=_TIMEOUT_SECONDS, limits=httpx.Limits(max_connections=None)
        )

    def arrive(self) -> None:
        """Let another signer begin one of the stories."""
        [story] = self._chance.choices(list(STORIES), list(STORIES.values()))
        number = next(self._numbers)
        # Not so many in one domain that it gets fewer mails than there are signers.
        address = f"signer-{number}@domain-{number // _IN_A_DOMAIN}.example"
        signer = Signer(self, address, random.Random(self._chance.random()))
        self._lives.append(asyncio.create_task(self.act(story(signer))))

    async def act(self, story: Awaitable[None]) -> None:
        """Act a story to its end."""
        self.busy += 1
        try:
            await story
        finally:
            self.busy -= 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for life in self._lives:
            life.cancel()
        outcomes = await asyncio.gather(*self._lives, return_exceptions=True)
        await self._client.aclose()
        for outcome in outcomes:
            if isinstance(outcome, Exception) and error is None:
                raise outcome

    async def post(self, function: str, path: str, **content: object) -> int:
        """POST once; return the status, 0 where there was no answer."""
        try:
            response = await self._client.post(self.system.url(function) + path, **content)  # type: ignore[arg-type]
        except httpx.HTTPError:
            return 0
        return response.status_code

    def hear(self, address: str, answer: Answer) -> None:
        self.heard.append(Heard(address, answer, self.system.clocks.now()))


class Signer:
    """One person with one mailbox."""

    def __init__(self, signers: Signers, address: str, chance: random.Random) -> None:
        self.address = address
        self.chance = chance
        self._all = signers
        self._clocks = signers.system.clocks

    async def sign(self, address: str | None = None, country: str | None = None) -> None:
        """Press the widget's button, again and again until it says that a mail is on its way."""
        address = address or self.address
        country = country or self.chance.choice(_COUNTRIES)
        seconds = self.chance.choice(_PAGE_SECONDS)
        body = signature(email=address, country=country, page_seconds=seconds)
        answers = {202: Answer.ACCEPTED}
        await self._until_heard(address, "sign", SIGNATURES, answers, json=body, headers={"Origin": PUBLIC_URL})

    async def confirm(self, path: str, address: str | None = None, *, is_old: bool = False) -> None:
        """Press the button behind a link. `is_old`: the link is from before a withdrawal."""
        answers = {200: Answer.THANKED if is_old else Answer.CONFIRMED, 410: Answer.GONE}
        await self._until_heard(address or self.address, "confirm", path, answers, headers=_JSON)

    async def withdraw(self, path: str) -> None:
        """Press the button behind a link."""
        answers = {200: Answer.WITHDRAWN}
        await self._until_heard(self.address, "confirm", path, answers, headers=_JSON)

    async def ask_for_links(self) -> None:
        """Have the links mailed once more, which leaves nothing to be lost."""
        body = {"email": self.address, "locale": "en"}
        while await self._all.post("sign", LINKS, json=body) != 202:
            await self._rest(1)

    async def letter(
        self, address: str | None = None, *, other_than: Collection[Letter] = (), country: str = ""
    ) -> Letter:
        """Wait for a mail with a link to confirm, of other submissions than those of earlier ones.

        `country`: that the link confirms a signature of; without it, any.
        """
        known = {submission for letter in other_than for submission in letter.mailed.submissions}
        while True:
            for letter in self.letters(address):
                is_new = not known & set(letter.mailed.submissions)
                if is_new and any(not country or f"~{country}~" in link for link in letter.confirm):
                    return letter
            async with self._idle():
                await self._all.system.inbox.arrival(address or self.address)

    def letters(self, address: str | None = None) -> list[Letter]:
        """Return all mails so far. There may be two for one press: the answer to the first request was lost."""
        return list(self._all.system.inbox.letters(address or self.address))

    async def read_on(self) -> None:
        """Do other things for a moment."""
        await self._rest(1)

    async def come_back(self) -> None:
        """Be away for some hours."""
        async with self._idle():
            await self._clocks.jumped()

    @asynccontextmanager
    async def by_right_clocks(self) -> AsyncIterator[None]:
        """Wait until no clock is wrong, and keep them right: see "Clocks" in docs/architecture.md."""
        async with self._idle():
            await self._clocks.until_right()
        try:
            yield
        finally:
            await self._clocks.release()

    async def _until_heard(
        self, address: str, function: str, path: str, answers: Mapping[int, Answer], **content: object
    ) -> None:
        """Press until there is one of the `answers`, and note it; NOTHING if the run ends before."""
        answer = Answer.NOTHING
        try:
            while answer is Answer.NOTHING:
                began = time.monotonic()
                status = await self.press(function, path, answers, **content)
                seconds = time.monotonic() - began
                self._all.presses.append(Press(function, began, seconds, status in answers))
                answer = answers.get(status, answer)
        finally:
            self._all.hear(address, answer)

    async def press(self, function: str, path: str, answers: Collection[int], **content: object) -> int:
        """Press once, with the widget's retries; return the last status."""
        attempts = _ATTEMPTS if function == "sign" else 1
        for attempt in range(attempts):
            status = await self._all.post(function, path, **content)
            if status in answers:
                break
            assert status in {0, 429} or status >= 500, f"{function} answered {status}"
            await self._rest(min(60, 2.0 ** (attempt + 1)))
        return status

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds * _PAUSE_FACTOR * self.chance.uniform(1, 1.5))

    @asynccontextmanager
    async def _idle(self) -> AsyncIterator[None]:
        self._all.busy -= 1
        try:
            yield
        finally:
            self._all.busy += 1


_JSON = {"Accept": "application/json"}


async def _confirms(signer: Signer) -> None:
    await signer.sign()
    await signer.confirm((await signer.letter()).confirm[-1])


async def _never_confirms(signer: Signer) -> None:
    await signer.sign()


async def _confirms_late(signer: Signer) -> None:
    await signer.sign()
    letter = await signer.letter()
    await signer.come_back()
    await signer.confirm(letter.confirm[0])


async def _signs_twice(signer: Signer) -> None:
    await signer.sign()
    await signer.read_on()
    await signer.sign()
    letter = await signer.letter()
    await signer.confirm(letter.confirm[-1])
    await signer.confirm((await signer.letter(other_than=[letter])).confirm[-1])


async def _double_clicks(signer: Signer) -> None:
    await asyncio.gather(signer.sign(), signer.sign())
    path = (await signer.letter()).confirm[0]
    await asyncio.gather(signer.confirm(path), signer.confirm(path), signer.confirm(path))


async def _has_tags(signer: Signer) -> None:
    """Four addresses of one mailbox, which are four people for the count, and one for the caps of mail."""
    local, _, domain = signer.address.partition("@")
    for tag in ("", "+a", "+b", "+c"):
        address = f"{local}{tag}@{domain}"
        await signer.sign(address)
        await signer.confirm((await signer.letter(address)).confirm[0], address)


async def _withdraws(signer: Signer) -> None:
    await signer.sign()
    letter = await signer.letter()
    await signer.confirm(letter.confirm[0])
    async with signer.by_right_clocks():
        await asyncio.gather(signer.withdraw(letter.withdraw), signer.withdraw(letter.withdraw))
    await signer.confirm(letter.confirm[0], is_old=True)


async def _withdraws_before_confirming(signer: Signer) -> None:
    await signer.sign()
    letter = await signer.letter()
    async with signer.by_right_clocks():
        await signer.withdraw(letter.withdraw)


async def _signs_again(signer: Signer) -> None:
    await signer.sign()
    letter = await signer.letter()
    await signer.confirm(letter.confirm[0])
    async with signer.by_right_clocks():
        await signer.withdraw(letter.withdraw)
        await signer.sign(country=_NEW_COUNTRY)
    await signer.confirm((await signer.letter(country=_NEW_COUNTRY)).confirm[-1])


async def _asks_for_links(signer: Signer) -> None:
    await signer.sign()
    await signer.confirm((await signer.letter()).confirm[0])
    await signer.ask_for_links()


#: What signers do, and how many of a hundred.
STORIES: Mapping[Story, int] = {
    _confirms: 40,
    _never_confirms: 8,
    _confirms_late: 6,
    _signs_twice: 10,
    _double_clicks: 8,
    _has_tags: 3,
    _withdraws: 8,
    _withdraws_before_confirming: 5,
    _signs_again: 8,
    _asks_for_links: 4,
}
