"""sign on the framework's synchronous default, with the same validation, sealing and task.

It is only for comparison: it accepts JSON alone, and answers errors with 500.
"""

import os
from functools import cache

import flask
import functions_framework
import grpc
from google.cloud.tasks_v2 import CloudTasksClient, HttpMethod, HttpRequest, OidcToken, Task
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from pydantic_core import from_json

from shared import campaigns, log
from shared.clock import utc_now
from shared.crypto import sealing
from shared.models.messages import SubmissionMessage, TaskBody
from shared.models.requests import SignRequest
from shared.models.responses import CheckInbox

known = campaigns.load_all()
recipient = sealing.parse_recipient(os.environ["DELIVER_RECIPIENT"])


@functions_framework.http
def sign_sync(request: flask.Request) -> flask.Response:
    campaign = known[request.path.split("/")[3]]
    signed = SignRequest.model_validate(from_json(request.get_data(), allow_inf_nan=False))
    submission = SubmissionMessage(
        id=os.urandom(16).hex(),
        campaign=campaign.id,
        signed_at=utc_now(),
        **signed.model_dump(exclude={"consent"}),
    )
    sealed = sealing.seal(submission.model_dump_json(), [recipient])
    _enqueue(TaskBody(sealed=sealed).model_dump_json().encode())
    log.event("accepted", campaign=campaign.id, country=signed.country)
    return flask.Response(CheckInbox().model_dump_json(), 202, mimetype="application/json")


def _enqueue(body: bytes) -> None:
    task = Task(
        http_request=HttpRequest(
            url=os.environ["DELIVER_URL"],
            http_method=HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=body,
            oidc_token=OidcToken(
                service_account_email=os.environ["TASKS_SERVICE_ACCOUNT"], audience=os.environ["DELIVER_AUDIENCE"]
            ),
        )
    )
    _client().create_task(parent=f"{os.environ['TASKS_QUEUES']}/signatures", task=task)


@cache
def _client() -> CloudTasksClient:
    # Created in the worker, since a channel does not survive gunicorn's fork.
    channel = grpc.insecure_channel(os.environ["CLOUD_TASKS_EMULATOR_HOST"])
    return CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
