"""What a process still does when it is asked to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from types import FrameType


def before_shutdown(work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` on SIGTERM, and only then let the server stop. Call it in the event loop that serves.

    functions-framework has no hook for this, and uvicorn cancels all tasks once the last request is answered, so
    its own handler is called afterwards. Cloud Run gives 10 seconds, with the processor
    (https://cloud.google.com/run/docs/container-contract#instance-shutdown). Where no server has set a handler, as
    in a test, nothing is done.
    """
    loop, stop = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    if not callable(stop):
        return
    stopping = set[asyncio.Task[None]]()  # a loop holds its tasks only weakly

    async def finish(signum: int, frame: FrameType | None) -> None:
        try:
            await work()
        finally:
            stop(signum, frame)

    def handle(signum: int, frame: FrameType | None) -> None:
        # Between two instructions of anything; the loop has to be woken, too.
        loop.call_soon_threadsafe(lambda: stopping.add(loop.create_task(finish(signum, frame))))

    signal.signal(signal.SIGTERM, handle)
