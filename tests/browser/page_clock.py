"""The clock of a page, which moves only when a test moves it.

Playwright's clock (https://playwright.dev/python/docs/clock) replaces the page's timers, but not the network.
Tests that move it by hand are flaky for two reasons, both of which are avoided here:

- An installed clock keeps running by itself. Which timers have fired, and whether a time to pause at has passed
  already, then depends on how busy the machine is. So `stop_clock` pauses it before any page is opened.
- Servers answer in real time. If a page's clock is moved by more than the page's own timeout (20 s in the widget)
  in one step, the page aborts the requests of that step before any server can answer. And when an answer has
  reached the browser, the page's code may not have handled it yet, and may set its next timer only then. So
  `move_clock` moves in short steps, and waits after each until the page has handled every answer.
"""

from playwright.async_api import Page

from tests.support.polling import until_async

_STEP_SECONDS = 5  # below every timeout of the widget
#: Far from the start of the clock, so that no machine is too slow to pause before it.
_PAUSED_AT_MILLISECONDS = 1_000_000_000

#: Counts the calls of fetch, and of its answers' json, that are under way. The code that awaits one of them runs
#: before anything that Playwright evaluates: at 0 it has handled the last answer and set its timers.
_COUNT_UNANSWERED = """
window.unanswered = 0;
for (const [owner, name] of [[window, "fetch"], [Response.prototype, "json"]]) {
  const real = owner[name];
  owner[name] = function (...given) {
    window.unanswered++;
    return real.apply(this, given).finally(() => window.unanswered--);
  };
}
"""


async def stop_clock(page: Page) -> None:
    """Stop the page's clock; call this before opening anything in it."""
    await page.add_init_script(_COUNT_UNANSWERED)
    await page.clock.install(time=0)
    await page.clock.pause_at(_PAUSED_AT_MILLISECONDS)


async def move_clock(page: Page, seconds: int) -> None:
    """Move the page's clock forward, and let it handle all answers on the way."""
    await all_answered(page)
    for start in range(0, seconds, _STEP_SECONDS):
        await page.clock.run_for(1000 * min(_STEP_SECONDS, seconds - start))
        await all_answered(page)


async def all_answered(page: Page) -> None:
    """Wait until the page's code has handled the answers to all its requests."""

    async def none_is_left() -> bool:
        return bool(await page.evaluate("window.unanswered === 0"))

    await until_async(none_is_left)
