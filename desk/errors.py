"""Errors that end a command, each in a sentence with the remedy."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.campaigns import problems
from shared.errors import UndersignError

M = TypeVar("M", bound=BaseModel)


class CommandError(UndersignError):
    """The command cannot go on; nothing is half done unless the sentence says so."""


def validate(model: type[M], values: Mapping[str, object]) -> M:
    """Validate what was given on the command line.

    Raises:
        CommandError: names each value that is wrong, and what belongs there.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise CommandError("\n".join(problems.messages(model, error))) from None
