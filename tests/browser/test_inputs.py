"""What people type and paste, through the widget in a browser: the same values as on the server, shown back."""

import sys
import unicodedata
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from shared.models.cleaning import clean_email, clean_postal_code, clean_text
from tests.browser.conftest import WIDE, Walk
from tests.browser.partner import Site, register
from tests.browser.steps import fill_in
from tests.support.deployment import CAMPAIGN
from tests.support.inputs import ADDRESSES, NAMES, POSTAL_CODES
from tests.support.servers import Server, server

CLEANERS = {"name": clean_text, "email": clean_email, "postal_code": clean_postal_code}

only_wide = pytest.mark.parametrize("visit", [WIDE], ids=["wide"], indirect=True)


@pytest.fixture(scope="module")
def running(partner: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Undersign with a campaign that asks for the postal code."""
    folder = tmp_path_factory.mktemp("server")
    campaigns = register(partner.origin, folder / "campaigns")
    file = campaigns / f"{CAMPAIGN}.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("asks_postal_code = false", "asks_postal_code = true"), encoding="utf-8")
    with server(folder / "var", CAMPAIGNS_FOLDER=str(campaigns)) as started:
        yield started


async def opens(visit: Walk) -> None:
    """Open the form, and wait until the script has made it its own."""
    await visit.opens(f"/c/{CAMPAIGN}?lang=en")
    await expect(visit.page.locator("undersign-form form[novalidate]")).to_be_visible()


#: Types each text into the field, leaves it, and returns what it shows then.
_SHOWN = """async ([name, texts]) => {
  const field = document.querySelector(`undersign-form [name=${name}]`);
  const shown = [];
  for (const text of texts) {
    field.value = text;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve, 0));
    await new Promise((resolve) => setTimeout(resolve, 0));
    shown.push(field.value);
  }
  return shown;
}"""


@only_wide
@pytest.mark.parametrize(
    ("field", "inputs"), [("name", NAMES), ("email", ADDRESSES), ("postal_code", POSTAL_CODES)]
)
async def test_a_field_shows_what_the_server_makes_of_it(
    visit: Walk, field: str, inputs: dict[str, str | None]
) -> None:
    """Once it is left, and for every character that Unicode has for formatting, spaces and dashes."""
    marks = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in {"Cc", "Cf", "Pd", "Zs", "Zl", "Zp"}
    ]
    texts = [*inputs, *(f"1{mark}2" for mark in marks), "ب\u200cب", "क्\u200dष", "n\u200dn", "ب\u200c\u200c ب"]
    texts = [text for text in texts if not {*"\r\n"} & {*text}]  # of which browsers leave nothing in a field
    await opens(visit)

    shown = await visit.page.evaluate(_SHOWN, [field, texts])

    assert dict(zip(texts, shown, strict=True)) == {text: CLEANERS[field](text) for text in texts}


@only_wide
@pytest.mark.parametrize(("field", "inputs"), [("Name", NAMES), ("Email", ADDRESSES), ("Postal", POSTAL_CODES)])
async def test_what_the_server_takes_is_sent_and_what_it_refuses_has_a_fault(
    visit: Walk, address: str, field: str, inputs: dict[str, str | None]
) -> None:
    """Script and server agree about every input."""
    await opens(visit)

    for typed, kept in inputs.items():
        await fill_in(visit, address)
        await visit.field("No").check()
        await visit.field(field).evaluate("(field, text) => (field.value = text)", typed)
        await visit.presses("Sign now")

        if kept is None:
            await expect(visit.field(field), typed).to_have_attribute("aria-invalid", "true")
        else:
            await expect(visit.page.locator("undersign-form h2"), typed).to_have_text("Check your inbox")
            await visit.presses("Correct my email address")


@pytest.mark.parametrize("walk", [WIDE], ids=["wide"], indirect=True)
async def test_an_address_of_another_script_is_sent_without_a_script(walk: Walk) -> None:
    """Browsers refuse it in a field of the type email."""
    await walk.opens(f"/c/{CAMPAIGN}?lang=en")
    await fill_in(walk, "jörg@bücher.example")
    await walk.presses("Sign now")

    await walk.is_at("Check your inbox")
    await expect(walk.page.locator("strong.address")).to_have_text("jörg@bücher.example")
