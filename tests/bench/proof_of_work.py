"""How long proof of work takes a browser, a program, and sign: `.venv/bin/python -m tests.bench.proof_of_work`.

All of Chromium has one core. Six times as long stands for a phone of 2017, as in Chrome's developer tools
("low-tier mobile"); their throttling itself slows down only a page's own thread, and this work is done in others. A
phone has several cores, and the browser uses them.
"""

import asyncio
import os
import shutil
import time
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
  const begun = performance.now();
  await solve({ campaign, work }, email);
  return performance.now() - begun;
}"""


async def _in_browser() -> list[float]:
    """Return the milliseconds that each address takes."""
    async with async_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = await browser.new_page()
        await _serve_script(page)
        work = challenge(utc_now()).model_dump()
        emails = [f"ann{number}@example.org" for number in range(_ADDRESSES)]
        return [await page.evaluate(_SOLVE, [CAMPAIGN, work, email]) for email in emails]


async def _serve_script(page: Page) -> None:
    script = ROOT / "functions" / "embed" / "static" / "v1.js"
    await page.route(f"{_ORIGIN}/v1.js", lambda route: route.fulfill(path=script, content_type="text/javascript"))
    await page.route(f"{_ORIGIN}/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    await page.goto(f"{_ORIGIN}/")


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    taken = asyncio.run(_in_browser())
    half, most = median(taken), quantiles(taken, n=20)[-1]
    begun, now = time.process_time(), utc_now()
    works = {f"bob{number}@example.org": solved(f"bob{number}@example.org", now) for number in range(_ADDRESSES)}
    searched, begun = time.process_time() - begun, time.process_time()
    assert all(is_solved(CAMPAIGN, work["day"], email, work["nonces"], now) for email, work in works.items())
    checked = time.process_time() - begun
    print(f"browser, one core: median {half:.0f} ms, 19 of 20 within {most:.0f} ms")
    print(f"browser, phone of 2017: median {half * _PHONE:.0f} ms, 19 of 20 within {most * _PHONE:.0f} ms")
    print(f"program, one core: {1000 * searched / _ADDRESSES:.0f} ms of CPU time")
    print(f"sign's check: {1000 * checked / _ADDRESSES:.2f} ms of CPU time")


if __name__ == "__main__":
    main()
