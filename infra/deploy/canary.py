"""Try out a deployment with one signature, from the form to the count, and erase it again.

It signs the campaign `canary` (made with `undersign campaign new canary`; nobody links to it) as canary@<domain>,
waits until deliver has stored it and the relay has accepted the mail, issues the link from the store and the keys,
as only those who deploy can, presses the button, sees the count rise, and erases the signature. The relay must
accept mail for that address; nobody has to read it. The reminder, sealed, waits in the queue for a day, and then
finds no signature.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from desk import runtime
from desk.runtime import Rights
from desk.settings import load_for_desk, use_deployment
from infra.deploy import gcloud
from shared.campaigns.model import CANARY
from shared.clock import utc_now
from shared.crypto.tokens import Purpose, Tokens
from shared.errors import ConfigurationError, Unavailable
from shared.mail import links
from shared.settings import CanarySettings, split_keys
from shared.store.entities import Address, Submission
from shared.web import routes

CAMPAIGN = CANARY
_PAUSE_SECONDS = 2.0
#: For the queue and the relay, and for caches of the count.
_TIMEOUT_SECONDS = 180.0

T = TypeVar("T")


class CanaryFailed(Exception):
    """A step of the canary failed, or did not end in time; the message says which."""


class Unreachable(CanaryFailed):
    """No connection to the public address: no DNS record, no certificate, or nothing that listens."""


def try_out(public_url: str, environment: gcloud.Environment) -> None:
    """Run the canary through a deployed environment.

    Raises:
        CanaryFailed: a signature does not get through.
        Unreachable: there is no connection.
        SystemExit: a setting or a secret cannot be read, which is no fault of what was deployed.
    """
    use_deployment(environment)
    try:
        asyncio.run(_try_out(public_url, f"canary@{environment.settings['domain']}"))
    except ConfigurationError as error:
        gcloud.stop(str(error))


async def _try_out(public_url: str, email: str) -> None:
    tokens = Tokens(split_keys(load_for_desk(CanarySettings).token_keys))
    async with httpx.AsyncClient(base_url=public_url, timeout=30) as public:
        await run(public, runtime.rights(), tokens, email)


async def run(
    public: httpx.AsyncClient, rights: Rights, tokens: Tokens, email: str, *, pause: float = _PAUSE_SECONDS
) -> None:
    """Take one signature all the way, and erase it. `public`: a client of the deployment's public address.

    Raises:
        CanaryFailed: a step failed, or did not end in time.
        Unreachable: there is no connection.
    """
    try:
        await _run(public, rights, tokens, email, pause)
    except httpx.ConnectError as error:
        raise Unreachable(f"no connection to {public.base_url}: {error}") from error
    except (httpx.HTTPError, Unavailable) as error:
        raise CanaryFailed(f"{type(error).__name__}: {error}") from error


async def _run(public: httpx.AsyncClient, rights: Rights, tokens: Tokens, email: str, pause: float) -> None:
    address = rights.digester.address(CAMPAIGN, email)
    await _check_health(public)
    await rights.maintenance.forget(address)  # left by a run that was interrupted
    before = await _total(public)
    try:
        await _sign(public, email)
        signed = await _until(
            "deliver stores it and the relay accepts its mail", lambda: _mailed(rights, address), pause
        )
        await _press(public, tokens, address, signed)
        await _until("the count rises", lambda: _has_total(public, before + 1), pause)
    finally:
        await rights.maintenance.forget(address)
    await _until("the count falls again", lambda: _has_total(public, before), pause)


async def _check_health(public: httpx.AsyncClient) -> None:
    for function in routes.PUBLIC:
        answer = await public.get(routes.health(function))
        if answer.status_code != 200:
            raise CanaryFailed(f"{function} is not healthy: its answer is {answer.status_code}")


async def _sign(public: httpx.AsyncClient, email: str) -> None:
    shown = await public.get(f"/v1/campaigns/{CAMPAIGN}/form?lang=en")
    if shown.status_code != 200:
        raise CanaryFailed(f"embed does not describe the form: its answer is {shown.status_code}")
    body = {"email": email, "name": "Canary", "country": "BE", "locale": "en", "consent": True}
    body["consent_version"] = shown.json()["consent_version"]
    # As the page's script would send it: a signature that no page has sent may be held back from the count.
    page = {"Referer": f"{public.base_url}c/{CAMPAIGN}"}
    answer = await public.post(f"/v1/campaigns/{CAMPAIGN}/signatures", json=body, headers=page)
    if answer.status_code != 202:
        raise CanaryFailed(f"sign does not accept a signature: its answer is {answer.status_code}")


async def _mailed(rights: Rights, address: Address) -> Submission | None:
    found = await rights.maintenance.find(address)
    is_sent = any(claim.sent for claim in found.mailbox.claims)
    return found.signature.submissions[-1] if found.signature and is_sent else None


async def _press(public: httpx.AsyncClient, tokens: Tokens, address: Address, signed: Submission) -> None:
    link = links.to_confirm(address, signed, "en")
    path = f"/v1/confirm/{tokens.issue(Purpose.CONFIRM, link, utc_now())}"
    page = await public.get(path)
    pressed = await public.post(path, headers={"Accept": "application/json"})
    if (page.status_code, pressed.status_code) != (200, 200):
        raise CanaryFailed(
            f"confirm shows its page with {page.status_code} and answers the button {pressed.status_code}"
        )


async def _total(public: httpx.AsyncClient) -> int:
    answer = await public.get(f"/v1/campaigns/{CAMPAIGN}/count")
    if answer.status_code != 200:
        raise CanaryFailed(f"count does not give the count: its answer is {answer.status_code}")
    return int(answer.json()["total"])


async def _has_total(public: httpx.AsyncClient, total: int) -> bool:
    return await _total(public) == total


async def _until(what: str, look: Callable[[], Awaitable[T | None]], pause: float) -> T:
    give_up = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < give_up:
        if found := await look():
            return found
        await asyncio.sleep(pause)
    raise CanaryFailed(f"waited {_TIMEOUT_SECONDS:.0f} seconds in vain until {what}")
