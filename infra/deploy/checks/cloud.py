"""Whether this machine may reach Google Cloud, and whether the project there is ready."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import google.auth
import google.oauth2.credentials
from google.auth.exceptions import DefaultCredentialsError

from infra.deploy import gcloud, terraform
from infra.deploy.checks.deployment import Deployment
from infra.deploy.checks.finding import Finding, failed, ok, warning

#: Terraform enables the others; it needs these to do so, and `make doctor` needs them to look.
SERVICES = (
    "cloudbilling.googleapis.com",
    "cloudquotas.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "orgpolicy.googleapis.com",
    "secretmanager.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
)
#: What a new project may use: https://docs.cloud.google.com/run/quotas
_DEFAULT_VCPU = 20
_VCPU, _MEMORY = "CpuAllocPerProjectRegion", "MemAllocPerProjectRegion"


def check_terraform() -> Finding:
    """Check that Terraform is installed, and as new as infra/versions.tf asks."""
    [wanted] = re.findall(r'required_version = ">= ([0-9.]+)"', (gcloud.INFRA / "versions.tf").read_text())
    fix = f"Install version {wanted} or newer: https://developer.hashicorp.com/terraform/install"
    try:
        done = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return failed("it is not installed", fix)
    found = json.loads(done.stdout)["terraform_version"]
    return ok(found) if _numbers(found) >= _numbers(wanted) else failed(f"{found} is too old", fix)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def check_gcloud(_deployment: Deployment) -> Finding:
    """Check that gcloud is installed, and that somebody is logged in."""
    active = json.loads(gcloud.query("auth list", "--filter=status:ACTIVE", "--format=json"))
    if not active:
        return failed("nobody is logged in", "gcloud auth login --update-adc")
    return ok(f"logged in as {active[0]['account']}")


def check_credentials(deployment: Deployment) -> Finding:
    """Check the application-default credentials, with which Terraform and the canary work.

    Those of a person name no project by themselves, and several APIs then refuse them:
    https://docs.cloud.google.com/docs/authentication/troubleshoot-adc#user-creds-client-based
    """
    try:
        credentials, _ = google.auth.default()
        gcloud.query("auth application-default print-access-token")
    except (DefaultCredentialsError, gcloud.GcloudError) as error:
        return failed(str(error).splitlines()[0], "gcloud auth application-default login")
    if not isinstance(credentials, google.oauth2.credentials.Credentials):
        return ok("of a service account")
    fix = f"gcloud auth application-default set-quota-project {deployment.project}"
    if not credentials.quota_project_id:
        return failed("they name no quota project", fix)
    if credentials.quota_project_id != deployment.project:
        return warning(f"their quota project is {credentials.quota_project_id}", fix)
    return ok(f"with the quota project {deployment.project}")


def check_project(deployment: Deployment) -> Finding:
    """Check that the project exists, and has the number that the environment file names."""
    try:
        number = str(deployment.description["projectNumber"])
    except gcloud.GcloudError as error:
        fix = f"gcloud projects create {deployment.project}, or ask for access to it"
        return failed(str(error), fix)
    written = deployment.environment.settings["project_number"]
    if number != written:
        fix = f'Write project_number = "{number}" into {deployment.file}'
        return failed(f"its number is {number}, not {written}", fix)
    return ok(f"{deployment.project}, number {number}")


def check_billing(deployment: Deployment) -> Finding:
    """Check that a billing account pays for the project."""
    answer = json.loads(gcloud.query("billing projects describe", deployment.project, "--format=json"))
    if not answer.get("billingEnabled"):
        fix = f"gcloud billing projects link {deployment.project} --billing-account=YOUR-BILLING-ACCOUNT"
        return failed("no billing account is linked, or it is closed", fix)
    return ok(str(answer["billingAccountName"]))


def check_bootstrap(deployment: Deployment) -> Finding:
    """Check that the services are enabled and the buckets created with which everything else begins."""
    enabled = {service["config"]["name"] for service in deployment.read("services list", "--enabled")}
    buckets = (deployment.environment.state, deployment.environment.bundles)
    missing = sorted(set(SERVICES) - enabled)
    missing += [
        f"gs://{name}" for name in buckets if not gcloud.succeeds("storage buckets describe", f"gs://{name}")
    ]
    if missing:
        return failed(f"missing: {', '.join(missing)}", f"make bootstrap ENV={deployment.environment.name}")
    return ok("services are enabled, both buckets exist")


def check_quota(deployment: Deployment) -> Finding:
    """Check that the region's quotas of Cloud Run hold the instances that `vcpu_quota` allows.

    Google refuses a service whose instances could exceed them: "CpuAllocPerProjectRegion requested: 60000 allowed:
    20000" (https://github.com/googlecodelabs/feedback/issues/1856).
    """
    wanted = int(deployment.environment.settings.get("vcpu_quota", _DEFAULT_VCPU))
    sizes = json.loads((terraform.INFRA / "sizes.json").read_text())["functions"].values()
    vcpu = _granted(deployment, _VCPU) // 1000
    gib = _granted(deployment, _MEMORY) / 2**30
    wanted_gib = wanted * max(size["memory_mib"] / size["cpu"] for size in sizes) / 1024
    found = f"{vcpu} vCPU and {gib:.0f} GiB in {deployment.environment.region}, and vcpu_quota is {wanted}"
    if vcpu < wanted:
        ask = _request(deployment, _VCPU, wanted * 1000)
        return failed(found, f"Write vcpu_quota = {vcpu} into {deployment.file}, or ask for more: {ask}")
    if gib < wanted_gib:
        ask = _request(deployment, _MEMORY, round(wanted_gib * 2**30))
        return failed(found, f"Ask for the {wanted_gib:.0f} GiB that go with it: {ask}")
    return ok(found)


def _granted(deployment: Deployment, quota: str) -> int:
    """Return a quota's value in the region, in its own unit: thousandths of a processor, or bytes."""
    info = deployment.read(f"beta quotas info describe {quota}", "--service=run.googleapis.com")
    region = deployment.environment.region
    for each in info["dimensionsInfos"]:  # from more specific ones to less specific ones: the first is in force
        if region in each["applicableLocations"]:
            return int(each["details"]["value"])
    raise gcloud.GcloudError(f"{quota} has no value for {region}")


def _request(deployment: Deployment, quota: str, value: int) -> str:
    return (
        f"gcloud beta quotas preferences create --service=run.googleapis.com --quota-id={quota} "
        f"--preferred-value={value} --dimensions=region={deployment.environment.region} "
        f"--project={deployment.project} --email=YOUR-ADDRESS --justification='a public petition'"
    )


def check_secrets(deployment: Deployment) -> Finding:
    """Check that each secret has the version that the next deployment names, and that it is enabled."""
    fix = f"make secrets ENV={deployment.environment.name}"
    if not deployment.environment.keys.is_file():
        return failed(f"there is no {deployment.environment.keys.name}", fix)
    versions = json.loads(deployment.environment.keys.read_text())["secret_versions"]
    missing = sorted(expected_secrets(deployment.environment) - versions.keys())
    with ThreadPoolExecutor() as pool:
        states = pool.map(lambda name: _state(deployment, name, versions[name]), versions)
    faults = [f"{name} is missing" for name in missing] + [fault for fault in states if fault]
    return failed("\n".join(faults), fix) if faults else ok(f"{len(versions)} secrets, all enabled")


def expected_secrets(environment: gcloud.Environment) -> set[str]:
    """Return the names of the secrets that infra/secrets.tf declares."""
    passwords = {f"smtp-password-{name}" for name in environment.settings["relays"]}
    if "bounces" in environment.settings:
        passwords.add("bounces-password")
    return {"deliver-identities", "pepper", "token-keys"} | passwords


def _state(deployment: Deployment, name: str, version: str) -> str | None:
    """Return what is wrong with a version; None if nothing is."""
    try:
        state = deployment.read(f"secrets versions describe {version}", f"--secret={name}")["state"]
    except gcloud.GcloudError as error:
        return f"{name}, version {version}: {error}"
    return None if state == "ENABLED" else f"{name}, version {version}, is {state.lower()}"
