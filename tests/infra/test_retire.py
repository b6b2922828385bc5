"""When petitions are over: what is refused, what is copied, what remains, and what is removed."""

import asyncio
import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk.store.maintenance import Difference
from desk.store.sqlite import SqliteMaintenance
from infra.deploy import gcloud, last_answers, retire, terraform
from shared.campaigns.loader import load_all
from shared.clock import utc_now
from shared.web.routes import PATHS, ConfirmPath, DeliverPath, EmbedPath, SignPath
from tests.infra.last_answers import Objects, answer, leads_to_bucket
from tests.support import gcloud as stand_in
from tests.support.deployment import REPOSITORY
from tests.support.gcloud import Cloud
from tests.support.missing import missing
from tests.support.servers import server

TOTAL = 4321
EXAMPLE = (REPOSITORY / "tests/shared/campaigns/example.toml").read_text(encoding="utf-8")
OVER = EXAMPLE.replace("opens = 2026-11-01", "opens = 2025-01-01").replace(
    "closes = 2027-10-31", "closes = 2025-03-31"
)
SETTINGS = {"project": "swifts", "project_number": "100000000001", "domain": "petition.swifts.eu"}
BACKUP = "projects/swifts/locations/eur3/backups/1"


def test_no_public_path_is_forgotten() -> None:
    """A new one is either copied, or listed here with those that nothing can answer without the functions."""
    copied = {*last_answers.PAGES, *last_answers.FRAMES, *last_answers.DATA, *last_answers.ONCE}
    copied |= {last_answers.PICTURE, last_answers.IMAGES, last_answers.REPLACED}

    gone = {*SignPath, *DeliverPath, *ConfirmPath, EmbedPath.OEMBED, EmbedPath.SHEET, EmbedPath.QR}
    assert copied | gone == {path for paths in PATHS.values() for path in paths}


@pytest.fixture(scope="module")
def infra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """infra/ as it was applied, and infra/retired/ before it is, with their states on this machine."""
    folder = tmp_path_factory.mktemp("tree") / "infra"
    shutil.copytree(terraform.INFRA, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    for root in (folder, folder / "retired"):
        (root / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        try:
            terraform.run(root, "init")
        except (FileNotFoundError, subprocess.CalledProcessError) as failed:
            missing(f"terraform, or its providers ({failed})")
    environment(folder)
    release = {"bundles": terraform.NO_BUNDLES, "bundles_bucket": "swifts-bundles"}
    (folder / "release.json").write_text(json.dumps(release))
    files = [f"-var-file={file}" for file in (*environment(folder).files, "release.json")]
    terraform.run(folder, "apply", "-auto-approve", *files)
    return folder


def environment(infra: Path) -> gcloud.Environment:
    """A production of our own."""
    folder = infra / "environments"
    text = (folder / "production.tfvars").read_text()
    text = text.replace("your-undersign-production", "swifts").replace("petition.example.org", SETTINGS["domain"])
    (folder / "production.tfvars").write_text(text)
    keys = {name: terraform.NO_RELEASE[name] for name in ("deliver_recipient", "secret_versions")}
    (folder / "production.keys.tfvars.json").write_text(json.dumps(keys))
    return gcloud.Environment("production", SETTINGS, folder)


def test_everything_between_the_dns_and_the_functions_is_taken_over_as_it_is(infra: Path) -> None:
    """By the ids under which the deployment has made it, so that neither address nor certificate changes."""
    deployed = terraform.in_state(infra)
    shutil.copy(infra / "retired" / "tests" / "retired.auto.tfvars", infra / "retired" / "given.tfvars")
    own = (f"-var={name}={SETTINGS[name]}" for name in ("project", "domain"))
    terraform.run(infra / "retired", "plan", "-out=it.plan", "-var-file=given.tfvars", *own)
    plan = json.loads(terraform.run(infra / "retired", "show", "-json", "it.plan"))

    imported = {
        each["address"]: each["change"]["importing"]["id"]
        for each in plan["resource_changes"]
        if "importing" in each["change"]
    }

    assert imported == {address: deployed[address] for address in imported}
    configured = [
        each["address"]
        for each in plan["configuration"]["root_module"]["resources"]
        if any(address.split("[")[0] == each["address"] for address in deployed)
    ]
    assert {address.split("[")[0] for address in imported} == {*configured} - {"google_project_service.this"}


@dataclass
class Stage:
    """A deployment whose petition is over, and who runs `make retire` there. `answers`: what they enter."""

    infra: Path
    environment: gcloud.Environment
    cloud: Path
    functions: str
    store: SqliteMaintenance
    objects: Objects = field(default_factory=Objects)
    states: dict[int, dict[str, Any]] = field(default_factory=dict)
    answers: list[str] = field(default_factory=lambda: ["yes", "yes", "swifts"])

    def run(self) -> None:
        """Run it once."""
        with httpx.Client(
            base_url="https://petition.swifts.eu", transport=httpx.MockTransport(self.get)
        ) as public:
            authorized = {"Authorization": "Bearer ya29.token"}
            storage = httpx.Client(base_url=last_answers.STORAGE, headers=authorized, transport=self.objects)
            retire.retire(self.environment, public, storage)

    def get(self, request: httpx.Request) -> httpx.Response:
        """Answer as the public gets it."""
        if self.is_over:
            return answer(self._retired(), self.objects.objects, request)
        url = f"{self.functions}{request.url.raw_path.decode()}"
        functions = httpx.get(url, headers={"Accept": request.headers["accept"]}, trust_env=False)
        kept = {name: value for name, value in functions.headers.items() if name != "content-encoding"}
        return httpx.Response(functions.status_code, headers=kept, content=functions.content)

    @property
    def is_over(self) -> bool:
        """Whether the public address leads to the bucket."""
        return leads_to_bucket(self._retired())

    def _retired(self) -> dict[str, Any]:
        """The state of infra/retired, read again only once it has changed."""
        file = terraform.RETIRED / "terraform.tfstate"
        version = file.stat().st_mtime_ns if file.exists() else 0
        if version not in self.states:
            self.states[version] = json.loads(terraform.run(terraform.RETIRED, "show", "-json"))
        return self.states[version]

    def purge(self) -> None:
        """Note that nothing is stored of any signer any more."""

        async def purge() -> None:
            await self.store.change_overlay("swifts", lambda known: known.model_copy(update={"purged": utc_now()}))

        asyncio.run(purge())

    def deployed(self) -> set[str]:
        """The addresses that the deployment's state holds."""
        return set(terraform.in_state(self.infra))


@pytest.fixture
def stage(infra: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A deployment with one petition, closed since March 2025, which is not purged yet."""
    own = tmp_path / "infra"
    shutil.copytree(infra, own, symlinks=True)
    # The provider of these tests knows nothing of what it would take over.
    (own / "retired" / "imports.tf").unlink()
    monkeypatch.setattr(terraform, "INFRA", own)
    monkeypatch.setattr(terraform, "RETIRED", own / "retired")
    monkeypatch.setattr(terraform, "init", lambda *_: None)
    monkeypatch.setattr(retire, "_ATTEMPTS", 1)
    monkeypatch.setattr(retire, "use_deployment", lambda _: None)
    files = tmp_path / "campaigns"
    files.mkdir()
    (files / "swifts.toml").write_text(OVER)
    var = tmp_path / "var"
    cloud = Cloud(
        account="ann@swifts.example",
        buckets=["swifts-bundles", "swifts-terraform", "gcf-v2-sources-100000000001-europe-west1"],
        backups={BACKUP: "projects/swifts/databases/(default)", "other/2": "projects/swifts/databases/theirs"},
        databases=["theirs"],
        repositories=["gcf-artifacts"],
    )
    stand_in.install(tmp_path / "cloud", monkeypatch, cloud)
    with server(var, CAMPAIGNS_FOLDER=str(files)) as running:
        for name, value in {"STORE": "sqlite", "LOCAL_FOLDER": str(var), "CAMPAIGNS_FOLDER": str(files)}.items():
            monkeypatch.setenv(name, value)
        store = SqliteMaintenance(var / "store.db")
        counted = [Difference("total", "", TOTAL, 0), Difference("country", "DE", TOTAL, 0)]
        asyncio.run(store.repair("swifts", counted))
        made = Stage(own, environment(own), tmp_path / "cloud", running.url, store)
        monkeypatch.setattr("builtins.input", lambda _: made.answers.pop(0))
        yield made
        store.close()


def test_is_refused_while_signers_data_is_there(stage: Stage) -> None:
    """It says what to do, and changes nothing."""
    before = stage.deployed()

    with pytest.raises(SystemExit, match="undersign --environment production purge swifts"):
        stage.run()

    assert stage.deployed() == before
    assert not stage.objects.objects


def has_its_style(page: httpx.Response) -> bool:
    """Return whether a browser would apply the style that is in the page."""
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"'sha256-{digest}'" in page.headers["content-security-policy"]


def test_leaves_the_last_count_and_the_pages_at_the_same_address(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every language; links in mails lead to a page that says that it is over. All else is removed."""
    stage.purge()

    stage.run()

    def get(address: str) -> httpx.Response:
        request = httpx.Request("GET", f"https://petition.swifts.eu{address}", headers={"Accept": "text/html"})
        return stage.get(request)

    count = get("/v1/campaigns/swifts/count")
    assert count.json()["total"] == TOTAL
    assert count.headers["access-control-allow-origin"] == "*"
    assert get("/v1/campaigns/swifts/form?lang=en&embed=1").json()["closed_reason"] == "campaign_closed"
    page = get("/c/swifts?lang=en&source=newsletter")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors *" in get("/c/swifts?lang=en&embed=1").headers["content-security-policy"]
    for address in (
        "/c/swifts?lang=en",
        "/c/swifts/privacy",
        "/c/swifts/progress",
        "/c/swifts/links",
        "/c/swifts/stream",
    ):
        assert has_its_style(get(address)), address
    assert get("/c/swifts?lang=xx").text == get("/c/swifts").text
    assert get("/c/nothing").status_code == 404
    assert get("/embed/v1.js").headers["content-type"].startswith("text/javascript")
    link = get("/v1/confirm/swifts~abc.def")
    assert (link.status_code, link.headers["location"]) == (303, "/c/swifts/links")
    assert "This petition has ended" in get("/c/swifts/links").text

    assert stage.deployed() == set()
    cloud = Cloud.load(stage.cloud)
    assert cloud.buckets == ["swifts-terraform"]
    assert (list(cloud.backups), cloud.repositories) == (["other/2"], [])
    printed = capsys.readouterr().out
    assert f"swifts: {TOTAL:,}" in printed
    assert "or that a restore has left: theirs" in printed


def test_the_policy_of_all_pages_lets_in_the_style_of_each() -> None:
    """Each campaign may have a colour of its own, and so a style of its own on every page."""
    campaigns = {name: load_all()["reclaim-your-face"].model_copy(update={"id": name}) for name in ("a", "b")}
    answers = {
        last_answers.Place(f"c/{page}", ""): last_answers.Answer(
            b"", "", f"default-src 'none'; style-src {style}; x y"
        )
        for page, style in (("a", "'sha256-1='"), ("a/privacy", "'sha256-2='"), ("b", "'sha256-3='"))
    }

    policy = last_answers.page_policy(campaigns, answers)

    assert policy == "default-src 'none'; style-src 'sha256-1=' 'sha256-2=' 'sha256-3='; x y"


def test_goes_on_where_it_was_broken_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here before the last question, amid the removal, and after it."""
    stage.purge()
    stage.answers = ["yes", "yes", "no"]
    with pytest.raises(SystemExit, match="run the same again to go on"):
        stage.run()
    assert 'google_firestore_database.main["(default)"]' in stage.deployed()
    assert "google_compute_url_map.https" not in stage.deployed()

    run = terraform.run

    def break_off(folder: Path, command: str, *arguments: str, **options: Any) -> str:
        if command == "apply":
            raise subprocess.CalledProcessError(1, "terraform")
        return run(folder, command, *arguments, **options)

    stage.answers = ["swifts"]
    with monkeypatch.context() as patched:
        patched.setattr(terraform, "run", break_off)
        with pytest.raises(subprocess.CalledProcessError):
            stage.run()

    stage.answers = ["swifts"]
    stage.run()
    stage.run()

    assert stage.deployed() == set()
    assert stage.answers == []


def test_waits_until_no_cache_shows_an_older_count(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or that would be the last one for good."""
    stage.purge()
    get = stage.get

    def older(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/campaigns/swifts/count":
            return httpx.Response(200, json={"total": TOTAL - 1})
        return get(request)

    monkeypatch.setattr(stage, "get", older)

    with pytest.raises(SystemExit, match=f"a cache still shows {TOTAL - 1:,}"):
        stage.run()

    assert not stage.objects.objects


def test_nothing_is_removed_while_the_public_gets_something_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions are there until every copy is answered."""
    stage.purge()
    before = stage.deployed()
    get = stage.get

    def without_scripts(request: httpx.Request) -> httpx.Response:
        found = get(request)
        is_script = request.url.path.startswith("/embed/")
        return httpx.Response(502) if is_script and stage.is_over else found

    monkeypatch.setattr(stage, "get", without_scripts)

    with pytest.raises(
        SystemExit, match="Nothing was removed: 3 addresses do not answer as they did, among them /emb"
    ):
        stage.run()

    assert stage.deployed() == before
