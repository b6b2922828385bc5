"""The settings with which the command `undersign` works on a deployment: databases, queues and secrets."""

from collections.abc import Collection

from infra.deploy.gcloud import Environment, gcloud

#: The secrets that a command may need, by variable: what Secret Manager calls them.
_SECRETS = {"PEPPER": "pepper", "DELIVER_IDENTITIES": "deliver-identities", "TOKEN_KEYS": "token-keys"}


def desk_settings(environment: Environment, wanted: Collection[str]) -> dict[str, str]:
    """Return the variables of an environment. Of its secrets, only those in `wanted` are read, by gcloud.

    Raises:
        SystemExit: a secret cannot be read; gcloud has printed why.
    """
    project = environment.project
    return {
        "STORE": "firestore",
        "FIRESTORE_PROJECT": project,
        "FIRESTORE_DATABASE": environment.database,
        "TASKS": "cloud_tasks",
        "TASKS_QUEUES": f"projects/{project}/locations/{environment.region}/queues",
        "SPOOL_PROJECT": project,
        "SPOOL_DATABASE": "spool",
        **{
            variable: gcloud("secrets versions access latest", f"--secret={secret}", f"--project={project}")
            for variable, secret in _SECRETS.items()
            if variable in wanted
        },
    }
