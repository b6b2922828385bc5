"""The cost of sign, compared with an empty handler and with the framework's synchronous default."""

from tests.bench import load
from tests.bench.figures import Figures
from tests.bench.served import Served, serving
from tests.bench.settings import BASE, part, queue
from tests.support.deployment import SIGNATURES

CONNECTIONS = (1, 16, 64, 256)
COMPARED = 64


def measure(figures: Figures, rounds: int, seconds: float) -> None:
    """Load all of them in every round, so that ratios compare figures measured right after each other."""
    with part("tasks_server") as tasks:
        signing = {**BASE, **queue(tasks)}
        with (
            serving("empty", {}) as empty,
            serving("sign", signing) as sign,
            serving("empty_sync", {}, is_async=False) as empty_sync,
            serving("sign_sync", signing, is_async=False) as sign_sync,
        ):
            for round_ in range(rounds + 1):
                # The first round warms up.
                kept = figures if round_ else Figures()
                for connections in CONNECTIONS:
                    _compare(kept, empty, sign, connections, seconds)
                _compare_with_sync(kept, empty_sync, sign_sync, seconds)


def _compare(figures: Figures, empty: Served, sign: Served, connections: int, seconds: float) -> None:
    least = _run(figures, "empty", empty, connections, seconds)
    most = _run(figures, "sign", sign, connections, seconds)
    figures.add(f"sign/{connections}/rate_to_empty", most[0] / least[0], "×")
    figures.add(f"sign/{connections}/cpu_to_empty", most[1] / least[1], "×")


def _compare_with_sync(figures: Figures, empty: Served, sign: Served, seconds: float) -> None:
    for name, served in (("empty", empty), ("sign", sign)):
        per_second, _ = _run(figures, f"{name}_sync", served, COMPARED, seconds)
        ours = figures.last(f"{name}/{COMPARED}/per_second")
        figures.add(f"{name}/{COMPARED}/rate_to_sync", ours / per_second, "×")


def _run(figures: Figures, name: str, served: Served, connections: int, seconds: float) -> tuple[float, float]:
    """Load a function, and return requests a second and CPU milliseconds a request."""
    before = served.cpu_ms
    if name.startswith("empty"):
        done = load.get(served.url + "/", connections, seconds)
    else:
        done = load.sign(served.url + SIGNATURES, connections, seconds)
    cpu_ms = (served.cpu_ms - before) / done.requests
    figures.add(f"{name}/{connections}/per_second", done.per_second, "requests/s")
    figures.add(f"{name}/{connections}/cpu_ms", cpu_ms, "ms")
    figures.add(f"{name}/{connections}/p99_ms", done.p99, "ms")
    return done.per_second, cpu_ms
