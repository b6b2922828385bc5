"""The time of a page, which moves only when a test moves it.

Playwright's clock (https://playwright.dev/python/docs/clock) replaces the page's timers, but not the network.
Tests that move it by hand are flaky for two reasons, and both are kept out here:

- An installed clock goes on by itself. Which timers have fired, and whether a time to pause at is already past,
  then depends on how busy the machine is. So `stop_clock` pauses it before anything is opened.
- Servers answer in real time. A page that is moved further than its own timeout in one step (the widget's is 20 s)
  aborts a request that it sent in that step, before any server can answer. And an answer that has reached the
  browser is not yet taken by the page's code, which may set its next timer only then. So `move_clock` moves in
  short steps, and after each waits until the page has taken every answer.
"""

from playwright.async_api import Page

from tests.support.polling import until_async

_STEP_SECONDS = 5  # below every timeout of the widget
#: A long way from the start of the clock, so that no machine is too slow to pause there.
_PAUSED_AT_MILLISECONDS = 1_000_000_000

#: How many answers the page's code waits for: those of fetch, and their bodies. The code that awaited an answer
#: runs before anything that Playwright evaluates: at 0 it has taken the last answer and set its timers.
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
    """Stop the time of the page; to be called before anything is opened in it."""
    await page.add_init_script(_COUNT_UNANSWERED)
    await page.clock.install(time=0)
    await page.clock.pause_at(_PAUSED_AT_MILLISECONDS)


async def move_clock(page: Page, seconds: int) -> None:
    """Move the time of the page, while servers answer as if no time passed."""
    await all_answered(page)
    for start in range(0, seconds, _STEP_SECONDS):
        await page.clock.run_for(1000 * min(_STEP_SECONDS, seconds - start))
        await all_answered(page)


async def all_answered(page: Page) -> None:
    """Wait until the page has taken the answer to every request that its code has sent."""

    async def none_is_left() -> bool:
        return bool(await page.evaluate("window.unanswered === 0"))

    await until_async(none_is_left)
