"""What a run has shown, as tables."""

from collections.abc import Iterator

from tests.chaos.ledgers import Ledgers
from tests.chaos.run import NOTICED_SECONDS, Outcome

_DEPENDENCIES = (("database",), ("queue",), ("spool",), ("queue", "database"), ("queue", "spool"))


def report(outcome: Outcome) -> str:
    """Return the figures of a run in Markdown."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    findings = outcome.findings
    yield "| figure | |"
    yield "| --- | ---: |"
    yield f"| signatures accepted | {outcome.accepted:,} |"
    yield f"| told that it is confirmed; withdrawn | {outcome.confirmed:,}; {outcome.withdrawn:,} |"
    yield f"| held | {outcome.held:,} |"
    yield f"| faults | {sum(outcome.faults.values()):,} |"
    yield f"| lost, or never mailed | {len(findings.lost) + len(findings.never_mailed)} |"
    yield f"| counted twice; not counted; not what the counter shows | {_counting(outcome)} |"
    wrong = len({*findings.told_and_not_so, *findings.turned_away, *findings.counted_unasked})
    yield f"| told, and not so | {wrong} |"
    yield f"| mails; mailboxes beyond the caps | {outcome.mails:,}; {len(findings.beyond_caps)} |"
    yield f"| second mails for one submission | {findings.second_mails} |"
    yield f"| thanked for a link from before a withdrawal | {findings.thanked} |"
    yield ""
    yield f"| down | pressed sign | accepted | after {NOTICED_SECONDS} s: p95 of sign | p95 of confirm |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for dependencies in _DEPENDENCIES:
        pressed, accepted = outcome.availability(*dependencies)
        times = (_seconds(outcome.p95(function, *dependencies)) for function in ("sign", "confirm"))
        yield f"| {' and '.join(dependencies)} | {pressed:,} | {accepted:,} | {' | '.join(times)} |"
    yield ""
    yield "| fault | times |"
    yield "| --- | ---: |"
    for kind, number in sorted(outcome.faults.items()):
        yield f"| {kind} | {number} |"
    for name, found in findings.faults.items():
        yield f"\n{name}: {found}"
        for address in found if isinstance(found, list) else ():
            yield from _what_happened(outcome.ledgers, address)


def _what_happened(ledgers: Ledgers, address: str) -> Iterator[str]:
    """Yield what one signer heard and was mailed, in its order, and what is stored."""
    heard = [(each.at, f"heard {each.answer}") for each in ledgers.heard if each.address == address]
    mailed = [
        (each.at, f"mailed {each.kind} {each.submissions}") for each in ledgers.mailed if each.address == address
    ]
    for at, event in sorted(heard + mailed):
        yield f"  {address} {at:%d %H:%M:%S} {event}"
    yield f"  {address} is stored as {ledgers.stored.get(address)}"


def _counting(outcome: Outcome) -> str:
    findings = outcome.findings
    return f"{findings.counted_twice}; {findings.not_counted}; {findings.shown_wrongly}"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f} s"
