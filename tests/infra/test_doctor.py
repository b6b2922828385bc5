"""What `make doctor` finds before a deployment, and what it says to do about it."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import dns.resolver
import pytest

from infra.deploy import doctor, gcloud
from infra.deploy.checks import campaign_files, cloud, policies, records, relays
from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, Status
from infra.deploy.doctor import Check
from shared import campaigns
from tests.support import gcloud as stand_in
from tests.support.deployment import campaign_file
from tests.support.dns_server import Zone, resolver_of
from tests.support.gcloud import Cloud
from tests.support.relay import PASSWORD, USER, client_tls, relay, server_tls

PROJECT = "swifts"
DOMAIN = "petition.swifts.example"
MAIL = "unwatched.example.org"  # from which the example mails
SETTINGS: dict[str, Any] = {
    "project": PROJECT,
    "project_number": "123456789012",
    "domain": DOMAIN,
    "relays": {},
}
#: What is entered at the registrar once the plan is applied.
RECORDS = {
    f"{DOMAIN}. A": "192.0.2.1",
    f"{DOMAIN}. AAAA": "2001:db8:0:1:0:0:0:0",
    f"{DOMAIN}. CAA": '0 issue "pki.goog"',
    f"mail.{DOMAIN}. TXT": "v=spf1 <…>",
}


def healthy() -> Cloud:
    """A cloud in which everything is as it should be."""
    return Cloud(
        account="ann@swifts.example",
        credentials=True,
        projects={PROJECT: {"projectNumber": "123456789012", "parent": {"type": "organization", "id": "1"}}},
        billed=[PROJECT],
        services=list(cloud.SERVICES),
        buckets=[f"{PROJECT}-terraform", f"{PROJECT}-bundles"],
        secrets={name: ["secret"] for name in ("deliver-identities", "pepper", "token-keys")},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that is healthy, and credentials of a person, in a working directory of its own."""
    stand_in.install(tmp_path / "cloud", monkeypatch, healthy())
    credentials = tmp_path / "credentials.json"
    person = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "t"}
    credentials.write_text(json.dumps({**person, "quota_project_id": PROJECT}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(credentials))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gcloud, "INFRA", tmp_path / "infra")
    (tmp_path / "infra" / "environments").mkdir(parents=True)
    versions = dict.fromkeys(healthy().secrets, "1")
    keys = tmp_path / "infra" / "environments" / "staging.keys.tfvars.json"
    keys.write_text(json.dumps({"secret_versions": versions}))
    return tmp_path


def change(folder: Path, **values: Any) -> None:
    """Change the cloud."""
    found = Cloud.load(folder / "cloud")
    for name, value in values.items():
        setattr(found, name, value)
    found.save(folder / "cloud")


def deployment(resolver: dns.resolver.Resolver | None = None, **settings: Any) -> Deployment:
    environment = gcloud.Environment("staging", {**SETTINGS, **settings}, Path("infra") / "environments")
    return Deployment(environment, resolver or dns.resolver.Resolver(configure=False), client_tls())


def found(of: Deployment, *names: str) -> dict[str, Finding]:
    """Make the checks of these names, and those that they need."""
    return dict(doctor.examine(of, [check for check in doctor.all_checks(of.environment) if check.name in names]))


NEEDED = ("gcloud", "project", "billing", "bootstrap")
CLOUD = ("gcloud", "credentials", "project", "billing", "bootstrap", "policies", "quota", "secrets")


def test_a_project_that_is_ready_is_found_to_be(folder: Path) -> None:
    """Each check says what is there."""
    findings = found(deployment(), *CLOUD)

    assert {name: finding.status for name, finding in findings.items()} == dict.fromkeys(CLOUD, Status.OK)
    assert findings["quota"].found == "20 vCPU and 40 GiB in europe-west1, and vcpu_quota is 20"


@pytest.mark.parametrize(
    ("name", "changes", "says", "fix"),
    [
        ("gcloud", {"account": None}, "nobody is logged in", "gcloud auth login"),
        ("credentials", {"credentials": False}, "not found", "gcloud auth application-default login"),
        ("project", {"projects": {}}, "does not exist", "gcloud projects create swifts"),
        (
            "project",
            {"projects": {PROJECT: {"projectNumber": "7"}}},
            "7, not 123456789012",
            '"7" into staging.tfvars',
        ),
        ("billing", {"billed": []}, "no billing account", "gcloud billing projects link swifts"),
        ("bootstrap", {"buckets": [f"{PROJECT}-bundles"]}, "gs://swifts-terraform", "make bootstrap ENV=staging"),
        ("bootstrap", {"services": cloud.SERVICES[1:]}, cloud.SERVICES[0], "make bootstrap ENV=staging"),
        (
            "quota",
            {"vcpu": 10},
            "10 vCPU and 40 GiB in europe-west1, and vcpu_quota is 20",
            "vcpu_quota = 10 into",
        ),
        ("quota", {"vcpu": 10}, "10 vCPU", "--preferred-value=20000 --dimensions=region=europe-west1"),
        ("quota", {"gib": 8}, "8 GiB", "--quota-id=MemAllocPerProjectRegion --preferred-value=10737418240"),
        ("secrets", {"secrets": {"pepper": ["p"], "token-keys": ["t"]}}, "not found", "make secrets ENV=staging"),
        (
            "secrets",
            {"secrets": {**healthy().secrets, "pepper": [None]}},
            "pepper, version 1, is disabled",
            "make secrets ENV=staging",
        ),
    ],
)
def test_what_is_missing_is_named_with_its_fix(
    folder: Path, name: str, changes: dict[str, Any], says: str, fix: str
) -> None:
    """In a sentence each, with the command to enter."""
    change(folder, **changes)

    finding = found(deployment(), *NEEDED, name)[name]

    assert finding.status == Status.FAILED
    assert says in finding.found
    assert fix in finding.fix


def test_what_cannot_be_asked_yet_is_skipped_with_the_reason(folder: Path) -> None:
    """One fault is one line, and not one for each check that it makes impossible."""
    change(folder, projects={})

    findings = found(deployment(), *CLOUD)

    assert [name for name, finding in findings.items() if finding.status == Status.FAILED] == ["project"]
    assert findings["billing"] == Finding(Status.SKIPPED, "because it needs the check above: project")
    assert findings["quota"] == Finding(Status.SKIPPED, "because it needs the check above: bootstrap")


def test_without_gcloud_there_is_no_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where to get it."""
    monkeypatch.setenv("PATH", str(folder))

    finding = found(deployment(), "gcloud")["gcloud"]

    assert finding.status == Status.FAILED
    assert "https://cloud.google.com/sdk/docs/install" in finding.fix


@pytest.mark.parametrize(
    ("quota_project", "status", "says"),
    [(None, Status.FAILED, "name no quota project"), ("another", Status.WARNING, "quota project is another")],
)
def test_credentials_need_a_quota_project(
    folder: Path, quota_project: str | None, status: Status, says: str
) -> None:
    """Several APIs refuse those of a person that name none."""
    file = folder / "credentials.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quota_project_id": quota_project}))

    finding = found(deployment(), "gcloud", "credentials")["credentials"]

    assert (finding.status, finding.fix) == (
        status,
        f"gcloud auth application-default set-quota-project {PROJECT}",
    )
    assert says in finding.found


def test_a_check_that_may_not_be_made_is_a_warning(folder: Path) -> None:
    """A role that is missing says nothing about what it hides, and a deployment goes on."""

    def refused(_: Deployment) -> Finding:
        raise gcloud.GcloudError("The caller does not have permission")

    [(_, finding)] = doctor.examine(deployment(), [Check("quota", refused)])

    assert finding.status == Status.WARNING
    assert "The caller does not have permission" in finding.found


def test_an_answer_that_is_not_understood_is_no_traceback(folder: Path) -> None:
    """Google may change what gcloud prints."""
    change(folder, projects={PROJECT: {}})

    finding = found(deployment(), "gcloud", "project")["project"]

    assert (finding.status, finding.found) == (Status.WARNING, "not understood: KeyError 'projectNumber'")


ENFORCED = [{"enforce": True}]


@pytest.mark.parametrize(
    ("rules", "settings", "status", "fix"),
    [
        ({}, {}, Status.OK, ""),
        ({"iam.allowedPolicyMemberDomains": [{"allowAll": True}]}, {}, Status.OK, ""),
        (
            {"iam.allowedPolicyMemberDomains": [{"values": {"allowedValues": ["is:C03xgje4y"]}}]},
            {},
            Status.FAILED,
            "Write public_by_all_users = false into staging.tfvars",
        ),
        ({"iam.managed.allowedPolicyMembers": ENFORCED}, {}, Status.FAILED, "public_by_all_users = false"),
        ({"iam.managed.allowedPolicyMembers": ENFORCED}, {"public_by_all_users": False}, Status.OK, ""),
        (
            {
                "iam.managed.allowedPolicyMembers": [
                    {"enforce": True, "parameters": {"allowedMemberSubjects": ["allUsers"]}}
                ]
            },
            {},
            Status.OK,
            "",
        ),
        (
            {"run.managed.requireInvokerIam": ENFORCED},
            {"public_by_all_users": False},
            Status.FAILED,
            "exempt swifts from run.managed.requireInvokerIam",
        ),
        ({"iam.disableServiceAccountCreation": ENFORCED}, {}, Status.FAILED, "iam.disableServiceAccountCreation"),
        (
            {"run.allowedIngress": [{"values": {"allowedValues": ["is:internal"]}}]},
            {},
            Status.FAILED,
            "exempt swifts from: run.allowedIngress",
        ),
        (
            {"gcp.restrictNonCmekServices": [{"values": {"deniedValues": ["is:firestore.googleapis.com"]}}]},
            {},
            Status.FAILED,
            "exempt swifts from: gcp.restrictNonCmekServices",
        ),
        (
            {"compute.restrictLoadBalancerCreationForTypes": [{"denyAll": True}]},
            {},
            Status.FAILED,
            "exempt swifts from: compute.restrictLoadBalancerCreationForTypes",
        ),
        ({"gcp.resourceLocations": [{"values": {"allowedValues": ["in:eu-locations"]}}]}, {}, Status.OK, ""),
        (
            {"gcp.resourceLocations": [{"values": {"allowedValues": ["in:us-locations"]}}]},
            {},
            Status.WARNING,
            "See that it allows europe-west1, europe-west4, eu, eur3",
        ),
    ],
)
def test_a_policy_that_stops_a_deployment_is_found_before_it(
    folder: Path, rules: dict[str, Any], settings: dict[str, Any], status: Status, fix: str
) -> None:
    """Organisations created since May 2024 forbid allUsers unless they change that."""
    change(folder, policies=rules)

    finding = policies.check_policies(deployment(**settings))

    assert finding.status == status
    assert fix in finding.fix


@pytest.fixture
def applied(folder: Path) -> None:
    """A state with outputs, as Terraform writes it."""
    state = {"version": 4, "outputs": {"dns_records": {"value": RECORDS}}, "resources": []}
    (folder / "infra" / "terraform.tfstate").write_text(json.dumps(state))


GOOD_MAIL: Zone = {
    (f"{MAIL}.", "TXT"): ['"v=spf1 include:relay.example " "-all"', '"another"'],
    (f"s1._domainkey.{MAIL}.", "TXT"): ['"v=DKIM1; p=MIIB"'],
    (f"_dmarc.{MAIL}.", "TXT"): ['"v=DMARC1; p=reject"'],
}


class TestRecords:
    def test_are_right_when_they_are_what_terraform_printed(self, folder: Path, applied: None) -> None:
        """What has to be asked of a relay is not compared."""
        zone = {
            (f"{DOMAIN}.", "A"): ["192.0.2.1"],
            (f"{DOMAIN}.", "AAAA"): ["2001:db8:0:1::"],
            (f"{DOMAIN}.", "CAA"): ['0 issue "pki.goog"', '0 issue "x.example"'],
        }
        with resolver_of(zone) as resolver:
            finding = records.check_records(deployment(resolver))

        assert finding == Finding(Status.OK, f"{DOMAIN} leads here")

    def test_are_wrong_with_another_address_beside_ours(self, folder: Path, applied: None) -> None:
        """Half of the signers would end up elsewhere; a record that is missing is named as well."""
        zone = {(f"{DOMAIN}.", "A"): ["192.0.2.1", "198.51.100.7"], (f"{DOMAIN}.", "AAAA"): ["2001:db8:0:1::"]}
        with resolver_of(zone) as resolver:
            finding = records.check_records(deployment(resolver))

        assert finding.status == Status.FAILED
        assert finding.found == f"{DOMAIN}. A: 192.0.2.1, 198.51.100.7\n{DOMAIN}. CAA: no record"
        assert f'{DOMAIN}. A 192.0.2.1; {DOMAIN}. CAA 0 issue "pki.goog"' in finding.fix

    def test_are_not_asked_for_before_terraform_has_printed_any(self, folder: Path) -> None:
        """The address does not exist yet."""
        finding = records.check_records(deployment())

        assert finding == Finding(Status.SKIPPED, "because nothing is deployed yet: make deploy ENV=staging")

    @pytest.mark.parametrize(
        ("certificates", "status", "says"),
        [
            ([{"domains": [DOMAIN], "state": "ACTIVE"}], Status.OK, f"for {DOMAIN}, active"),
            (
                [
                    {
                        "domains": [DOMAIN],
                        "state": "PROVISIONING",
                        "provisioningIssue": {"reason": "AUTHORIZATION_ISSUE", "details": "No CNAME was found."},
                    }
                ],
                Status.FAILED,
                f"for {DOMAIN}, provisioning No CNAME was found.",
            ),
            ([{"domains": ["another.example"], "state": "ACTIVE"}], Status.FAILED, f"there is none for {DOMAIN}"),
        ],
    )
    def test_of_the_address_wait_for_the_certificate(
        self, folder: Path, applied: None, certificates: list[dict[str, Any]], status: Status, says: str
    ) -> None:
        """Or everybody who is led here meets a TLS error."""
        change(folder, certificates=certificates)

        finding = records.check_certificate(deployment())

        assert (finding.status, finding.found) == (status, says)

    def test_of_the_mail_need_no_selector_to_be_found(self, folder: Path) -> None:
        """SPF in two strings beside other texts, a DKIM key, and DMARC that rejects."""
        with resolver_of(GOOD_MAIL) as resolver:
            finding = records.check_mail_records(deployment(resolver))

        assert finding == Finding(Status.OK, f"SPF, DKIM and DMARC of {MAIL}")

    @pytest.mark.parametrize(
        ("changes", "status", "says"),
        [
            ({(f"{MAIL}.", "TXT"): ['"another"']}, Status.FAILED, f"{MAIL} has no SPF record"),
            (
                {(f"{MAIL}.", "TXT"): ['"v=spf1 -all"'] * 2 + ['"v=spf1 a -all"']},
                Status.FAILED,
                "has 2 SPF records",
            ),
            ({(f"{MAIL}.", "TXT"): ['"v=spf1 a"']}, Status.FAILED, f"the SPF record of {MAIL} is v=spf1 a"),
            ({(f"_dmarc.{MAIL}.", "TXT"): []}, Status.FAILED, f"{MAIL} has no DMARC record"),
            ({(f"_dmarc.{MAIL}.", "TXT"): ['"v=DMARC1; p=none"']}, Status.WARNING, "p=none"),
        ],
    )
    def test_of_the_mail_are_named_when_they_are_missing_or_weak(
        self, folder: Path, changes: Zone, status: Status, says: str
    ) -> None:
        """Mail without them ends up as spam."""
        with resolver_of({**GOOD_MAIL, **changes}) as resolver:
            finding = records.check_mail_records(deployment(resolver))

        assert finding.status == status
        assert says in finding.found

    def test_of_the_mail_lack_a_key_where_no_selector_has_one(self, folder: Path) -> None:
        """Nothing exists below _domainkey."""
        zone = {name: texts for name, texts in GOOD_MAIL.items() if "_domainkey" not in name[0]}
        with resolver_of(zone) as resolver:
            finding = records.check_mail_records(deployment(resolver))

        assert finding.found == f"{MAIL} has no DKIM key"

    def test_cannot_be_checked_where_no_name_server_answers(self, folder: Path) -> None:
        """Which says nothing about the records."""
        finding = found(deployment(), "DNS of the mail")["DNS of the mail"]

        assert finding.status == Status.WARNING
        assert "could not be checked" in finding.found


class TestRelay:
    async def check(
        self, folder: Path, tls: ssl.SSLContext | None, password: str = PASSWORD, **behaviour: Any
    ) -> Finding:
        """Check a relay that runs on this machine, with the password from Secret Manager."""
        change(folder, secrets={"smtp-password-first": [password]} if password else {})
        async with relay(tls, **behaviour) as running:
            settings = {"host": "localhost", "port": running.port, "user": USER, "mails_per_second": 50}
            finding = await asyncio.to_thread(relays.check_relay, deployment(relays={"first": settings}), "first")
        assert not running.taken
        return finding

    async def test_that_accepts_everything_up_to_the_content_is_sent_none(self, folder: Path) -> None:
        """Connection, certificate, password, sender and recipient are tried."""
        finding = await self.check(folder, server_tls())

        assert finding.status == Status.OK

    @pytest.mark.parametrize(
        ("tls", "password", "behaviour", "says", "fix"),
        [
            (None, PASSWORD, {}, "at STARTTLS", "valid for this host"),
            (server_tls(), "wrong", {}, "at AUTH", "make secrets ENV=staging ROTATE=smtp-password-first"),
            (
                server_tls(),
                PASSWORD,
                {"at_mail": "550 5.7.1 not you"},
                "at MAIL or RCPT: 550 5.7.1 not you",
                "accept mail from this sender",
            ),
            (server_tls(), PASSWORD, {"at_rcpt": "550 5.7.1 no relaying"}, "no relaying", "for this recipient"),
        ],
    )
    async def test_that_refuses_something_says_at_which_step(
        self,
        folder: Path,
        tls: ssl.SSLContext | None,
        password: str,
        behaviour: dict[str, str],
        says: str,
        fix: str,
    ) -> None:
        """And what to do about it; the password is not in it."""
        finding = await self.check(folder, tls, password, **behaviour)

        assert finding.status == Status.FAILED
        assert says in finding.found
        assert fix in finding.fix
        assert password not in finding.found

    async def test_with_a_certificate_of_nobody_is_refused(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """deliver would not send it the password either."""
        monkeypatch.setattr("tests.infra.test_doctor.client_tls", ssl.create_default_context)

        finding = await self.check(folder, server_tls())

        assert finding.status == Status.FAILED
        assert "at STARTTLS" in finding.found
        assert "certificate" in finding.found

    async def test_is_checked_without_a_password_while_there_is_none(self, folder: Path) -> None:
        """As far as that goes."""
        finding = await self.check(folder, server_tls(), password="")

        assert (finding.status, finding.fix) == (Status.WARNING, "make secrets ENV=staging")

    def test_that_cannot_be_reached_is_no_traceback(self, folder: Path) -> None:
        """A firewall may block the port."""
        settings = {"host": "localhost", "port": 9, "user": USER, "mails_per_second": 50}

        finding = relays.check_relay(deployment(relays={"first": settings}), "first")

        assert finding.status == Status.FAILED
        assert "localhost:9 at connect" in finding.found
        assert "firewall" in finding.fix

    def test_that_mails_nothing_is_not_asked(self) -> None:
        """mails_per_second = 0 takes it out."""
        of = deployment(relays={"first": {"mails_per_second": 1}, "second": {"mails_per_second": 0}})

        names = [check.name for check in doctor.all_checks(of.environment)]

        assert "relay first" in names
        assert "relay second" not in names


def test_no_backup_outlives_what_signers_are_promised(tmp_path: Path) -> None:
    """Nor is a campaign deployed whose signatures nobody could ever read, nor one without the canary."""
    ours = campaigns.load(campaign_file(tmp_path, "ours"))
    environment = gcloud.Environment("staging", {"project": "p", "backup_days": 98, "watched_campaign": "theirs"})

    faults = "\n".join(campaign_files.campaign_faults(environment, {"ours": ours}))

    assert "ours.toml: privacy.backup_days: promises 7 days, but backups are kept for 98" in faults
    assert 'sealing.recipients: "throwaway" is for local runs' in faults
    assert "there is no campaign canary" in faults
    assert "watched_campaign: there is no campaign theirs" in faults


def test_an_older_terraform_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """infra/ names the oldest that works."""
    (gcloud.INFRA / "versions.tf").write_text('required_version = ">= 1.11"')
    program = folder / "cloud" / "bin" / "terraform"
    for version, status in (("1.9.8", Status.FAILED), ("1.11.0", Status.OK), ("2.0.0", Status.OK)):
        program.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
        program.chmod(0o755)

        assert cloud.check_terraform().status == status

    monkeypatch.setenv("PATH", str(folder))
    assert cloud.check_terraform().found == "it is not installed"


class TestPreflight:
    def test_says_nothing_when_all_is_well(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A deployment begins with the build."""
        doctor.preflight(gcloud.Environment("staging", SETTINGS))

        assert capsys.readouterr().out == ""

    def test_stops_before_anything_is_changed(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Google would refuse the third function of five."""
        with pytest.raises(SystemExit, match="Correct this before a deployment"):
            doctor.preflight(gcloud.Environment("staging", {**SETTINGS, "vcpu_quota": 200}))

        assert (
            "failed  quota: 20 vCPU and 40 GiB in europe-west1, and vcpu_quota is 200" in capsys.readouterr().out
        )
