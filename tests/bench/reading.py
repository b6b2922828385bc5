"""The cost of reading: the counter, a hosted page, the redirect to it in a language, the widget and its texts."""

from tempfile import TemporaryDirectory

import httpx

from tests.bench import load
from tests.bench.figures import Figures
from tests.bench.served import Served, serving
from tests.bench.settings import BASE
from tests.support.deployment import CAMPAIGN, COUNT

_CONNECTIONS = 64
_OF_EMBED = {
    "page": f"/c/{CAMPAIGN}?lang=en",
    "redirect": f"/c/{CAMPAIGN}",
    "widget": "/embed/v1.js",
    "form": f"/v1/campaigns/{CAMPAIGN}/form?lang=en&embed=1",
}


def measure(figures: Figures, rounds: int, seconds: float) -> None:
    """Load each in turn, and compare it with an empty handler."""
    with TemporaryDirectory() as folder:
        counting = {**BASE, "STORE": "sqlite", "LOCAL_FOLDER": folder}
        with (
            serving("empty", {}) as empty,
            serving("count", counting) as count,
            serving("embed", BASE) as embed,
        ):
            targets = [("empty", empty, "/"), ("count/warm", count, COUNT)]
            targets += [(name, embed, path) for name, path in _OF_EMBED.items()]
            for _, served, path in targets:
                warm = httpx.get(served.url + path, trust_env=False, timeout=60, follow_redirects=True)
                warm.raise_for_status()
            for round_ in range(rounds + 1):
                _compare(figures if round_ else Figures(), targets, seconds)


def _compare(figures: Figures, targets: list[tuple[str, Served, str]], seconds: float) -> None:
    least = 0.0
    for name, served, path in targets:
        before = served.cpu_ms
        done = load.get(served.url + path, _CONNECTIONS, seconds)
        least = least or done.per_second
        figures.add(f"{name}/per_second", done.per_second, "requests/s")
        figures.add(f"{name}/cpu_ms", (served.cpu_ms - before) / done.requests, "ms")
        if served is not targets[0][1]:
            figures.add(f"{name}/rate_to_empty", done.per_second / least, "×")
