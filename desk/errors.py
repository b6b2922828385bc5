"""What the person at the desk is told, in one sentence with the remedy."""

from shared.errors import UndersignError


class CommandError(UndersignError):
    """The command cannot go on; nothing is half done unless the sentence says so."""
