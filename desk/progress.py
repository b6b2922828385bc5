"""How far a long task has come: reported by what does the work, shown by a terminal or by a page of the desk."""

from typing import Protocol


class Progress(Protocol):
    """Implemented by `terminal.progress.ProgressBar` and by `web.jobs.Job`."""

    def begin(self, step: str, total: int | None = None, done: int = 0) -> None:
        """Begin a step of the task, as in "Reading". `total`: None where it is not known beforehand."""

    def advance(self, number: int = 1) -> None:
        """Report that so many more are done of the step that was begun last. Any thread may call it."""
