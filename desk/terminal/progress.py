"""Show how far a long command has come: a bar at a terminal, and only its last state anywhere else."""

from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Console
from rich.text import Text

from desk.terminal.output import out


class _Rate(progress.ProgressColumn):
    """Items per second."""

    def render(self, task: progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


class ProgressBar:
    """A bar for each step, with rate and time left. Implements `Progress`; a context manager."""

    def __init__(self, console: Console = out) -> None:
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            _Rate(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end_step()
        self._bars.stop()

    def begin(self, step: str, total: int | None = None, done: int = 0) -> None:
        self._end_step()
        self._bars.add_task(step, total=total, completed=done)

    def advance(self, number: int = 1) -> None:
        self._bars.advance(self._bars.task_ids[-1], number)

    def _end_step(self) -> None:
        """Fill the bar of a step whose total was not known beforehand."""
        for step in self._bars.tasks[-1:]:
            if step.total is None:
                self._bars.update(step.id, total=step.completed)
