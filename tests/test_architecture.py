"""The shape of the code: imports go one way, vendors stay behind adapters, one module reads the environment."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.web.routes import FUNCTIONS
from tests.infra.test_build import environment_of
from tests.support.deployment import REPOSITORY

ADAPTERS = {
    "desk.store.cloud_tasks_list",
    "desk.store.firestore",
    "desk.store.firestore_import",
    "desk.store.firestore_tasks",
    "desk.store.server_copy",
    "desk.store.server_files",
    "desk.store.sqlite",
    "desk.store.sqlite_dead_letters",
    "shared.campaigns.overlay_reader",
    "shared.databases.firestore",
    "shared.mail.outbox",
    "shared.mail.smtp",
    "shared.queue.cloud_tasks",
    "shared.queue.local",
    "shared.queue.local_dispatcher",
    "shared.queue.spool",
    "shared.queue.sweep",
    "shared.databases.sqlite",
    "shared.store.firestore",
    "shared.store.firestore_removals",
    "shared.store.firestore_totals",
    "shared.store.sqlite",
    "shared.web.callers",
}
#: What only adapters may import; a vendor's other packages are imported through these.
VENDORS = ("google", "grpc", "aiosmtplib", "smtplib", "sqlite3", "httpx", "requests", "urllib.request")
#: The modules that wire adapters.
WIRING = {"shared.runtime", "desk.runtime", "functions.server", "functions.devserver"}
HAZARDOUS = {"shared.crypto.digest", "shared.crypto.sealing", "shared.crypto.tokens", "desk.keys.identities"}
#: What runs all functions on one machine.
SERVERS = {"functions.server", "functions.new_secrets", "functions.devserver"}


def _modules() -> dict[str, Path]:
    """Return the files of all modules by dotted name: the deployed ones, the servers' and the desk's."""
    files = [file for folder in ("shared", "functions", "desk") for file in REPOSITORY.glob(f"{folder}/**/*.py")]
    return {
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


MODULES = _modules()


def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _imports(module: str) -> Iterator[str]:
    """Yield every module that `module` imports, at any depth; `from a import b` is both `a` and `a.b`."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide what they import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _opens_text(call: ast.Call) -> bool:
    """Return whether a call opens a file as text, in a mode that it names."""
    modes = {given.value for given in call.args if isinstance(given, ast.Constant)}
    return ast.unparse(call.func).endswith("open") and not modes.isdisjoint({"r", "w", "x", "a"})


def _loaded(module: str) -> set[str]:
    return {imported for imported in _imports(module) if imported in MODULES}


def test_the_adapters_exist_under_their_names() -> None:
    """A renamed module must be renamed here, too, or it would no longer be checked."""
    assert set(MODULES) > ADAPTERS
    assert {"functions.sign.main", "functions.deliver.main", *SERVERS} < set(MODULES)
    assert "shared.runtime" in _loaded("functions.sign.main")
    assert "shared.store.firestore" in _loaded("shared.runtime")


@pytest.mark.parametrize("module", sorted(MODULES))
class TestModule:
    def test_imports_go_one_way(self, module: str) -> None:
        """functions → shared ← desk, and no function imports another: each deploys, scales and fails alone."""
        if module not in SERVERS:
            assert [imported for imported in _imports(module) if _is_in(imported, "functions")] == []
        if not _is_in(module, "desk"):
            assert [imported for imported in _imports(module) if _is_in(imported, "desk")] == []

    def test_imports_no_adapter_unless_it_wires_them(self, module: str) -> None:
        """Handlers use protocols; only adapters may import other adapters."""
        if module not in ADAPTERS | WIRING:
            assert [imported for imported in _imports(module) if _is_in(imported, *ADAPTERS)] == []

    def test_imports_no_vendor_unless_it_is_an_adapter(self, module: str) -> None:
        """To support another database or relay, one adapter is added and nothing else changes."""
        if module not in ADAPTERS | SERVERS:
            assert [imported for imported in _imports(module) if _is_in(imported, *VENDORS)] == []

    def test_imports_no_test(self, module: str) -> None:
        """Tests are not deployed, so the product must not depend on them."""
        assert [
            imported for imported in _imports(module) if _is_in(imported, "tests", "pytest", "hypothesis")
        ] == []

    def test_reads_no_environment_unless_it_is_the_settings(self, module: str) -> None:
        """One module reads the environment, and reports all errors in it at once."""
        names = {"environ", "environb", "getenv", "getenvb", "putenv"}
        read = [
            ast.unparse(node)
            for node in ast.walk(_tree(module))
            if (isinstance(node, ast.Attribute) and node.attr in names)
            or (isinstance(node, ast.ImportFrom) and node.module == "os")
        ]
        if module not in {"shared.settings", "desk.settings"} | SERVERS:
            assert read == []

    def test_writes_to_nothing_but_the_log(self, module: str) -> None:
        """The log has an allow-list of fields; print and logging have none. The desk prints through one module."""
        named = {node.id for node in ast.walk(_tree(module)) if isinstance(node, ast.Name)}
        attributes = {node.attr for node in ast.walk(_tree(module)) if isinstance(node, ast.Attribute)}
        if module not in {"shared.log", "desk.terminal.output"} | SERVERS:
            assert named & {"print", "breakpoint"} == set()
            assert attributes & {"stdout", "stderr", "print_exc"} == set()
            assert [imported for imported in _imports(module) if _is_in(imported, "logging", "warnings")] == []

    def test_names_the_encoding_of_text(self, module: str) -> None:
        """Windows would take another one, by which a file from elsewhere reads wrong."""
        calls = [
            node
            for node in ast.walk(_tree(module))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and (node.func.attr in {"read_text", "write_text"} or _opens_text(node))
        ]

        assert [
            ast.unparse(call) for call in calls if "encoding" not in {keyword.arg for keyword in call.keywords}
        ] == []

    def test_has_no_circular_import(self, module: str) -> None:
        """No module imports itself through others."""
        below, reached = _loaded(module), set[str]()
        while below:
            reached |= below
            below = {further for each in below for further in _loaded(each)} - reached

        assert module not in reached


@pytest.mark.parametrize("folder", ["shared", "desk"])
def test_a_folder_has_at_most_eight_modules(folder: str) -> None:
    """A newcomer can survey it; modules that belong together are in a package."""
    modules = [file.stem for file in (REPOSITORY / folder).glob("*.py") if file.stem != "__init__"]

    assert len(modules) <= 8, modules


def test_no_two_classes_of_the_product_share_a_name() -> None:
    """A search for a public class finds one."""
    found = Counter(
        node.name for module in MODULES for node in _tree(module).body if isinstance(node, ast.ClassDef)
    )

    assert [name for name, times in found.items() if times > 1 and not name.startswith("_")] == []


@pytest.mark.parametrize("hazardous", ["pyrage", "itsdangerous", "hmac", "cryptography"])
def test_hazardous_primitives_are_used_only_in_the_modules_for_them(hazardous: str) -> None:
    """Those modules document what must never be done with them."""
    users = {module for module in MODULES if any(_is_in(imported, hazardous) for imported in _imports(module))}

    assert users - SERVERS <= HAZARDOUS


@pytest.mark.parametrize("function", ["sign", "embed", "count"])
def test_a_function_without_secrets_does_not_import_tokens(function: str) -> None:
    """Its bundle has no packages for them; runtime.py, which it shares, imports them inside functions."""
    below, reached = {f"functions.{function}.main"}, set[str]()
    while below:
        reached |= below
        below = {further for each in below for further in _loaded(each)} - reached - {"shared.runtime"}

    assert "shared.web.app" in reached
    assert "shared.crypto.tokens" not in reached


def test_the_list_of_functions_is_complete() -> None:
    """It names every folder with a function, since tests and deployment rely on it."""
    assert sorted(FUNCTIONS) == sorted(file.parent.name for file in REPOSITORY.glob("functions/*/main.py"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_finishes_its_start_up_at_the_end(function: str) -> None:
    """Everything is created by then: only the handler's definition follows."""
    statements = [ast.unparse(node) for node in _tree(f"functions.{function}.main").body]

    assert statements.index("runtime.finish_startup()") == len(statements) - 2


def _loaded_at_start(function: str, **environment: str) -> set[str]:
    """Return the modules that a function has imported at start-up, each of which delays its first answer."""
    code = f"import functions.{function}.main, sys; print(*sys.modules)"
    settings = {**environment_of(function, Path("var")), **environment}

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=settings)

    return set(run.stdout.split())


@pytest.mark.parametrize("function", ["sign", "embed"])
def test_a_function_without_a_database_imports_no_code_for_one(function: str) -> None:
    """Not even the store's protocol and entities are imported."""
    loaded = _loaded_at_start(function)

    assert not {"shared.store", "shared.stats.funnel", "shared.stats.count", "shared.web.openapi"} & loaded


CLOUD_TASKS = {
    "TASKS": "cloud_tasks",
    "TASKS_QUEUES": "projects/p/locations/europe-west1/queues",
    "DELIVER_URL": "https://deliver.example.org/v1/tasks/deliver",
    "DELIVER_AUDIENCE": "https://deliver.example.org",
    "TASKS_SERVICE_ACCOUNT": "queue@p.iam.gserviceaccount.com",
}
FIRESTORE = {"STORE": "firestore", "FIRESTORE_PROJECT": "p"}


@pytest.mark.parametrize(
    ("function", "environment", "used", "unused"),
    [
        (
            "sign",
            CLOUD_TASKS | {"SPOOL_PROJECT": "p", "SPOOL_DATABASE": "spool"},
            {"google.cloud.tasks_v2"},
            {"google.cloud.firestore"},
        ),
        ("count", FIRESTORE, {"google.cloud.firestore"}, {"google.cloud.tasks_v2"}),
        ("embed", {}, set[str](), {"google.api_core", "google.auth", "grpc"}),
    ],
    ids=["sign", "count", "embed"],
)
def test_a_function_imports_no_client_that_it_does_not_call(
    function: str, environment: dict[str, str], used: set[str], unused: set[str]
) -> None:
    """Each of Google's clients adds half a second to a cold start; the spool's is imported if the queue fails."""
    loaded = _loaded_at_start(function, **environment)

    assert used <= loaded
    assert not unused & loaded
