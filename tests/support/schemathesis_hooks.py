"""Tell Schemathesis about our requests; SCHEMATHESIS_HOOKS in tests/shared/web/test_openapi.py names this."""

from typing import Any
from urllib.parse import unquote

import schemathesis


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """No line break in a path: functions-framework routes no such path to us, and answers 404 in plain text."""
    return not any("\n" in unquote(str(value)) for value in (case.path_parameters or {}).values())
