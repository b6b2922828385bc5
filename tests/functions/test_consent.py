"""The consent that is recorded is the one that was shown."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.campaigns.loader import FOLDER
from shared.models.messages import SubmissionMessage, parse_message, parse_task
from tests.support.clock import NOW
from tests.support.consents import NEW_VERSION, NEW_WORDS, OLD_WORDS, after
from tests.support.deployment import CAMPAIGN, CONSENT_VERSION, SIGNATURES, World, signature, world

#: What is no version of the campaign's, but for its type the last two.
NO_VERSION: list[object] = [
    "2026-11-21",
    "another-campaign-1",
    "",
    " ",
    "x" * 15_000,
    f"{CONSENT_VERSION}\n",
    None,
    20261122,
    {},
]


@pytest.fixture
async def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A deployment whose consent text has changed, and that keeps the old one."""
    async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(after(tmp_path / "campaigns"))) as made:
        yield made


@pytest.fixture
async def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The same, without the old text."""
    folder = after(tmp_path / "campaigns", keeps=False)
    async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(folder)) as made:
        yield made


def form(**fields: Any) -> dict[str, str]:
    """Return what a plain form sends; a field that is None is left out."""
    return signature(**{"consent": "true", **fields})


async def recorded(deployed: World) -> str:
    """Return the version in the one message of the queue."""
    lease = await deployed.queue.lease(NOW)
    assert lease
    message = parse_message(deployed.functions["deliver"].deps.opener.open(parse_task(lease.body).sealed))
    assert isinstance(message, SubmissionMessage)
    return message.consent_version


class TestAnEarlierVersion:
    @pytest.mark.parametrize("version", [CONSENT_VERSION, NEW_VERSION])
    async def test_is_recorded_as_it_was_shown(self, changed: World, version: str) -> None:
        """A page that was loaded before the change sends the version of its own text."""
        answer = await changed.sign(consent_version=version)

        assert answer.status_code == 202
        assert await recorded(changed) == version

    @pytest.mark.parametrize("version", [CONSENT_VERSION, NEW_VERSION])
    async def test_is_recorded_from_a_plain_form_too(self, changed: World, version: str) -> None:
        """So does a form that a partner has pasted."""
        answer = await changed.client.post(SIGNATURES, data=form(consent_version=version))

        assert answer.status_code == 200
        assert await recorded(changed) == version

    async def test_is_ticked_anew_in_a_form_that_comes_back(self, changed: World) -> None:
        """The page shows the new text, so what was ticked beside the old one is no consent to it."""
        answer = await changed.client.post(SIGNATURES, data=form(email="ann@", consent_version=CONSENT_VERSION))

        assert answer.status_code == 422
        assert "should look like name@example.org" in answer.text
        _has_form_with_the_new_text(answer.text)

    async def test_of_several_in_a_form_the_last_counts(self, changed: World) -> None:
        """As of every field."""
        both = [("consent_version", NEW_VERSION), *form(consent_version=CONSENT_VERSION).items()]
        content = "&".join(f"{name}={value}" for name, value in both)

        await changed.client.post(
            SIGNATURES, content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )

        assert await recorded(changed) == CONSENT_VERSION

    async def test_is_refused_in_a_language_that_has_no_such_text(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A translation that was added later was not what anybody has seen."""
        folder = after(tmp_path / "campaigns")
        shutil.copy(FOLDER / CAMPAIGN / "de.toml", folder / CAMPAIGN)

        async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(folder)) as translated:
            languages = ("de", "de-AT", "en", "fr")
            answers = [await translated.sign(consent_version=CONSENT_VERSION, locale=each) for each in languages]

        assert [each.status_code for each in answers] == [422, 422, 202, 202]


class TestAnUnknownVersion:
    @pytest.mark.parametrize("version", NO_VERSION, ids=range(len(NO_VERSION)))
    async def test_is_answered_with_the_present_text(self, changed: World, version: object) -> None:
        """For a script to show, past every cache; the value is not repeated."""
        body = json.dumps(signature() | {"consent_version": version})

        answer = await changed.client.post(SIGNATURES, content=body, headers={"Content-Type": "application/json"})

        problem = answer.json()
        assert answer.status_code == 422
        assert [(each["field"], each["code"]) for each in problem["errors"]] == [("consent", "consent_changed")]
        assert problem["consent_version"] == NEW_VERSION
        assert NEW_WORDS in problem["consent"]

    async def test_or_none_at_all_is_answered_in_the_same_way(self, changed: World) -> None:
        """A script that knows no versions cannot know what it shows."""
        answer = await changed.sign(consent_version=None)

        assert answer.json()["consent_version"] == NEW_VERSION

    async def test_of_a_text_that_is_not_kept_is_refused(self, dropped: World) -> None:
        """Nobody could say later what was agreed to."""
        assert (await dropped.sign(consent_version=CONSENT_VERSION)).status_code == 422
        assert (await dropped.sign(consent_version=NEW_VERSION)).status_code == 202

    @pytest.mark.parametrize("version", [CONSENT_VERSION, None, "x" * 12_000])
    async def test_brings_the_plain_form_back_with_the_new_text(self, dropped: World, version: str | None) -> None:
        """It is filled in but for the box, and says why; sent once more, it is recorded under the new version."""
        typed = form(name="Ann Example", newsletter="true", consent_version=version)
        answer = await dropped.client.post(SIGNATURES, data=typed)

        assert answer.status_code == 422
        assert 'value="Ann Example"' in answer.text
        _has_form_with_the_new_text(answer.text)

        await dropped.client.post(SIGNATURES, data=form(consent_version=NEW_VERSION))
        assert await recorded(dropped) == NEW_VERSION

    async def test_is_explained_in_the_language_of_the_form(self, tmp_path: Path, monkeypatch: Any) -> None:
        """The example campaign has its text in German, too."""
        async with world(tmp_path, monkeypatch) as example:
            answer = await example.client.post(SIGNATURES, data=form(locale="de", consent_version="1"))

        assert "Dieser Text hat sich geändert." in answer.text


def _has_form_with_the_new_text(page: str) -> None:
    [box] = [line for line in page.splitlines() if 'id="consent"' in line]
    assert " checked" not in box
    assert 'aria-invalid="true"' in box
    assert NEW_WORDS in box
    assert "This text has changed." in page
    assert f'name="consent_version" value="{NEW_VERSION}"' in page
    assert OLD_WORDS not in page


class TestEveryForm:
    @pytest.mark.parametrize(
        "path", ["?lang=en", "?lang=en&embed=1&partner=digital-rights", "/embed?lang=en&partner=digital-rights"]
    )
    async def test_says_which_version_it_shows(self, changed: World, path: str) -> None:
        """Page, frame and the snippets that partners paste."""
        page = (await changed.client.get(f"/c/{CAMPAIGN}{path}")).text.replace("&#34;", '"')

        assert f'name="consent_version" value="{NEW_VERSION}"' in page
        assert NEW_WORDS in page

    async def test_is_described_with_its_version(self, changed: World) -> None:
        """The widget makes its form from this."""
        described = (await changed.client.get(f"/v1/campaigns/{CAMPAIGN}/form?lang=en")).json()

        assert described["consent_version"] == NEW_VERSION
        assert NEW_WORDS in described["consent"]
