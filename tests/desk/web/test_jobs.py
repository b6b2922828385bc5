"""Long tasks run beside the pages that have begun them."""

import asyncio
import json

import pytest

from desk.errors import CommandError
from desk.progress import Progress
from desk.web.jobs import Jobs
from shared.errors import StoreUnavailable

KIND = ("save-the-swifts", "export")


class Work:
    """Work that reports a step, and goes on when it is told to."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.begun = 0
        self.closed = 0

    async def __call__(self, progress: Progress) -> str:
        self.begun += 1
        try:
            progress.begin("Reading", 1000)
            progress.advance(500)
            await self.may_end.wait()
        finally:
            self.closed += 1
        return "whole"


async def test_a_job_reports_how_far_it_is_until_it_has_a_result() -> None:
    """Nobody waits for it meanwhile."""
    work = Work()
    job = Jobs().start(*KIND, "Export", work)
    await asyncio.sleep(0)
    halfway = (job.is_running, job.step, job.done, job.total, job.result)
    work.may_end.set()
    await job.wait()

    assert halfway == (True, "Reading", 500, 1000, None)
    assert (job.is_running, job.result, job.faults) == (False, "whole", ())


async def test_a_job_that_runs_is_not_begun_twice() -> None:
    """A button may be pressed twice, or in two tabs; one that has ended is begun again."""
    jobs, work = Jobs(), Work()
    first, second = (jobs.start(*KIND, "Export", work) for _ in range(2))
    other = jobs.start("another", "export", "Export", work)
    work.may_end.set()
    await first.wait()
    third = jobs.start(*KIND, "Export", work)
    await third.wait()

    assert first is second
    assert len({first, other, third}) == 3
    assert work.begun == 3


async def test_a_failed_job_says_why_until_it_is_begun_again() -> None:
    """In the words of the other pages, and in none of a fault that they do not know."""
    jobs = Jobs()
    said = []
    for error in (CommandError("The folder is full.\nEmpty it."), StoreUnavailable("Aborted"), KeyError("Ann")):

        async def fail(_: Progress, error: Exception = error) -> None:
            raise error

        job = jobs.start(*KIND, "Export", fail)
        await job.wait()
        assert job.result is None
        said.append(job.faults)

    assert said[0] == ["The folder is full.", "Empty it."]
    assert "does not answer (Aborted)" in said[1][0]
    assert said[1][1] == said[2][1] == "Begin it again. What is done by now stays done."
    assert "Ann" not in said[2][0]


async def test_a_job_that_something_else_keeps_busy_is_refused() -> None:
    """Rather than shown as if it had begun."""
    jobs, work, other = Jobs(), Work(), Work()
    jobs.start(*KIND, "Recount", work)

    with pytest.raises(CommandError, match=r"Under way: Recount\. .* Nothing else was begun\."):
        jobs.start(*KIND, "Repair of the count", other)

    await jobs.stop()
    assert (work.begun, other.begun) == (0, 0)


async def test_a_bug_in_a_job_leaves_its_type_and_place_and_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of an exception may hold an address."""

    async def fail(_: Progress) -> None:
        raise KeyError("ann@example.org")

    await Jobs().start(*KIND, "Export", fail).wait()

    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["error"]) == ("job_failed", "KeyError")
    assert "test_jobs.py" in event["place"]
    assert "ann" not in json.dumps(event)


async def test_the_end_of_the_desk_stops_what_runs_and_names_it() -> None:
    """What it has opened is closed by then."""
    jobs, work, ended = Jobs(), Work(), Work()
    ended.may_end.set()
    await jobs.start("another", "export", "Export of another", ended).wait()
    jobs.start(*KIND, "Export", work)
    await asyncio.sleep(0)

    assert await jobs.stop() == ["Export"]
    assert (work.begun, work.closed) == (1, 1)
    assert await jobs.stop() == []


async def test_what_has_ended_can_be_forgotten() -> None:
    """What runs cannot."""
    jobs, work = Jobs(), Work()
    job = jobs.start(*KIND, "Export", work)
    jobs.forget(*KIND)
    kept = jobs.get(*KIND)
    work.may_end.set()
    await job.wait()
    jobs.forget(*KIND)

    assert kept is job
    assert jobs.get(*KIND) is None
