"""The mail providers most people in Europe have their mailbox with, and where each shows it in a browser.

So that a form can ask whether gmial.com is meant to be gmail.com, and lead straight to the mailbox. A provider
without an address here is known by name only.
"""

from collections.abc import Mapping

_GMAIL = "https://mail.google.com/mail/#search/in%3Aanywhere+from%3A{sender}"
_OUTLOOK = "https://outlook.live.com/mail/"
_YAHOO = "https://mail.yahoo.com/"
_GMX = "https://www.gmx.net/"
_PROTON = "https://mail.proton.me/"
_ICLOUD = "https://www.icloud.com/mail"

_WEBMAIL: Mapping[str, str] = {
    "gmail.com": _GMAIL,
    "googlemail.com": _GMAIL,
    "outlook.com": _OUTLOOK,
    "hotmail.com": _OUTLOOK,
    "hotmail.fr": _OUTLOOK,
    "hotmail.it": _OUTLOOK,
    "hotmail.es": _OUTLOOK,
    "hotmail.de": _OUTLOOK,
    "live.com": _OUTLOOK,
    "live.nl": _OUTLOOK,
    "live.fr": _OUTLOOK,
    "live.be": _OUTLOOK,
    "yahoo.com": _YAHOO,
    "yahoo.de": _YAHOO,
    "yahoo.fr": _YAHOO,
    "yahoo.it": _YAHOO,
    "yahoo.es": _YAHOO,
    "yahoo.gr": _YAHOO,
    "yahoo.ro": _YAHOO,
    "icloud.com": _ICLOUD,
    "me.com": _ICLOUD,
    "proton.me": _PROTON,
    "protonmail.com": _PROTON,
    "gmx.de": _GMX,
    "gmx.net": _GMX,
    "gmx.at": _GMX,
    "web.de": "https://web.de/",
    "t-online.de": "https://email.t-online.de/",
    "freenet.de": "https://www.freenet.de/",
    "posteo.de": "https://posteo.de/",
    "mailbox.org": "https://mailbox.org/",
    "orange.fr": "https://messagerie.orange.fr/",
    "wanadoo.fr": "https://messagerie.orange.fr/",
    "free.fr": "https://webmail.free.fr/",
    "laposte.net": "https://www.laposte.net/",
    "sfr.fr": "https://webmail.sfr.fr/",
    "libero.it": "https://mail.libero.it/",
    "virgilio.it": "https://mail.virgilio.it/",
    "tiscali.it": "https://mail.tiscali.it/",
    "telenet.be": "https://mail.telenet.be/",
    "ziggo.nl": "",
    "kpnmail.nl": "",
    "seznam.cz": "https://email.seznam.cz/",
    "centrum.cz": "https://mail.centrum.cz/",
    "azet.sk": "https://mail.azet.sk/",
    "centrum.sk": "https://mail.centrum.sk/",
    "wp.pl": "https://poczta.wp.pl/",
    "o2.pl": "https://poczta.o2.pl/",
    "onet.pl": "https://poczta.onet.pl/",
    "interia.pl": "https://poczta.interia.pl/",
    "abv.bg": "https://www.abv.bg/",
    "mail.bg": "https://mail.bg/",
    "freemail.hu": "https://freemail.hu/",
    "citromail.hu": "https://citromail.hu/",
    "inbox.lv": "https://www.inbox.lv/",
    "mail.ee": "https://mail.ee/",
    "siol.net": "",
    "sapo.pt": "https://mail.sapo.pt/",
    "eircom.net": "",
    "otenet.gr": "",
}


#: Providers that let in or turn away all mail of their domains alike, each by the domains it is known under.
_CLASSES: Mapping[str, str] = {
    domain: name
    for name, domains in {
        "google": "gmail googlemail",
        "microsoft": "outlook hotmail live msn",
        "yahoo": "yahoo ymail rocketmail aol",
        "apple": "icloud me.com mac.com",
        "gmx-webde": "gmx web.de mail.com",
        "t-online": "t-online magenta.de",
        "proton": "proton.me protonmail pm.me",
        "orange": "orange.fr wanadoo",
        "free": "free.fr",
        "laposte": "laposte.net",
        "sfr": "sfr.fr neuf.fr",
        "libero": "libero.it virgilio.it inwind.it iol.it",
        "seznam": "seznam.cz email.cz post.cz",
        "wp-o2": "wp.pl o2.pl",
        "onet": "onet.pl onet.eu op.pl",
        "interia": "interia.pl interia.eu",
        "abv": "abv.bg",
    }.items()
    for domain in domains.split()
}


def provider_class(email: str) -> str:
    """Whose mailbox it is, by the domain, where the provider has so many that it tells nothing about anybody.

    yahoo.de and yahoo.fr are one class; all small providers and own domains together are "other".
    """
    domain = email.rpartition("@")[2].lower()
    return _CLASSES.get(domain) or _CLASSES.get(domain.partition(".")[0]) or "other"


def addresses(sender: str) -> Mapping[str, str]:
    """Where each provider shows a mailbox, by domain; "" if unknown. `sender`: whose mail to look for."""
    return {domain: url.format(sender=sender) for domain, url in _WEBMAIL.items()}


def address(email: str, sender: str) -> str:
    """Where the mailbox of `email` is shown, "" if we do not know."""
    return _WEBMAIL.get(email.rpartition("@")[2].strip().lower(), "").format(sender=sender)
