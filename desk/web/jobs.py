"""Long tasks that a page has begun, such as an export: they run beside other pages, and end with the desk."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from starlette.requests import Request

from desk.errors import CommandError
from desk.progress import Progress
from desk.web.explain import EXPLAINED, explain_job
from shared import log
from shared.clock import utc_now

#: What does the work of a job, and returns its result.
Work = Callable[[Progress], Coroutine[Any, Any, Any]]
#: So long a page waits for a job that it has begun, so that one of a moment shows its result at once.
_PATIENCE_SECONDS = 0.5


class Job:
    """One long task, and how far it has come. Implements `Progress`. `title`: as in "Looking at the signatures".

    `begun_at`: nothing that it changes was changed before. `step`, `done`, `total`: as the work has reported them;
    `total`: None where it is not known.
    """

    def __init__(self, title: str, work: Work) -> None:
        self.title = title
        self.begun_at = utc_now()
        self.step = ""
        self.done = 0
        self.total: int | None = None
        self._task = asyncio.create_task(work(self))
        self._task.add_done_callback(_retrieve)

    def begin(self, step: str, total: int | None = None, done: int = 0) -> None:
        self.step, self.total, self.done = step, total, done

    def advance(self, number: int = 1) -> None:
        self.done += number

    @property
    def is_running(self) -> bool:
        """Whether it has neither ended nor failed."""
        return not self._task.done()

    @property
    def faults(self) -> Sequence[str]:
        """Return why it has failed, in sentences; empty where it has not."""
        error = None if self.is_running or self._task.cancelled() else self._task.exception()
        return explain_job(error) if error else ()

    @property
    def result(self) -> Any:
        """Return what the work has returned; None where it runs, or has failed."""
        return None if self.is_running or self._task.cancelled() or self.faults else self._task.result()

    async def wait(self, seconds: float | None = _PATIENCE_SECONDS) -> None:
        """Wait until it has ended, at most so long. Raises nothing of what the work raises."""
        await asyncio.wait([self._task], timeout=seconds)

    async def stop(self) -> None:
        """Cancel it, and wait until it has closed what it has opened."""
        self._task.cancel()
        await self.wait(None)


class Jobs:
    """The jobs of a desk: of each campaign at most one of a kind, the last, until it is forgotten."""

    def __init__(self) -> None:
        self._jobs = dict[tuple[str, str], Job]()

    def get(self, campaign: str, kind: str) -> Job | None:
        """Return the job of this kind, running or not; None where there was none."""
        return self._jobs.get((campaign, kind))

    def start(self, campaign: str, kind: str, title: str, work: Work) -> Job:
        """Start a job, or return the one that runs: pressing a button twice does nothing twice.

        Raises:
            CommandError: a job of this kind runs that does something else, as its title says.
        """
        known = self.get(campaign, kind)
        if known is None or not known.is_running:
            known = self._jobs[campaign, kind] = Job(title, work)
        elif known.title != title:
            raise CommandError(f"Under way: {known.title}. Wait until it is done. Nothing else was begun.")
        return known

    def forget(self, campaign: str, kind: str) -> None:
        """Forget a job that has ended, and its result."""
        if (known := self.get(campaign, kind)) and not known.is_running:
            del self._jobs[campaign, kind]

    @property
    def running(self) -> Sequence[Job]:
        """Return those that run."""
        return [job for job in self._jobs.values() if job.is_running]

    async def stop(self) -> Sequence[str]:
        """Stop what runs, and return the titles of these jobs."""
        running = self.running
        for job in running:
            await job.stop()
        return [job.title for job in running]


def jobs(request: Request) -> Jobs:
    """Return the jobs of the desk that has this request."""
    found: Jobs = request.app.state.jobs
    return found


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Retrieve the exception, or asyncio logs 'Task exception was never retrieved'.

    What no page explains is a bug: it is logged by type and place, without its text, which may hold an address.
    """
    error = None if task.cancelled() else task.exception()
    if error and not isinstance(error, EXPLAINED):
        log.exception("job_failed", error)
