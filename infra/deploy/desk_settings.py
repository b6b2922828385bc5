"""The settings with which the command `undersign` works on a deployment: databases, queues and secrets."""

from collections.abc import Collection

from infra.deploy.gcloud import Environment, gcloud

#: The secrets that a command may need, by variable: what Secret Manager calls them.
_SECRETS = {"PEPPER": "pepper", "DELIVER_IDENTITIES": "deliver-identities", "TOKEN_KEYS": "token-keys"}


def desk_settings(environment: Environment, wanted: Collection[str]) -> dict[str, str]:
    """Return the variables of an environment, as infra/functions.tf has them.

    Of its secrets, only those in `wanted` are read, by gcloud.

    Raises:
        SystemExit: a secret cannot be read; gcloud has printed why.
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
        **{
            variable: gcloud("secrets versions access latest", f"--secret={secret}", f"--project={project}")
            for variable, secret in _SECRETS.items()
            if variable in wanted
        },
    }
