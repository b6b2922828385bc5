"""The deployment that is checked: facts that several checks share, each read once."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dns.resolver

from infra.deploy import build, gcloud
from shared import campaigns
from shared.campaigns.model import Campaign


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
    def campaigns(self) -> Mapping[str, Campaign]:
        """The campaigns that a deployment would ship, by their ids.

        Raises:
            ConfigurationError: a file does not load.
        """
        return campaigns.load_all(build.campaigns_folder())

    @property
    def senders(self) -> Mapping[str, str]:
        """From each domain that campaigns mail from, an address that one of them uses.

        Raises:
            ConfigurationError: a campaign file does not load.
        """
        addresses = [campaign.sender.address for campaign in self.campaigns.values()]
        return {address.rpartition("@")[2]: address for address in addresses}

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
