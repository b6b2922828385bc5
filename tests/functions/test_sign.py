"""sign: what it accepts, what it refuses and in which order, and that everybody gets the same answer."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.crypto.proof_of_work import challenge
from shared.errors import QueueUnavailable
from shared.models.labels import Label
from shared.models.messages import SubmissionMessage, parse_message, parse_task
from shared.queue import MAX_BODY_BYTES
from shared.web.network_bursts import BURST
from tests.support.clock import NOW
from tests.support.deployment import (
    CAMPAIGN,
    CONSENT_VERSION,
    COUNT,
    LINKS,
    PUBLIC_URL,
    SIGNATURES,
    BrokenQueue,
    World,
    campaign_file,
    signature,
    world,
)
from tests.support.inputs import ADDRESSES, NAMES, POSTAL_CODES
from tests.support.work import solved

STRANGER = {"Origin": "https://stranger.example"}
AS_JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VERSION = b"consent_version=" + CONSENT_VERSION.encode()


async def enqueued(deployed: World) -> SubmissionMessage:
    """The one message in the queue, decrypted."""
    lease = await deployed.queue.lease(NOW)
    assert lease
    deps = deployed.functions["deliver"].deps
    message = parse_message(deps.opener.open(parse_task(lease.body).sealed))
    assert isinstance(message, SubmissionMessage)
    return message


def form(**fields: str) -> dict[str, str]:
    typed = {**signature(consent="true"), **fields}
    return {name: value for name, value in typed.items() if value}


def partner_origin(deployed: World) -> tuple[str, str]:
    """A partner's slug and one of its origins."""
    slug, partner = next(iter(deployed.functions["sign"].deps.campaigns[CAMPAIGN].partners.items()))
    return slug, partner.origins[0]


class TestAccepting:
    async def test_answers_check_inbox(self, deployed: World) -> None:
        """The answer is 202 and reveals nothing else."""
        response = await deployed.sign()

        assert (response.status_code, response.text) == (202, '{"status":"check_inbox"}')
        assert response.headers["cache-control"] == "no-store"

    async def test_what_was_entered_is_sealed_in_the_queue(self, deployed: World) -> None:
        """Nobody who reads the queue finds an address or a name in it."""
        await deployed.sign(email="ann@example.org", name="Ann Example")

        lease = await deployed.queue.lease(NOW)

        assert lease
        assert b"ann@" not in lease.body
        assert b"Ann Example" not in lease.body

    async def test_all_fields_reach_deliver(self, deployed: World) -> None:
        """They arrive normalised, with the consent text's version and the time."""
        slug, _ = partner_origin(deployed)
        await deployed.sign(country="de", partner=slug, source="newsletter-3", newsletter=False)

        message = await enqueued(deployed)

        assert (message.country, message.partner, message.source) == ("DE", slug, "newsletter-3")
        assert message.newsletter is False
        assert message.consent_version
        assert message.signed_at == NOW

    @pytest.mark.parametrize("number", [None, 1])
    async def test_a_registered_pages_origin_names_the_partner(self, deployed: World, number: int | None) -> None:
        """It overrides the body: the newsletter is that of the page's organisation."""
        slug, origin = partner_origin(deployed)
        others = [*deployed.functions["sign"].deps.campaigns[CAMPAIGN].partners]
        body = signature(partner=others[number] if number else None)

        await deployed.client.post(SIGNATURES, json=body, headers={"Origin": origin})

        assert (await enqueued(deployed)).partner == slug

    async def test_a_postal_code_that_was_not_asked_for_is_dropped(self, deployed: World) -> None:
        """The example campaign does not ask for one."""
        await deployed.sign(postal_code="1000")

        assert (await enqueued(deployed)).postal_code is None

    async def test_the_largest_possible_signature_fits_into_a_task(self, deployed: World) -> None:
        """Every field has its maximum length, in four-byte characters."""
        email = "é" * 30 + "@" + ".".join(["é" * 20] * 4) + ".example.org"

        response = await deployed.sign(email=email, name="𐎀" * 100, source="s" * 40, locale="de-Latn-AT-1996")

        assert response.status_code == 202, response.text
        lease = await deployed.queue.lease(NOW)
        assert lease
        assert len(lease.body) < MAX_BODY_BYTES / 4

    async def test_a_signer_is_asked_to_try_again_while_the_queue_is_unavailable(self, deployed: World) -> None:
        """The answer is 503 with Retry-After."""
        deployed.functions["sign"].deps.envelopes._queue = BrokenQueue(QueueUnavailable("unavailable"))

        response = await deployed.sign()

        assert (response.status_code, response.json()["code"]) == (503, "try_again")
        assert int(response.headers["retry-after"]) > 0


class TestLabels:
    """That no person seems to have sent it; they change nothing of the answer."""

    async def test_a_form_that_a_browser_sends_has_none(self, deployed: World) -> None:
        """Also where it says nothing of the time, as plain forms and partners' own scripts."""
        await deployed.sign()

        assert (await enqueued(deployed)).labels == ()

    @pytest.mark.parametrize(
        "headers", [{"Origin": "null"}, {"Referer": f"{PUBLIC_URL}/"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    async def test_any_header_of_a_page_will_do(self, deployed: World, headers: dict[str, str]) -> None:
        """Older browsers and those that hide something send one of them."""
        await deployed.client.post(SIGNATURES, data=form(), headers=headers)

        assert (await enqueued(deployed)).labels == ()

    async def test_a_request_without_any_sign_of_a_page_is_labelled(self, deployed: World) -> None:
        """A program posts it that no browser runs, and is answered like everybody."""
        response = await deployed.client.post(SIGNATURES, json=signature())

        assert (response.status_code, response.text) == (202, '{"status":"check_inbox"}')
        assert (await enqueued(deployed)).labels == (Label.NO_PAGE,)

    @pytest.mark.parametrize(("seconds", "labels"), [(2, (Label.TOO_FAST,)), (3, ()), (60, ())])
    async def test_sent_sooner_than_anybody_fills_it_in_is_labelled(
        self, deployed: World, seconds: int, labels: tuple[Label, ...]
    ) -> None:
        """Within three seconds of loading the page."""
        await deployed.sign(page_seconds=seconds)

        assert (await enqueued(deployed)).labels == labels

    async def test_a_plain_forms_field_of_that_name_is_its_own(self, deployed: World) -> None:
        """Only the widget's script knows how long the page has been there."""
        await deployed.client.post(SIGNATURES, data=form(page_seconds="soon"), headers={"Origin": PUBLIC_URL})

        assert (await enqueued(deployed)).labels == ()

    async def test_many_from_one_network_are_labelled(self, deployed: World) -> None:
        """By what the proxy saw: a client cannot pass as another one by writing the header itself."""
        for number in range(BURST + 1):
            headers = {"Origin": PUBLIC_URL, "X-Forwarded-For": f"203.0.{number}.1, 192.0.2.1"}
            response = await deployed.client.post(SIGNATURES, json=signature(), headers=headers)
            message = await enqueued(deployed)

            assert response.status_code == 202
            assert message.labels == ((Label.NETWORK_BURST,) if number == BURST else ())


class TestProofOfWork:
    """A campaign that asks for work, as the overlay or its file says."""

    @pytest.fixture
    async def asking(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
        replaced = {'proof_of_work = "off"': 'proof_of_work = "on"'}
        campaign_file(tmp_path / "campaigns", CAMPAIGN, **replaced)
        async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(tmp_path / "campaigns")) as made:
            yield made

    async def test_the_form_says_what_is_to_be_solved(self, asking: World) -> None:
        """So that the browser can begin as soon as there is an address."""
        described = await asking.client.get(f"/v1/campaigns/{CAMPAIGN}/form?lang=en")

        assert described.json()["work"] == challenge(NOW).model_dump()

    async def test_a_signature_with_its_work_is_one_like_any_other(self, asking: World) -> None:
        """The work is for the address as it was sent, however we write it."""
        email = " Ann@EXAMPLE.org"
        response = await asking.sign(email=email, work=solved(email, NOW))

        assert (response.status_code, response.text) == (202, '{"status":"check_inbox"}')
        message = await enqueued(asking)
        assert (message.email, message.labels) == ("Ann@example.org", ())

    @pytest.mark.parametrize(
        "work",
        [
            None,
            {"day": "2020-01-01", "nonces": [1, 2, 3, 4, 5, 6]},
            {"day": challenge(NOW).day, "nonces": []},
            {"day": challenge(NOW).day, "nonces": [1, 2, 3, 4, 5, 6, 7, 8]},
        ],
        ids=["none", "of another day", "empty", "made up"],
    )
    async def test_without_it_a_script_is_told_what_to_solve(
        self, asking: World, work: dict[str, Any] | None
    ) -> None:
        """In the answer itself: the page may be from before it was asked for, or from another day."""
        response = await asking.sign(work=work)

        assert response.status_code == 422
        problem = response.json()
        assert [(error["field"], error["code"]) for error in problem["errors"]] == [("work", "work_required")]
        assert problem["work"] == challenge(NOW).model_dump()
        assert await asking.queue.pending() == 0

    async def test_other_errors_come_first(self, asking: World) -> None:
        """Nobody works for a form that is not accepted."""
        response = await asking.sign(country="Germany")

        assert [error["field"] for error in response.json()["errors"]] == ["country"]
        assert "work" not in response.json()

    @pytest.mark.parametrize("nonces", [["1"], [-1], [2**53], [1.5], "1"])
    async def test_nonsense_is_an_error_in_any_campaign(self, deployed: World, nonces: object) -> None:
        """Numbers are numbers, and not endless ones."""
        response = await deployed.sign(work={"day": "2026-11-27", "nonces": nonces})

        assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [("work", "wrong_type")]

    async def test_a_campaign_that_does_not_ask_for_it_takes_it_all_the_same(self, deployed: World) -> None:
        """It was switched off while somebody filled in the form, and the form no longer says anything of it."""
        described = await deployed.client.get(f"/v1/campaigns/{CAMPAIGN}/form?lang=en")

        assert "work" not in described.json()
        assert (await deployed.sign(work={"day": "2026-11-27", "nonces": [1]})).status_code == 202
        assert (await enqueued(deployed)).labels == ()

    async def test_a_plain_form_is_accepted_without_and_comes_last(self, asking: World) -> None:
        """Without scripts, signing is slower and labelled, and not closed to anybody."""
        headers = {"Origin": PUBLIC_URL, "Accept": "text/html"}
        plain = await asking.client.post(SIGNATURES, data=form(email="bob@example.org"), headers=headers)
        await asking.sign(work=solved("ann@example.org", NOW))

        assert plain.status_code == 200
        assert [(await enqueued(asking)).labels for _ in range(2)] == [(), (Label.NO_WORK,)]

    async def test_a_plain_form_may_have_a_field_of_that_name(self, asking: World) -> None:
        """Some ask where people work."""
        await asking.client.post(SIGNATURES, data=form(work="City Rights"), headers={"Origin": PUBLIC_URL})

        assert (await enqueued(asking)).labels == (Label.NO_WORK,)


class TestIdenticalAnswers:
    async def test_new_pending_confirmed_capped_and_withdrawn_addresses_get_the_same_bytes(
        self, deployed: World
    ) -> None:
        """Status, headers and body are the same, so that nobody can probe who has signed."""
        new = await deployed.sign()
        await deployed.deliver()
        pending = await deployed.sign()
        await deployed.deliver()
        capped = await deployed.sign()
        await deployed.press(deployed.outbox.received()[0])
        confirmed = await deployed.sign()
        await deployed.press(deployed.outbox.received()[0], "withdraw")
        withdrawn = await deployed.sign()

        answers = {_all_of(each) for each in (new, pending, capped, confirmed, withdrawn)}
        assert len(answers) == 1

    async def test_links_are_promised_to_strangers_too(self, deployed: World) -> None:
        """Signers and strangers get the same bytes; only the signer gets mail."""
        await deployed.sign_and_deliver(email="ann@example.org")

        signer = await deployed.client.post(LINKS, json={"email": "ann@example.org", "locale": "en"})
        stranger = await deployed.client.post(LINKS, json={"email": "bob@example.org", "locale": "en"})
        await deployed.deliver()

        assert _all_of(signer) == _all_of(stranger)
        assert [mail.to for mail in deployed.outbox.received()] == ["ann@example.org"] * 2


def _all_of(response: httpx.Response) -> tuple[int, bytes, bytes]:
    return response.status_code, b"|".join(b"%b:%b" % pair for pair in response.headers.raw), response.content


class TestRefusing:
    @pytest.mark.parametrize(
        ("content", "media_type", "status", "code"),
        [
            (b"x" * 16_385, "application/json", 413, "too_large"),
            (b"x" * 200_000, "text/plain", 413, "too_large"),
            (b"{}", "text/plain", 415, "unsupported_media_type"),
            (b"{}", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
            (b"{}", "", 415, "unsupported_media_type"),
            (b"\xff\xfe", "application/json", 400, "not_utf8"),
            (b'{"name": "\xe9"}', "application/json; charset=latin-1", 400, "not_utf8"),
            (b"", "application/json", 400, "not_json"),
            (b"{", "application/json", 400, "not_json"),
            (b"email=ann%40example.org", "application/json", 400, "not_json"),
            (b'{"a": NaN}', "application/json", 400, "not_json"),
            (b'{"name": "\\ud800"}', "application/json", 400, "not_json"),
            (b"[" * 8_000, "application/json", 400, "nested_too_deeply"),
            (b'{"a":' * 3_000, "application/json", 400, "nested_too_deeply"),
            (b"[]", "application/json", 422, "invalid_fields"),
            (b"null", "application/json", 422, "invalid_fields"),
            (b'"text"', "application/json", 422, "invalid_fields"),
            (b"1" * 4_000, "application/json", 422, "invalid_fields"),
            (b"{}", "application/json", 422, "invalid_fields"),
        ],
    )
    async def test_a_bad_body_gets_its_own_clear_error(
        self, deployed: World, content: bytes, media_type: str, status: int, code: str
    ) -> None:
        """It may be oversized, malformed, wrongly typed, deeply nested or not UTF-8."""
        response = await deployed.client.post(SIGNATURES, content=content, headers={"Content-Type": media_type})

        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"]

    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"email": None}, "email", "required"),
            ({"email": 7}, "email", "wrong_type"),
            ({"email": "ann@"}, "email", "email_invalid"),
            ({"email": "ann@example.org\r\nBcc: all@example.org"}, "email", "email_invalid"),
            ({"name": "Buy at https://spam.example"}, "name", "url_not_allowed"),
            ({"name": "Ann\ue000Example"}, "name", "control_characters"),
            ({"name": "n" * 101}, "name", "too_long"),
            ({"name": ["Ann"]}, "name", "wrong_type"),
            ({"country": "Germany"}, "country", "country_unknown"),
            ({"locale": "../../etc/passwd"}, "locale", "locale_invalid"),
            ({"consent": False}, "consent", "consent_required"),
            ({"consent": "true"}, "consent", "consent_required"),
            ({"consent": 1}, "consent", "consent_required"),
            ({"newsletter": "yes"}, "newsletter", "wrong_type"),
            ({"partner": "nobody"}, "partner", "partner_unknown"),
            ({"source": "A B"}, "source", "source_invalid"),
            ({"surprise": 1}, "surprise", "unknown_field"),
        ],
    )
    async def test_an_invalid_field_is_named_with_what_to_do(
        self, deployed: World, fields: dict[str, Any], field: str, code: str
    ) -> None:
        """It has one error, with a stable code and a message."""
        response = await deployed.sign(**fields)

        assert response.status_code == 422
        assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]
        assert response.json()["errors"][0]["message"]

    async def test_values_are_never_repeated(self, deployed: World) -> None:
        """Names of unknown fields may be, but are cut short."""
        response = await deployed.sign(email="secret-address", **{"f" * 300: "secret-value"})

        assert "secret" not in response.text
        assert "f" * 41 not in response.text

    async def test_all_errors_are_reported_at_once(self, deployed: World) -> None:
        """Nobody wants to correct a form field by field."""
        response = await deployed.client.post(SIGNATURES, json={})

        assert {e["field"] for e in response.json()["errors"]} == {"email", "name", "country", "locale", "consent"}

    async def test_a_thousand_errors_are_not_all_reported(self, deployed: World) -> None:
        """The answer to 16 KB is no larger than the request."""
        response = await deployed.client.post(SIGNATURES, json={f"f{number}": 1 for number in range(1_000)})

        assert len(response.json()["errors"]) == 20

    async def test_an_unknown_campaign_comes_before_any_other_error(self, deployed: World) -> None:
        """The answer is 404 even for a wrong method with a bad body."""
        path = "/v1/campaigns/nobody/signatures"

        answers = [await deployed.client.request(m, path, content=b"x" * 20_000) for m in ("GET", "PUT", "POST")]

        assert {(each.status_code, each.json()["code"]) for each in answers} == {(404, "unknown_campaign")}

    async def test_a_path_with_a_line_break_is_not_found(self, deployed: World) -> None:
        """A pattern must not match as if the line break were not there."""
        async with deployed.client_of(deployed.apps["sign"]) as alone:
            response = await alone.post(f"{SIGNATURES}%0a", json=signature())

        assert response.status_code == 404

    async def test_a_wrong_method_is_answered_with_those_allowed(self, deployed: World) -> None:
        """The answer is 405 with Allow."""
        response = await deployed.client.get(SIGNATURES)

        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert "POST" in response.headers["allow"]

    async def test_errors_come_in_the_order_of_the_contract(self, deployed: World) -> None:
        """413 comes before 415 before 403 before 400 before 422."""
        plain = {"Content-Type": "text/plain"}

        answers = [
            await deployed.client.post(SIGNATURES, content=b"x" * 20_000, headers={**STRANGER, **plain}),
            await deployed.client.post(SIGNATURES, content=b"{", headers={**STRANGER, **plain}),
            await deployed.client.post(SIGNATURES, content=b"{", headers={**STRANGER, **AS_JSON}),
            await deployed.client.post(SIGNATURES, content=b"{", headers=AS_JSON),
            await deployed.client.post(SIGNATURES, content=b"{}", headers=AS_JSON),
        ]

        assert [each.status_code for each in answers] == [413, 415, 403, 400, 422]

    async def test_an_unknown_language_is_no_error(self, deployed: World) -> None:
        """It falls back to the campaign's language, and only the other error is reported."""
        response = await deployed.sign(locale="tlh", consent=False)

        assert [e["field"] for e in response.json()["errors"]] == ["consent"]

    async def test_a_closed_campaign_is_gone(self, deployed: World) -> None:
        """The answer is 410, before the body is parsed."""
        campaign = deployed.functions["sign"].deps.campaigns[CAMPAIGN]
        deployed.now = NOW.replace(year=campaign.closes.year + 1)

        response = await deployed.client.post(
            SIGNATURES, content=b"{", headers={"Content-Type": "application/json"}
        )

        assert (response.status_code, response.json()["code"]) == (410, "campaign_closed")

    async def test_a_campaign_can_require_what_is_optional_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its `required_fields` lists the newsletter choice."""
        replaced = {"required_fields = []": 'required_fields = ["newsletter"]'}
        campaign_file(tmp_path / "campaigns", "strict", **replaced)

        async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(tmp_path / "campaigns")) as strict:
            response = await strict.client.post("/v1/campaigns/strict/signatures", json=signature())

        assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [("newsletter", "required")]


async def test_slips_in_inputs_are_cleaned_and_errors_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people type and paste has one right value, or none."""
    campaign_file(tmp_path / "campaigns", "asking", **{"asks_postal_code = false": "asks_postal_code = true"})
    cases = {"name": NAMES, "email": ADDRESSES, "postal_code": POSTAL_CODES}

    async with world(tmp_path, monkeypatch, CAMPAIGNS_FOLDER=str(tmp_path / "campaigns")) as asking:
        for field, typed, kept in [(field, *case) for field, inputs in cases.items() for case in inputs.items()]:
            body = signature(**{field: typed})
            response = await asking.client.post("/v1/campaigns/asking/signatures", json=body)

            assert response.status_code == (422 if kept is None else 202), typed
            assert kept is None or getattr(await enqueued(asking), field) == kept


class TestCors:
    async def test_a_registered_origin_may_read_the_answer(self, deployed: World) -> None:
        """The CORS headers grant it that origin, for errors, too."""
        _, origin = partner_origin(deployed)

        accepted = await deployed.client.post(SIGNATURES, json=signature(), headers={"Origin": origin})
        refused = await deployed.client.post(SIGNATURES, json={}, headers={"Origin": origin})

        for response in (accepted, refused):
            assert response.headers["access-control-allow-origin"] == origin
            assert response.headers["vary"] == "Origin"

    async def test_an_unregistered_origin_is_refused_with_the_hosted_page(self, deployed: World) -> None:
        """The answer is 403 without CORS headers, and names the page where signing works."""
        response = await deployed.client.post(SIGNATURES, json=signature(), headers=STRANGER)

        assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
        assert response.json()["hosted_page"] == f"{PUBLIC_URL}/c/{CAMPAIGN}?lang=en"
        assert "access-control-allow-origin" not in response.headers

    @pytest.mark.parametrize("origin", ["null", "", PUBLIC_URL, "http://127.0.0.1:8080"])
    async def test_our_own_pages_and_those_without_an_origin_may_sign(self, deployed: World, origin: str) -> None:
        """`null` is allowed, and so is the other name of a local server."""
        response = await deployed.client.post(SIGNATURES, json=signature(), headers={"Origin": origin})

        assert response.status_code == 202

    @pytest.mark.parametrize("headers", [{"Host": ""}, {"Host": "", "Origin": ""}, {"Origin": ""}])
    async def test_a_request_without_host_or_origin_is_granted_nothing(
        self, deployed: World, headers: dict[str, str]
    ) -> None:
        """It is accepted, without CORS headers."""
        response = await deployed.client.post(SIGNATURES, json=signature(), headers=headers)

        assert response.status_code == 202
        assert "access-control-allow-origin" not in response.headers

    async def test_preflight_grants_partners_only(self, deployed: World) -> None:
        """OPTIONS answers 204 to all, with CORS headers for registered origins."""
        _, origin = partner_origin(deployed)
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

        partner = await deployed.client.options(SIGNATURES, headers={"Origin": origin, **asks})
        stranger = await deployed.client.options(
            SIGNATURES, headers={"Origin": "https://stranger.example", **asks}
        )

        assert partner.status_code == stranger.status_code == 204
        assert partner.headers["access-control-allow-origin"] == origin
        assert "POST" in partner.headers["access-control-allow-methods"]
        assert not [name for name in stranger.headers if name.startswith("access-control")]

    async def test_a_sandboxed_page_is_granted_nothing(self, deployed: World) -> None:
        """Its origin `null` could be anybody's: its plain form is accepted, its script may not post."""
        preflight = await deployed.client.options(SIGNATURES, headers={"Origin": "null"})

        assert not [name for name in preflight.headers if name.startswith("access-control")]

    @pytest.mark.parametrize("path", [SIGNATURES, LINKS, COUNT, f"/v1/campaigns/{CAMPAIGN}/form?lang=en"])
    async def test_preflight_allows_any_header(self, deployed: World, path: str) -> None:
        """Tracing libraries add theirs to every request of a page; `*` does not stand for Authorization."""
        _, origin = partner_origin(deployed)
        asks = {"Access-Control-Request-Headers": "baggage,content-type,sentry-trace,traceparent"}

        answer = await deployed.client.options(path, headers={"Origin": origin, **asks})

        assert answer.headers["access-control-allow-headers"] == "*, Authorization, Content-Type"


class TestForm:
    async def test_a_form_gets_the_check_your_inbox_page_with_the_entered_address(self, deployed: World) -> None:
        """The page is rendered from the POST and not cached."""
        response = await deployed.client.post(SIGNATURES, data=form(email="ann+eu@example.org"))

        assert response.status_code == 200
        assert "ann+eu@example.org" in response.text.replace("<wbr>", "")
        assert response.headers["cache-control"] == "no-store"

    async def test_unknown_fields_of_a_partners_form_are_ignored(self, deployed: World) -> None:
        """Newsletter plugins add their own."""
        response = await deployed.client.post(SIGNATURES, data=form(_wpnonce="1", utm_campaign="x"))

        assert response.status_code == 200
        assert await deployed.queue.pending() == 1

    async def test_an_invalid_hidden_field_is_left_out(self, deployed: World) -> None:
        """A partner's typing error in a hidden field stops nobody."""
        typed = form(partner="nobody", source="A B", locale="../..")

        response = await deployed.client.post(SIGNATURES, data=typed)

        assert response.status_code == 200
        message = await enqueued(deployed)
        assert (message.partner, message.source, message.locale) == (None, None, "en")

    async def test_errors_come_back_in_the_filled_form(self, deployed: World) -> None:
        """The answer is 422: input is kept and escaped, and each error has its text."""
        response = await deployed.client.post(SIGNATURES, data=form(name='"><script>x', email="ann@", consent=""))

        assert response.status_code == 422
        assert "&#34;&gt;&lt;script&gt;x" in response.text
        assert "<script>" not in response.text
        assert 'id="email-fault"' in response.text
        assert 'id="consent-fault"' in response.text
        assert await deployed.queue.pending() == 0

    async def test_a_form_with_errors_keeps_its_partner(self, deployed: World) -> None:
        """It is sent again from our own page, and the newsletter is still that of the partner."""
        slug, origin = partner_origin(deployed)
        typed = form(newsletter="yes", consent="")

        faulty = await deployed.client.post(SIGNATURES, data=typed, headers={"Origin": origin})

        partner = deployed.functions["sign"].deps.campaigns[CAMPAIGN].partners[slug]
        assert f'name="partner" value="{slug}"' in faulty.text
        assert partner.name in faulty.text

    async def test_correcting_the_address_keeps_the_partner(self, deployed: World) -> None:
        """The page that shows the entered address carries the partner on."""
        slug, origin = partner_origin(deployed)

        page = await deployed.client.post(SIGNATURES, data=form(), headers={"Origin": origin})

        assert f'name="partner" value="{slug}"' in page.text

    async def test_a_script_that_sends_a_form_gets_json_if_it_asks_for_it(self, deployed: World) -> None:
        """The Accept header decides, for successes and for errors."""
        asks = {"Accept": "application/json"}

        good = await deployed.client.post(SIGNATURES, data=form(), headers=asks)
        bad = await deployed.client.post(SIGNATURES, data=form(consent=""), headers=asks)

        assert good.text == '{"status":"check_inbox"}'
        assert (bad.status_code, bad.json()["code"]) == (422, "invalid_fields")

    async def test_returns_to_a_registered_partners_page(self, deployed: World) -> None:
        """It redirects to `return_url` with 303."""
        _, origin = partner_origin(deployed)

        response = await deployed.client.post(SIGNATURES, data=form(return_url=f"{origin}/thanks?a=1"))

        assert (response.status_code, response.headers["location"]) == (303, f"{origin}/thanks?a=1")

    @pytest.mark.parametrize(
        "url",
        [
            "https://stranger.example/",
            "//stranger.example/",
            "javascript:alert(1)",
            "{origin}.stranger.example/",
            "{origin}@stranger.example/",
            "https://stranger.example\\@{host}/",
            "{origin}:8443/",
            " {origin}/",
            "{origin}/\n",
        ],
    )
    async def test_is_no_open_redirect(self, deployed: World, url: str) -> None:
        """Any other `return_url` is ignored, and the check-your-inbox page is shown."""
        _, origin = partner_origin(deployed)
        tricky = url.format(origin=origin, host=origin.removeprefix("https://"))

        response = await deployed.client.post(SIGNATURES, data=form(return_url=tricky))

        assert response.status_code == 200
        assert "location" not in response.headers

    async def test_a_form_of_an_unregistered_page_is_redirected_to_the_hosted_one(self, deployed: World) -> None:
        """It is redirected with 303, because its signer would not see JSON."""
        response = await deployed.client.post(SIGNATURES, data=form(), headers=STRANGER)

        assert response.status_code == 303
        assert response.headers["location"] == f"{PUBLIC_URL}/c/{CAMPAIGN}?lang=en&moved=1"

    @pytest.mark.parametrize(
        ("name", "media_type", "more"),
        [
            (b"Ren%E9+%8Auba", "", b""),
            (b"Ren\xe9+\x8auba", "", b""),
            (b"Ren%E9+%8Auba", "; charset=ISO-8859-1", b""),
            (b"Ren%E9+%8Auba", "", b"&_charset_=windows-1252"),
            (b"Ren%E9+%A9uba", "; charset=iso-8859-2", b""),
            (b"Ren%E9+%8Auba", "", b"&_charset_=windows-1250"),
            (b"Ren%C3%A9+%C5%A0uba", "; charset=no-such", b"&_charset_=UTF-8"),
        ],
    )
    async def test_a_form_of_an_old_page_is_read_in_its_encoding(
        self, deployed: World, name: bytes, media_type: str, more: bytes
    ) -> None:
        """The page declares it, or sends neither UTF-8 nor a label; Latin-1 is windows-1252, as in browsers."""
        content = VERSION + b"&email=r%40example.org&country=FR&locale=fr&consent=1&name=" + name + more
        headers = {"Content-Type": FORM["Content-Type"] + media_type}

        response = await deployed.client.post(SIGNATURES, content=content, headers=headers)

        assert response.status_code == 200
        assert (await enqueued(deployed)).name == "René Šuba"

    async def test_a_form_in_no_encoding_gets_an_error_page(self, deployed: World) -> None:
        """0x81 is a letter in neither UTF-8 nor windows-1252."""
        response = await deployed.client.post(SIGNATURES, content=b"name=Ren%81", headers=FORM)

        assert response.status_code == 400
        assert "UTF-8" in response.text
        assert response.headers["content-type"].startswith("text/html")

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (b"consent=0&consent=1", 200),
            (b"consent=on&consent=0", 200),
            (b"consent=0&consent=", 422),
            (b"consent=0&consent=0", 422),
        ],
    )
    async def test_a_ticked_box_is_consent_whatever_is_hidden_beside_it(
        self, deployed: World, sent: bytes, status: int
    ) -> None:
        """PHP and Rails send a hidden field of the same name with every box."""
        content = VERSION + b"&email=r%40example.org&country=FR&locale=fr&name=Ann&" + sent

        response = await deployed.client.post(SIGNATURES, content=content, headers=FORM)

        assert response.status_code == status

    async def test_of_a_hidden_field_and_a_box_the_last_is_the_choice(self, deployed: World) -> None:
        """So read PHP and Rails the newsletter's field."""
        signer = b"&email=r%40example.org&country=FR&locale=fr_FR&name=Ann&consent=1"
        content = VERSION + signer + b"&newsletter=0&newsletter=1"

        await deployed.client.post(SIGNATURES, content=content, headers=FORM)

        message = await enqueued(deployed)
        assert (message.newsletter, message.locale) == (True, "fr")

    async def test_cleaned_values_are_shown(self, deployed: World) -> None:
        """On the page after signing, and in a form that comes back with errors."""
        pasted = form(email="Ann <mailto:ann@example.org>,", name="Ann\u200b\tExample")

        good = await deployed.client.post(SIGNATURES, data=pasted)
        bad = await deployed.client.post(SIGNATURES, data=pasted | {"consent": "0"})

        for response in (good, bad):
            assert 'name="email" value="ann@example.org"' in response.text
            assert 'name="name" value="Ann Example"' in response.text
        assert (good.status_code, bad.status_code) == (200, 422)

    async def test_more_fields_than_any_form_has_are_refused(self, deployed: World) -> None:
        """Parsing them would take minutes."""
        response = await deployed.client.post(SIGNATURES, content=b"&".join([b"a=1"] * 4_000), headers=FORM)

        assert response.status_code == 413

    async def test_asking_for_links_by_form_answers_with_a_page(self, deployed: World) -> None:
        """A valid address gets 200, and a malformed one 422."""
        good = await deployed.client.post(LINKS, data={"email": "ann@example.org", "locale": "en"})
        bad = await deployed.client.post(LINKS, data={"email": "ann@", "locale": "en"})

        assert (good.status_code, bad.status_code) == (200, 422)
        assert "ann@example.org" in good.text.replace("<wbr>", "")


async def test_nothing_a_client_sends_is_logged(deployed: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The functions print no address, name or token, whether requests succeed or fail."""
    mail = await deployed.sign_and_deliver(email="ann@example.org", name="Ann Example")
    await deployed.press(mail)
    await deployed.press(mail, "withdraw")
    await deployed.sign(email="broken", name="Broken Name")
    deployed.functions["sign"].deps.envelopes._queue = BrokenQueue(KeyError("unexpected@"))
    await deployed.sign(email="unexpected@example.org")

    printed = "".join(capsys.readouterr())
    assert all(json.loads(line)["event"] for line in printed.splitlines())
    assert '"event": "unexpected"' in printed
    for secret in ("ann@", "Ann", "broken", "Broken", "unexpected@", mail.links["confirm"].rsplit("/", 1)[1]):
        assert secret not in printed
