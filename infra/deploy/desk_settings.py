"""The settings with which the command `undersign` works on a deployment: databases, queues and secrets."""

from collections.abc import Collection

from infra.deploy.gcloud import Environment, GcloudError, query
from shared.errors import ConfigurationError

#: The secrets that a command may need, by variable: what Secret Manager calls them.
_SECRETS = {"PEPPER": "pepper", "DELIVER_IDENTITIES": "deliver-identities", "TOKEN_KEYS": "token-keys"}


def desk_settings(environment: Environment, wanted: Collection[str]) -> dict[str, str]:
    """Return the variables of an environment, as infra/functions.tf has them.

    Of its secrets, only those in `wanted` are read, by gcloud, which takes seconds.

    Raises:
        ConfigurationError: a secret cannot be read; the message says why.
    """
    project = environment.project
    deliver = f"https://deliver-{environment.settings['project_number']}.{environment.region}.run.app"
    return {
        "PUBLIC_URL": f"https://{environment.settings['domain']}",
        "STORE": "firestore",
        "FIRESTORE_PROJECT": project,
        "FIRESTORE_DATABASE": environment.database,
        "TASKS": "cloud_tasks",
        "TASKS_QUEUES": f"projects/{project}/locations/{environment.region}/queues",
        "DELIVER_URL": f"{deliver}/v1/tasks/deliver",
        "DELIVER_AUDIENCE": deliver,
        "TASKS_SERVICE_ACCOUNT": f"undersign-queue@{project}.iam.gserviceaccount.com",
        "SPOOL_PROJECT": project,
        "SPOOL_DATABASE": "spool",
        **{variable: _secret(secret, project) for variable, secret in _SECRETS.items() if variable in wanted},
    }


def _secret(name: str, project: str) -> str:
    """Return the latest version of a secret.

    Not by `gcloud()`, whose SystemExit would end the whole desk that is open in a browser.

    Raises:
        ConfigurationError: it cannot be read; the message says why.
    """
    try:
        return query("secrets versions access latest", f"--secret={name}", f"--project={project}")
    except GcloudError as error:
        raise ConfigurationError(
            f"The secret {name} of project {project} cannot be read: {str(error).rstrip('.')}."
        ) from None
