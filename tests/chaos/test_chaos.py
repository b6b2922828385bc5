"""The short form: two hundred people sign while two dozen faults happen, and every ledger says the same."""

from pathlib import Path

from tests.chaos.report import report
from tests.chaos.run import SHORT, run


async def test_nothing_is_lost_and_nobody_is_counted_twice_while_everything_fails(tmp_path: Path) -> None:
    """Processes are killed, connections cut, tasks doubled; what people heard is what is stored and shown."""
    outcome = await run(SHORT, tmp_path)

    assert outcome.findings.faults == {}, report(outcome)
    assert outcome.accepted >= 200
    assert outcome.held > 0
    assert sum(outcome.faults.values()) >= 20
