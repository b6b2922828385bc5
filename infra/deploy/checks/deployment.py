"""The deployment that is checked: facts that several checks share, each read once."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dns.resolver

from infra.deploy import gcloud


@dataclass(frozen=True)
class Deployment:
    """`resolver`: whom the DNS is asked. `tls_context`: which certificates of relays are trusted."""

    environment: gcloud.Environment
    resolver: dns.resolver.Resolver
    tls_context: ssl.SSLContext

    @property
    def project(self) -> str:
        """The project's id."""
        return self.environment.project

    @property
    def file(self) -> str:
        """The name of the file in which its settings are."""
        return self.environment.files[0].name

    def read(self, command: str, *arguments: str) -> Any:
        """Return what a command of gcloud about this project prints as JSON.

        Raises:
            GcloudError: it failed.
        """
        return json.loads(gcloud.query(command, *arguments, f"--project={self.project}", "--format=json"))

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """The project, as `gcloud projects describe` prints it.

        Raises:
            GcloudError: there is none, or it may not be seen.
        """
        content: Mapping[str, Any] = json.loads(gcloud.query("projects describe", self.project, "--format=json"))
        return content

    @cached_property
    def dns_records(self) -> Mapping[str, str] | None:
        """Terraform's output of this name, as in {"petition.example.org. A": "192.0.2.1"}; None before it has any.

        Read from the state itself, so that no provider has to be installed.

        Raises:
            GcloudError: the bucket may not be read.
        """
        state = f"gs://{self.environment.state}/{self.environment.name}/default.tfstate"
        try:
            outputs = json.loads(gcloud.query("storage cat", state))["outputs"]
        except gcloud.GcloudError as error:
            if "matched no objects" in str(error):
                return None
            raise
        return outputs["dns_records"]["value"] if "dns_records" in outputs else None
