"""A consent text that was changed without its version is found before it is deployed."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from infra.deploy.checks import consents
from infra.deploy.checks.finding import Finding, Status
from shared.campaigns.loader import load_all
from shared.campaigns.model import Campaign
from tests.support.deployment import CAMPAIGN, world

FORM = f"/v1/campaigns/{CAMPAIGN}/form"


@pytest.fixture
async def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, bytes]:
    """What a deployment of the example answers, by language; there is no French yet."""
    async with world(tmp_path, monkeypatch) as here:
        return {
            lang: (await here.client.get(FORM, params={"lang": lang})).content
            for lang in load_all()[CAMPAIGN].texts
            if lang != "fr"
        }


def found(live: Mapping[str, bytes], campaign: Campaign) -> Finding:
    """Compare a campaign with what is live."""

    def answer(request: httpx.Request) -> httpx.Response:
        content = live.get(request.url.params["lang"]) if request.url.path == FORM else None
        return httpx.Response(200, content=content) if content else httpx.Response(404)

    with httpx.Client(base_url="https://petition.example", transport=httpx.MockTransport(answer)) as public:
        return consents.compare(public, {campaign.id: campaign})


def changed(language: str, **values: str) -> Campaign:
    """The example with another consent text in one language."""
    campaign = load_all()[CAMPAIGN]
    text = campaign.text(language)
    texts = {**campaign.texts, language: text.model_copy(update={"consent": f"{text.consent} Really."})}
    return campaign.model_copy(update={"texts": texts, **values})


def test_what_is_shown_already_is_right(live: Mapping[str, bytes]) -> None:
    """In every language."""
    assert found(live, load_all()[CAMPAIGN]).status is Status.OK


def test_a_text_changed_under_the_same_version_is_named(live: Mapping[str, bytes]) -> None:
    """It would be quoted to those who have agreed to the old one."""
    finding = found(live, changed("de"))

    assert finding.status is Status.FAILED
    assert f"{CAMPAIGN}: the consent text of de differs" in finding.found
    assert "consent_version" in finding.fix


def test_a_new_version_may_have_a_new_text(live: Mapping[str, bytes]) -> None:
    """That is how a text is changed."""
    assert found(live, changed("de", consent_version="2027-01-01")).status is Status.OK


def test_a_language_or_a_campaign_that_is_not_there_yet_is_new(live: Mapping[str, bytes]) -> None:
    """Nobody has agreed to anything else."""
    assert found(live, changed("fr")).status is Status.OK
    assert found({}, changed("de")).status is Status.OK


def test_a_deployment_that_does_not_answer_is_no_fault() -> None:
    """Before the first deployment, nothing answers there."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with httpx.Client(base_url="https://petition.example", transport=httpx.MockTransport(refuse)) as public:
        finding = consents.compare(public, load_all())

    assert (finding.status, "does not answer" in finding.found) == (Status.SKIPPED, True)
