"""What the pages say of an error, in sentences."""

from collections.abc import Sequence
from http import HTTPStatus

from pydantic import ValidationError

from desk.errors import CommandError
from shared.errors import ConfigurationError, Unavailable

#: Those that are explained; any other is a fault of ours.
EXPLAINED = (CommandError, ConfigurationError, Unavailable, ValidationError, OSError)


def explain(error: BaseException) -> tuple[int, Sequence[str]]:
    """Return the status of the page that shows an error, and what it says."""
    status, sentences = _describe(error)
    if isinstance(error, Unavailable):
        sentences = [*sentences, "Nothing was changed, as far as is known. Try again."]
    return status, sentences


def explain_job(error: BaseException) -> Sequence[str]:
    """Return what to say of a job that failed: a part of its work may be done."""
    _, sentences = _describe(error)
    if isinstance(error, CommandError | ConfigurationError):  # which say so themselves, if anything is half done
        return sentences
    return [*sentences, "Begin it again. What is done by now stays done."]


def _describe(error: BaseException) -> tuple[int, Sequence[str]]:
    match error:
        case CommandError() | ConfigurationError():
            return HTTPStatus.BAD_REQUEST, str(error).splitlines()
        case Unavailable() if str(error) == "PermissionDenied":
            sentence = "Your account may not do this at this deployment: ask who runs it for the rights."
            return HTTPStatus.SERVICE_UNAVAILABLE, [sentence]
        case Unavailable():
            return HTTPStatus.SERVICE_UNAVAILABLE, [f"The database does not answer ({error})."]
        case ValidationError():
            return HTTPStatus.INTERNAL_SERVER_ERROR, [
                "What is stored was written by a newer undersign, or is damaged. Update this one, and try again."
            ]
        case OSError():
            return HTTPStatus.INTERNAL_SERVER_ERROR, [f"{error.filename or 'A file'}: {error.strerror}."]
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, [f"This is a fault of undersign ({type(error).__name__})."]
