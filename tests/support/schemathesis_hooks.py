"""Hooks for Schemathesis, loaded by SCHEMATHESIS_HOOKS in tests/shared/web/test_openapi.py."""

from typing import Any
from urllib.parse import unquote

import schemathesis


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Skip paths with a line break, for which functions-framework itself answers 404 in plain text."""
    return not any("\n" in unquote(str(value)) for value in (case.path_parameters or {}).values())
