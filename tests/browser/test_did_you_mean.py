""" "Did you mean": which domains the script of the form asks about. Questioning a real one loses a signature."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser

from shared.reference import countries, mail_providers
from tests.support.deployment import CAMPAIGN
from tests.support.servers import Server

SUGGESTED = tuple(mail_providers.webmail_by_domain("us@example.org"))
LETTERS = "abcdefghijklmnopqrstuvwxyz"

#: On the list, but no provider's: they wait for misdirected mail.
SQUATTERS = {"gmial.com", "hotmai.com", "hotmial.com", "yaho.com"}
#: Real, and of a kind that is easily questioned: national domains, and others of two or three letters' difference.
REAL = """
hotmail.nl hotmail.be hotmail.se hotmail.dk hotmail.no hotmail.gr hotmail.ch hotmail.fi hotmail.pt hotmail.at
hotmail.hu hotmail.cz hotmail.sk hotmail.lt hotmail.co.uk live.de live.se live.ie live.at live.dk live.no
live.co.uk outlook.de outlook.fr outlook.es outlook.it outlook.be outlook.pt outlook.at outlook.dk outlook.ie
outlook.cz yahoo.se yahoo.ie yahoo.dk yahoo.no yahoo.pt yahoo.nl yahoo.be yahoo.at yahoo.pl yahoo.co.uk
ymail.com aol.com aol.de mail.com email.com mail.de email.de mail.ee mail.bg mail.ru email.it email.cz me.com
mac.com msn.com pm.me ma.com gmx.ch gmx.eu gmx.com gmx.it gmx.fr gmx.es web.nl web.at lite.de freenet.at
t-online.hu t-online.at posteo.me posteo.dk posteo.at posteo.net posteo.eu mailbox.eu mailo.com proton.ch
protonmail.ch fastmail.fm fastmail.com wanadoo.es wanadoo.nl orange.es orange.pl orange.be orange.ro
orange.com freemail.gr inbox.lt inbox.ee inbox.com centrum.eu atlas.cz volny.cz post.sk zoznam.sk interia.eu
poczta.onet.pl vp.pl op.pl tlen.pl o2.pl gazeta.pl wp.eu libero.eu libera.it liberi.it tiscali.es
tiscali.co.uk alice.it tin.it virgilio.com laposte.fr free.com sfr.com planet.nl xs4all.nl hetnet.nl home.nl
kpnplanet.nl skynet.be proximus.be scarlet.be bluewin.ch hispeed.ch sunrise.ch btinternet.com sky.com
talktalk.net virginmedia.com eircom.ie telia.com bredband.net comhem.se spray.se otenet.eu forthnet.gr sapo.ao
iol.pt clix.pt siol.com amis.net delfi.lv delfi.lt delfi.ee hot.ee online.ee abv.com dir.bg citromail.com
vipmail.hu indamail.hu seznam.com seznam.sk cloud.com google.com gail.com range.fr orage.fr grange.fr libro.it
poste.de poste.it inox.lv proto.me protons.me freeway.de telenor.be zigor.nl zigo.nl sezam.cz ericom.net
""".split()
SLIPS = {
    "gmial.com": "gmail.com", "gmai.com": "gmail.com", "gmail.con": "gmail.com", "gmail.co": "gmail.com",
    "gmaill.com": "gmail.com", "gnail.com": "gmail.com", "mgail.com": "gmail.com", "gmail.comm": "gmail.com",
    "gmail.cmo": "gmail.com", "gmail.vom": "gmail.com", "gmail.om": "gmail.com", "gmail.cm": "gmail.com",
    "hotmial.com": "hotmail.com", "hotmail.con": "hotmail.com", "hotmaul.com": "hotmail.com",
    "outlok.com": "outlook.com", "outllook.com": "outlook.com", "yaho.com": "yahoo.com", "iclod.com": "icloud.com",
    "protonmial.com": "protonmail.com", "web.dee": "web.de", "web.ed": "web.de", "gmx.ent": "gmx.net",
    "laposte.nte": "laposte.net", "liber.it": "libero.it", "wp.ppl": "wp.pl", "telnet.be": "telenet.be",
    "freenett.de": "freenet.de", "wanado.fr": "wanadoo.fr", "seznma.cz": "seznam.cz", "orange.ffr": "orange.fr",
    "citromaol.hu": "citromail.hu", "t-onlien.de": "t-online.de",
}  # fmt: skip


class Asked:
    """The form's script in a browser, and the description of the form that it asks the server for."""

    def __init__(self, answers: Mapping[str, str | None]) -> None:
        self._answers = answers

    def about(self, typed: Iterable[str]) -> dict[str, str]:
        """Return the domains that are questioned, and what is suggested instead."""
        return {domain: meant for domain in typed if (meant := self._answers[domain])}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(browser: Browser, running: Server) -> Asked:
    """Everything that these tests ask about, in one page."""
    page = await browser.new_page()
    await page.goto(f"{running.url}/c/{CAMPAIGN}?lang=en")
    typed = {
        *listed(),
        *REAL,
        *SLIPS,
        *SUGGESTED,
        *abroad(),
        *near_short_names(),
        *first_letters(),
        *two_slips(),
        *mail_providers.LOOKALIKES,
    }
    answers = await page.evaluate(
        """async ([typed, address]) => {
            const { meantDomain } = await import("/embed/v1.js");
            const form = await (await fetch(address)).json();
            return Object.fromEntries(typed.map((domain) => [domain, meantDomain(domain, form) ?? null]));
        }""",
        [sorted(typed), f"/v1/campaigns/{CAMPAIGN}/form?lang=en"],
    )
    await page.close()
    return Asked(answers)


def listed() -> list[str]:
    lines = Path(__file__).with_name("mail_domains.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def abroad() -> Iterator[str]:
    """Yield every suggested name under every country's ending, but those which stand for .com."""
    for domain in SUGGESTED:
        for country in countries.CODES - {"CO", "CM", "OM"}:
            yield f"{domain.partition('.')[0]}.{country.lower()}"


def near_short_names() -> Iterator[str]:
    """Yield every domain that differs by one letter from a name of up to four."""
    for domain in SUGGESTED:
        name, dot, ending = domain.partition(".")
        if len(name) > 4:
            continue
        for at in range(len(name)):
            yield name[:at] + name[at + 1 :] + dot + ending
            for letter in LETTERS:
                yield name[:at] + letter + name[at + 1 :] + dot + ending
                yield name[:at] + letter + name[at:] + dot + ending


def first_letters() -> Iterator[str]:
    """Yield every suggested domain with another first letter, or without it."""
    for domain in SUGGESTED:
        yield from (letter + domain[1:] for letter in (*LETTERS, "") if letter != domain[0])


def two_slips() -> Iterator[str]:
    """Yield every suggested name with two letters swapped, under an ending that does not exist."""
    for domain in SUGGESTED:
        name, _, ending = domain.partition(".")
        yield f"{name[0]}{name[2]}{name[1]}{name[3:]}.{ending}x" if len(name) > 3 else f"{name}x.{ending}x"


async def test_no_known_provider_is_ever_questioned(asked: Asked) -> None:
    """Of some fourteen thousand domains, those that are questioned belong to squatters."""
    assert asked.about(listed()).keys() == SQUATTERS


async def test_no_real_domain_near_a_well_known_one_is_questioned(asked: Asked) -> None:
    """National domains, small providers and companies a letter or an ending away are right as they are."""
    assert asked.about([*REAL, *SUGGESTED, *mail_providers.LOOKALIKES]) == {}


async def test_slips_are_asked_about(asked: Asked) -> None:
    """Two letters swapped, one doubled, lost, or taken from a key beside it, in the name or in the ending."""
    assert asked.about(SLIPS) == SLIPS


async def test_another_countrys_ending_is_right(asked: Asked) -> None:
    """Whatever the provider, and also where it has no domain there yet."""
    assert asked.about(abroad()) == {}


async def test_short_names_and_first_letters_are_right(asked: Asked) -> None:
    """A name of four letters has too many neighbours, and hardly anybody gets the first letter wrong."""
    assert asked.about([*near_short_names(), *first_letters()]) == {}


async def test_one_slip_at_a_time_is_asked_about(asked: Asked) -> None:
    """What differs twice is likely to be something else."""
    assert asked.about(two_slips()) == {}
