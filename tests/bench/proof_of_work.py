"""How long proof of work takes a browser, a program, and sign: `.venv/bin/python -m tests.bench.proof_of_work`.

All are CPU times, which other programs do not change much. Six times as long stands for a phone of 2017, as in
Chrome's developer tools ("low-tier mobile"), whose own throttling slows down only a page's thread, where this work
is not done. A phone has several cores, and the browser uses them: signers wait for less than that.
"""

import asyncio
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles

from playwright.async_api import Page, async_playwright

from infra.deploy.build import ROOT
from shared.clock import utc_now
from shared.crypto.proof_of_work import challenge, is_solved
from tests.support.deployment import CAMPAIGN
from tests.support.work import solved

_ADDRESSES = 100
_PHONE = 6
_ORIGIN = "http://localhost:8080"
_SOLVE = """async ([campaign, work, email]) => {
  const { solve } = await import("/v1.js");
  await solve({ campaign, work }, email);
}"""


async def _in_browser() -> list[float]:
    """Return the milliseconds of CPU time that each address takes."""
    async with async_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = await browser.new_page()
        await _serve_script(page)
        return [await _solve(page, f"ann{number}@example.org") for number in range(-3, _ADDRESSES)][3:]


async def _serve_script(page: Page) -> None:
    script = ROOT / "functions" / "embed" / "static" / "v1.js"
    await page.route(f"{_ORIGIN}/v1.js", lambda route: route.fulfill(path=script, content_type="text/javascript"))
    await page.route(f"{_ORIGIN}/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    await page.goto(f"{_ORIGIN}/")


async def _solve(page: Page, email: str) -> float:
    before = _milliseconds_of_descendants()
    await page.evaluate(_SOLVE, [CAMPAIGN, challenge(utc_now()).model_dump(), email])
    return _milliseconds_of_descendants() - before


def _milliseconds_of_descendants() -> float:
    """Return the CPU time of all processes below this one (proc_pid_stat(5))."""
    parents, ticks = dict[int, int](), dict[int, int]()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            fields = file.read_text().rpartition(")")[2].split()
            pid = int(file.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_below(pid: int) -> bool:
        parent = parents.get(pid)
        return parent is not None and (parent == os.getpid() or is_below(parent))

    return 1000 / os.sysconf("SC_CLK_TCK") * sum(used for pid, used in ticks.items() if is_below(pid))


def main() -> None:
    """Measure and print."""
    taken = asyncio.run(_in_browser())
    half, most = median(taken), quantiles(taken, n=20)[-1]
    emails, now = [f"bob{number}@example.org" for number in range(_ADDRESSES)], utc_now()
    begun = time.process_time()
    works = {email: solved(email, now) for email in emails}
    searched, begun = time.process_time() - begun, time.process_time()
    assert all(is_solved(CAMPAIGN, work["day"], email, work["nonces"], now) for email, work in works.items())
    checked = time.process_time() - begun
    print(f"browser: median {half:.0f} ms, 19 of 20 within {most:.0f} ms")
    print(f"phone of 2017, one core: median {half * _PHONE:.0f} ms, 19 of 20 within {most * _PHONE:.0f} ms")
    print(f"program: {1000 * searched / _ADDRESSES:.0f} ms")
    print(f"sign's check: {1000 * checked / _ADDRESSES:.2f} ms")


if __name__ == "__main__":
    main()
