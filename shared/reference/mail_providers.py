"""The mail providers that most people in Europe use: one table, one row a provider.

It lets a form ask whether gmial.com is meant to be gmail.com and lead straight to the mailbox, lets logs and the
funnel tell providers apart without naming an address, finds the one spelling of an address of which its
provider takes many, and the mailbox that it reaches.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: The class of all small providers and own domains together, whose name could tell who somebody is.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class MailProvider:
    """One provider. Lists are separated by spaces.

    `name`: its class in logs and in the funnel. A provider accepts or refuses the mail of all its domains alike.
    `domains`: those that forms suggest, and whose mailbox `webmail` shows ("" if unknown; `{sender}` is whose mail
    to look for). `more_domains`: others of its domains. `brands`: first labels of a domain, under whatever
    country, as in yahoo.co.uk. `canonical`: the one domain under which all its mailboxes are known, whichever of
    `domains` and `more_domains` is used; "" if there is none. `ignores_dots`, `ignores_tags`: a.nn@ and ann+tag@
    are the mailbox of ann@.

    For the mail caps alone, so that it may be added and corrected at any time: `ignores`: other characters that a
    name may hold without being another. `one_domain`: as `canonical`. `tag_marks`: what begins a tag.
    `has_subdomains`: tag@ann.fastmail.com is the mailbox of ann@fastmail.com.
    """

    name: str
    domains: str
    webmail: str = ""
    more_domains: str = ""
    brands: str = ""
    canonical: str = ""
    ignores_dots: bool = False
    ignores_tags: bool = False
    ignores: str = ""
    one_domain: str = ""
    tag_marks: str = "+"
    has_subdomains: bool = False


# What a provider ignores, and which of its domains are one, is from its help pages. Two mailboxes taken for one
# would keep somebody from signing, so what is not known for sure is not here. Nor may `canonical`, `ignores_dots`
# and `ignores_tags` ever change, nor the domains of a row that has them: signatures are stored under digests of
# the canonical address. Of what became known later, the mail caps alone make use.
_PROVIDERS = (
    # Dots: https://support.google.com/mail/answer/7436150. Tags: https://support.google.com/mail/answer/22370.
    MailProvider(
        name="google",
        domains="gmail.com googlemail.com",
        webmail="https://mail.google.com/mail/#search/in%3Aanywhere+from%3A{sender}",
        brands="gmail googlemail",
        canonical="gmail.com",
        ignores_dots=True,
        ignores_tags=True,
    ),
    # Of its national domains it is not known for sure whether they have tags.
    MailProvider(
        name="microsoft",
        domains="outlook.com hotmail.com live.com",
        webmail="https://outlook.live.com/mail/",
        ignores_tags=True,
    ),
    MailProvider(
        name="microsoft",
        domains="hotmail.fr hotmail.it hotmail.es hotmail.de live.nl live.fr live.be",
        webmail="https://outlook.live.com/mail/",
        more_domains="hotmail.at hotmail.be hotmail.ch hotmail.co.uk hotmail.cz hotmail.dk hotmail.fi "
        "hotmail.gr hotmail.hu hotmail.nl hotmail.no hotmail.se live.at live.co.uk live.de "
        "live.dk live.ie live.it live.no live.se msn.com outlook.at outlook.be outlook.com.gr "
        "outlook.cz outlook.de outlook.dk outlook.es outlook.fr outlook.hu outlook.ie "
        "outlook.it outlook.lv outlook.pt outlook.sk",
        brands="outlook hotmail live msn",
    ),
    MailProvider(
        name="yahoo",
        domains="yahoo.com yahoo.de yahoo.fr yahoo.it yahoo.es yahoo.gr yahoo.ro",
        webmail="https://mail.yahoo.com/",
        more_domains="yahoo.at yahoo.be yahoo.ch yahoo.co.uk yahoo.cz yahoo.dk yahoo.fi yahoo.hu yahoo.ie "
        "yahoo.nl yahoo.no yahoo.pl yahoo.pt yahoo.se ymail.com rocketmail.com aol.com "
        "aol.co.uk aol.de aol.fr",
        brands="yahoo ymail rocketmail aol",
        # "Disposable addresses": http://help.yahoo.com/help/uk/bt/tutorials/mail/addressguard2.html
        tag_marks="+-",
    ),
    MailProvider(
        name="apple",
        domains="icloud.com me.com",
        webmail="https://www.icloud.com/mail",
        more_domains="mac.com",
        brands="icloud",
        canonical="icloud.com",
        ignores_tags=True,
    ),
    # https://proton.me/support/addresses-and-aliases; "-" and "_": https://proton.me/support/change-username.
    MailProvider(
        name="proton",
        domains="proton.me protonmail.com",
        webmail="https://mail.proton.me/",
        more_domains="protonmail.ch pm.me",
        brands="protonmail",
        canonical="proton.me",
        ignores_dots=True,
        ignores_tags=True,
        ignores="-_",
    ),
    MailProvider(
        "gmx-webde",
        "gmx.de gmx.net gmx.at",
        "https://www.gmx.net/",
        more_domains="gmx.ch gmx.com gmx.co.uk gmx.es gmx.fr gmx.ie gmx.li gmx.pt mail.com",
        brands="gmx",
    ),
    MailProvider("gmx-webde", "web.de", "https://web.de/"),
    MailProvider(
        "t-online", "t-online.de", "https://email.t-online.de/", more_domains="magenta.de", brands="t-online"
    ),
    MailProvider(OTHER, "freenet.de", "https://www.freenet.de/"),
    # Who has an address at one of its domains has it at all of them: https://posteo.de/blog/2, 14 December 2023.
    MailProvider(
        OTHER,
        "posteo.de",
        "https://posteo.de/",
        more_domains="posteo.at posteo.be posteo.ca posteo.ch posteo.com posteo.es posteo.eu posteo.ie "
        "posteo.lu posteo.me posteo.net posteo.nl posteo.uk posteo.us",
        one_domain="posteo.de",
    ),
    # https://kb.mailbox.org/en/private/e-mail/ensuring-emails-are-sent-securely
    MailProvider(
        OTHER,
        "mailbox.org",
        "https://mailbox.org/",
        more_domains="secure.mailbox.org",
        one_domain="mailbox.org",
    ),
    MailProvider("orange", "orange.fr wanadoo.fr", "https://messagerie.orange.fr/", brands="wanadoo"),
    MailProvider("free", "free.fr", "https://webmail.free.fr/"),
    MailProvider("laposte", "laposte.net", "https://www.laposte.net/"),
    MailProvider("sfr", "sfr.fr", "https://webmail.sfr.fr/", more_domains="neuf.fr"),
    MailProvider("libero", "libero.it", "https://mail.libero.it/", more_domains="inwind.it iol.it"),
    MailProvider("libero", "virgilio.it", "https://mail.virgilio.it/"),
    MailProvider(OTHER, "tiscali.it", "https://mail.tiscali.it/"),
    MailProvider(OTHER, "telenet.be", "https://mail.telenet.be/"),
    MailProvider(OTHER, "ziggo.nl"),
    MailProvider(OTHER, "kpnmail.nl"),
    MailProvider("seznam", "seznam.cz", "https://email.seznam.cz/", more_domains="email.cz post.cz"),
    MailProvider(OTHER, "centrum.cz", "https://mail.centrum.cz/"),
    MailProvider(OTHER, "azet.sk", "https://mail.azet.sk/"),
    MailProvider(OTHER, "centrum.sk", "https://mail.centrum.sk/"),
    MailProvider("wp-o2", "wp.pl", "https://poczta.wp.pl/"),
    MailProvider("wp-o2", "o2.pl", "https://poczta.o2.pl/"),
    MailProvider("onet", "onet.pl", "https://poczta.onet.pl/", more_domains="onet.eu op.pl"),
    MailProvider("interia", "interia.pl", "https://poczta.interia.pl/", more_domains="interia.eu"),
    MailProvider("abv", "abv.bg", "https://www.abv.bg/"),
    MailProvider(OTHER, "mail.bg", "https://mail.bg/"),
    MailProvider(OTHER, "freemail.hu", "https://freemail.hu/"),
    MailProvider(OTHER, "citromail.hu", "https://citromail.hu/"),
    MailProvider(OTHER, "inbox.lv", "https://www.inbox.lv/"),
    MailProvider(OTHER, "mail.ee", "https://mail.ee/"),
    MailProvider(OTHER, "siol.net"),
    MailProvider(OTHER, "sapo.pt", "https://mail.sapo.pt/"),
    MailProvider(OTHER, "eircom.net"),
    MailProvider(OTHER, "otenet.gr"),
    # Not suggested in forms, for hardly anybody in Europe means them.
    MailProvider(OTHER, "", more_domains="yandex.ru yandex.com ya.ru", canonical="yandex.ru", ignores_tags=True),
    # https://www.fastmail.help/hc/en-us/articles/360060591053
    MailProvider(OTHER, "", more_domains="fastmail.com", ignores_tags=True, has_subdomains=True),
    # Others of its domains, by https://github.com/Kikobeats/free-email-domains.
    MailProvider(
        OTHER,
        "",
        more_domains="123mail.org airpost.net eml.cc fmail.co.uk fmgirl.com fmguy.com mailbolt.com mailcan.com "
        "mailhaven.com mailmight.com ml1.net mm.st myfastmail.com proinbox.com promessage.com "
        "rushpost.com sent.as sent.at sent.com speedymail.org warpmail.net xsmail.com "
        "fastmail.fm fastmail.co.uk fastmail.es fastmail.net fastmail.nl fastmail.se fastmail.to fastmail.us",
        has_subdomains=True,
    ),
    # Of those below only that strangers share them is known: no cap of a small domain must hit their customers.
    MailProvider(
        OTHER,
        "",
        more_domains="privaterelay.appleid.com mozmail.com duck.com passmail.net simplelogin.com "
        "anonaddy.me windowslive.com gmx.eu gmx.info yahoo.com.tr aol.it "
        "bluewin.ch hispeed.ch sunrise.ch aon.at chello.at a1.net arcor.de online.de vodafone.de "
        "vodafonemail.de kabelmail.de mail.de ewe.net ewetel.net osnanet.de netcologne.de "
        "versanet.de tutanota.com tutanota.de tutamail.com tuta.io tuta.com keemail.me "
        "kpnplanet.nl planet.nl home.nl hetnet.nl upcmail.nl xs4all.nl casema.nl quicknet.nl "
        "zonnet.nl zeelandnet.nl caiway.nl online.nl telfort.nl tele2.nl solcon.nl chello.nl "
        "skynet.be proximus.be scarlet.be voo.be bbox.fr numericable.fr club-internet.fr "
        "aliceadsl.fr cegetel.net noos.fr alice.it tin.it tim.it email.it fastwebnet.it poste.it "
        "telefonica.net movistar.es terra.es ono.com netcabo.pt clix.pt btinternet.com sky.com "
        "talktalk.net virginmedia.com ntlworld.com blueyonder.co.uk tiscali.co.uk virgin.net "
        "mail.dk stofanet.dk telia.com bredband.net comhem.se spray.se online.no broadpark.no "
        "luukku.com kolumbus.fi elisanet.fi pp.inet.fi poczta.fm vp.pl gazeta.pl tlen.pl volny.cz "
        "zoznam.sk post.sk upcmail.hu indamail.hu vipmail.hu hol.gr forthnet.gr freemail.gr t-online.hu "
        "net.hr inet.hr t-2.net inbox.lt apollo.lv hot.ee pt.lu cytanet.com.cy hey.com zoho.com "
        "zohomail.com zohomail.eu mailfence.com runbox.com riseup.net disroot.org startmail.com "
        "hushmail.com ik.me ikmail.com mailo.com mail.ru bk.ru list.ru inbox.ru",
    ),
)

_SUGGESTED = {domain: provider for provider in _PROVIDERS for domain in provider.domains.split()}
_BY_DOMAIN = _SUGGESTED | {domain: provider for provider in _PROVIDERS for domain in provider.more_domains.split()}
_BY_BRAND = {brand: provider for provider in _PROVIDERS for brand in provider.brands.split()}
#: Domains of other people that look like slips of those above; nobody is asked about them. They are words
#: (wordfreq 3.1, 24 languages), companies, and what tests/browser/mail_domains.txt has of the kind but squatters.
#:
#: Beside these, a rule keeps the form's script from asking about real domains, because somebody who agrees to a
#: wrong question has signed for a stranger. It looks for one slip alone: two letters swapped, one doubled, one
#: lost, or a key beside the right one, and never the first letter, which hardly anybody gets wrong (email.com,
#: cloud.com). Short names are too close to others (mail.de, live.at), and rarer slips ask for longer ones; five
#: letters will do under .com, where the world's largest are. Another country's ending is right (hotmail.nl).
#: What is no ending is a slip (.con, .ent, .dee), and so are .co, .cm and .om for .com; among those that the
#: rule could meet, .se, .gb and .bet exist (IANA's list of 2026-10).
LOOKALIKES = (
    "centum.cz ericom.net gail.com hitmail.com hotmail.co intera.pl libro.it orage.fr orang.fr poste.de posto.de "
    "proto.me sezam.cz yahoo.co"
).split()
#: Every class that an address can have.
CLASSES = frozenset(provider.name for provider in _PROVIDERS)


def provider_class(email: str) -> str:
    """Return the class of an address: its provider's name, if that has so many users that it identifies nobody.

    yahoo.de and yahoo.fr are one class; all small providers and own domains together are `OTHER`.
    """
    domain = email.rpartition("@")[2].lower()
    provider = _BY_DOMAIN.get(domain) or _BY_BRAND.get(domain.partition(".")[0])
    return provider.name if provider else OTHER


def is_public(domain: str) -> bool:
    """Return whether the domain, in lower case, is one of those here: of people who do not know each other.

    `brands` do not count: anybody can have gmail.example.com.
    """
    return domain in _BY_DOMAIN


def canonical(local: str, domain: str) -> tuple[str, str]:
    """Return the one spelling of a mailbox, as local part and domain. Both must be in lower case.

    A local part of nothing but what is ignored stays as it is.
    """
    provider = _BY_DOMAIN.get(domain)
    if provider is None:
        return local, domain
    if provider.ignores_tags:
        local = local.split("+")[0] or local
    if provider.ignores_dots:
        local = local.replace(".", "") or local
    return local, provider.canonical or domain


def mailbox(local: str, domain: str) -> tuple[str, str]:
    """Return the mailbox that mail to a canonical address reaches, as local part and domain, for the mail caps.

    Every provider is taken to have tags: two mailboxes taken for one only share their caps. What a provider says
    of one spelling may not hold for the others, see `is_alias`.
    """
    provider = _BY_DOMAIN.get(domain)
    if provider is None:
        name, _, parent = domain.partition(".")
        provider = _BY_DOMAIN.get(parent)
        if provider is None or not provider.has_subdomains:
            return local.split("+")[0] or local, domain
        local, domain = name, parent
    for mark in provider.tag_marks:
        local = local.split(mark)[0] or local
    local = local.translate(str.maketrans("", "", provider.ignores)) or local
    return local, provider.one_domain or domain


def is_alias(email: str) -> bool:
    """Return whether an address is not how `mailbox` spells the mailbox that it leads to, as with a tag."""
    spelled = canonical(*email.lower().rsplit("@", 1))
    return mailbox(*spelled) != spelled


def webmail_by_domain(sender: str) -> Mapping[str, str]:
    """Return the webmail of each domain that forms suggest; "" if unknown. `sender`: whose mail to look for."""
    return {domain: provider.webmail.format(sender=sender) for domain, provider in _SUGGESTED.items()}


def webmail(email: str, sender: str) -> str:
    """Return the webmail that shows the mailbox of `email`; "" if unknown. `sender`: whose mail to look for."""
    provider = _SUGGESTED.get(email.rpartition("@")[2].strip().lower())
    return provider.webmail.format(sender=sender) if provider else ""
