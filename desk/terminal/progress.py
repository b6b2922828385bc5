"""Show how far a long command has come: a bar at a terminal, and only its last state anywhere else."""

from rich import progress
from rich.console import Console
from rich.text import Text

from desk.terminal.output import out


class _Rate(progress.ProgressColumn):
    """Items per second."""

    def render(self, task: progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


def progress_bar(console: Console = out) -> progress.Progress:
    """Return a progress bar with rate and time left: a context manager, to which the command adds its task."""
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        _Rate(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
        console=console,
    )
