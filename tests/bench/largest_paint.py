"""When a phone on 3G has painted most of the petition: `.venv/bin/python -m tests.bench.largest_paint`.

The network is slowed down as Chrome's developer tools do for "Fast 3G", the processor as they do for a phone of
the middle class. The largest contentful paint (https://web.dev/articles/lcp) may be of text, so the time at which
the picture is there is measured, too. The browser has nothing of ours. The server runs on the same machine:
name resolution and TLS are not in it.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from statistics import median

from playwright.async_api import Browser, async_playwright

from tests.support.deployment import CAMPAIGN
from tests.support.servers import server

_LANGUAGES = ("de", "el", "en")
_TIMES = 9
#: https://chromium.googlesource.com/devtools/devtools-frontend, front_end/core/sdk/NetworkManager.ts.
_FAST_3G = {"latency": 562.5, "downloadThroughput": 180_000, "uploadThroughput": 84_375, "offline": False}
_PHONE = 4
_TIMINGS = """new Promise((resolve) => new PerformanceObserver((list) => {
  const picture = performance.getEntriesByName(document.querySelector(".picture").currentSrc)[0];
  resolve([list.getEntries().at(-1).startTime, picture.responseEnd]);
}).observe({ type: "largest-contentful-paint", buffered: true }))"""


async def _timings(browser: Browser, url: str) -> tuple[float, float]:
    """Return the milliseconds until the largest paint, and until the picture is there."""
    context = await browser.new_context(viewport={"width": 360, "height": 740}, device_scale_factor=2)
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", _FAST_3G)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": _PHONE})
    await page.goto(url, wait_until="networkidle")
    painted, loaded = await page.evaluate(_TIMINGS)
    await context.close()
    return painted, loaded


async def _measure(url: str) -> None:
    async with async_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for language in _LANGUAGES:
            address = f"{url}/c/{CAMPAIGN}?lang={language}"
            await _timings(browser, address)  # makes the picture's sizes
            taken = [await _timings(browser, address) for _ in range(_TIMES)]
            painted, loaded = (median(each) for each in zip(*taken, strict=True))
            print(f"{language}: largest paint {painted:.0f} ms, picture {loaded:.0f} ms (medians of {_TIMES})")
        await browser.close()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        asyncio.run(_measure(running.url))


if __name__ == "__main__":
    main()
