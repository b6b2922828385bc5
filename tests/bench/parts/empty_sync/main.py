"""The minimal function on the framework's synchronous default."""

import flask
import functions_framework


@functions_framework.http
def empty_sync(_request: flask.Request) -> str:
    return "ok"
