"""The journey, the schedule and the canary through the deployed shape on this machine."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from desk import runtime
from infra.deploy import canary
from shared.crypto.tokens import Tokens
from shared.web import routes
from tests.infra.rehearsal import CAMPAIGN, START, Deployment, Prepared, deploy
from tests.support.deployment import PAGE_HEADERS, signature
from tests.support.polling import until_async

AS_PROGRAM = {"Accept": "application/json"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed_once(
    prepared: Prepared, plan: dict[str, Any], emulator_host: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """For all tests here: each leaves no signature in the count behind."""
    async with deploy(prepared, plan, emulator_host, tmp_path_factory.mktemp("logs")) as deployed:
        yield deployed


@pytest.fixture
def deployment(
    deployed_once: Deployment, prepared: Prepared, emulator: str, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    monkeypatch.setenv("CAMPAIGNS_FOLDER", str(prepared.folder / "campaigns"))
    return deployed_once


async def test_a_signature_goes_all_the_way(deployment: Deployment) -> None:
    """Petition, form, queue, mail, button, count, schedule, withdrawal: through the balancer's own map."""
    public = deployment.public
    for name in routes.PUBLIC:
        assert (await public.get(routes.health(name))).json()["function"] == name
    petition = await public.get(f"/c/{CAMPAIGN}?lang=en")
    assert "Save the swifts" in petition.text

    signed = await public.post(
        f"{START}/signatures", json=signature(email="ann@example.org"), headers=PAGE_HEADERS
    )
    await deployment.tasks.drain()
    links = deployment.links()
    page = await public.get(links["confirm"])
    pressed = await public.post(links["confirm"], headers=AS_PROGRAM)

    assert (signed.status_code, page.status_code, pressed.json()) == (202, 200, {"status": "confirmed"})
    assert links["confirm"].startswith("https://petition.example.org/")

    for address, authorization in deployment.jobs.values():
        assert (await public.post(address)).status_code == 403
        assert (await public.post(address, headers={"Authorization": authorization})).status_code == 204
    assert [point["total"] for point in (await public.get(f"{START}/history")).json()["points"]] == [1]
    assert await deployment.total() == 1
    assert "1 person has signed" in (await public.get(f"/c/{CAMPAIGN}/progress?lang=en")).text
    assert (await public.post(links["withdraw"], headers=AS_PROGRAM)).json() == {"status": "withdrawn"}

    async def is_counted_no_more() -> bool:
        return await deployment.total() == 0

    await until_async(is_counted_no_more)


async def test_no_two_log_lines_of_one_request_can_be_joined(deployment: Deployment) -> None:
    """The platform asks for an execution id in every line; the plan asks for none, and none is there."""
    signed = await deployment.public.post(
        f"{START}/signatures", json=signature(email="lea@example.org"), headers=PAGE_HEADERS
    )
    await deployment.tasks.drain()
    await deployment.public.get(deployment.links()["confirm"])

    logged = "".join(log.read_text() for log in deployment.logs.iterdir())

    assert signed.status_code == 202
    assert {"accepted", "funnel"} <= {json.loads(line)["event"] for line in logged.splitlines()}
    assert "execution_id" not in logged


async def test_the_canary_runs_and_leaves_nothing_behind(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `make deploy` does to try out what it has deployed."""
    for name, value in deployment.settings.items():
        monkeypatch.setenv(name, value)
    rights = runtime.rights()
    tokens = Tokens([deployment.settings["TOKEN_KEYS"]])
    email, mails = "canary@petition.example.org", len(deployment.relay.taken)

    await canary.run(deployment.public, rights, tokens, email, pause=0.1)

    assert await deployment.total() == 0
    assert not await rights.maintenance.find(rights.digester.address(CAMPAIGN, email))
    assert len(deployment.relay.taken) == mails + 1
    rights.maintenance.close()
    for queue in (*rights.queues.values(), rights.dead_letters):
        await queue.aclose()


async def test_a_canary_that_fails_says_at_which_step(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the relay turns it away."""
    for name, value in deployment.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(canary, "_TIMEOUT_SECONDS", 1)
    deployment.relay.at_rcpt = "451 4.7.1 come again later"
    rights = runtime.rights()
    tokens = Tokens([deployment.settings["TOKEN_KEYS"]])

    with pytest.raises(canary.CanaryFailed, match="until deliver stores it and the relay accepts its mail"):
        await canary.run(deployment.public, rights, tokens, "canary@petition.example.org", pause=0.1)
    deployment.relay.at_rcpt = None
    await deployment.tasks.drain()  # or deliver would wait for the relay, in this loop, when it is told to end
    rights.maintenance.close()
    for queue in (*rights.queues.values(), rights.dead_letters):
        await queue.aclose()


async def test_deliver_cannot_be_reached_from_outside(deployment: Deployment) -> None:
    """Its paths lead to embed, which knows nothing of them."""
    for path in ("/v1/tasks/deliver", "/v1/tasks/snapshot", "/v1/health/deliver"):
        assert (await deployment.public.post(path)).status_code == 404
