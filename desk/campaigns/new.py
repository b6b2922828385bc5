"""`undersign campaign new`: a campaign file that loads, from what only its organiser knows.

What could only be drafted is marked in the file by a comment that begins with "TO DO"; `undersign campaign check`
lists these until they are deleted.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator

from desk import runtime
from desk.campaigns import templates
from desk.errors import CommandError
from desk.terminal import prompts
from desk.terminal.output import out
from shared.campaigns import drafted, loader, problems
from shared.campaigns.problems import CampaignFiles, TomlFile
from shared.campaigns.types import Address, FileName, HttpsUrl, OneLine, Recipient
from shared.clock import utc_now
from shared.models.whole_numbers import whole_number

_RUNS_FOR = timedelta(days=365)
#: Goals on the way, times a power of ten: 100, 250, 500, 1000, …
_STEPS = (100, 250, 500)
_FIRST_STEPS = 100


def _check_drafted(language: str) -> str:
    known = drafted.languages()
    if language not in known:
        raise ValueError(
            f"texts are drafted in {', '.join(known)}: begin with one, and translate it in a file of its own"
        )
    return language


def _read_day(given: Any) -> Any:
    # pydantic would take a number for seconds since 1970.
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise ValueError("write a day, as in 2026-11-01") from None


def _split(given: Any) -> Any:
    return given.split() if isinstance(given, str) else given


Day = Annotated[date, BeforeValidator(_read_day)]
Whole = Annotated[int, BeforeValidator(whole_number)]


class Beginning(BaseModel, frozen=True, extra="forbid"):
    """What a campaign file is begun with. The descriptions are what one is asked at a terminal."""

    campaign: FileName = Field(description="the campaign's id, which becomes part of its address")
    title: OneLine = Field(description="what the petition asks for, in a few words")
    addressee: OneLine = Field(description="whom it asks, and who is given the signatures")
    organisation: OneLine = Field(description="the full name of the organisation that decides on the data")
    postal_address: OneLine = Field(description="its postal address, in one line")
    email: Address = Field(description="its address for signers' questions; mail is sent from it, too")
    website: HttpsUrl = Field(description="its website, with https://")
    mail_provider: OneLine = Field(description="the company that delivers the mail for it")
    mail_place: OneLine = Field(description="the country in which that company handles the mail")
    language: Annotated[str, BeforeValidator(_check_drafted)] = Field(
        description="the petition's language, as in en"
    )
    goal: Whole = Field(ge=1, description="how many signatures you want")
    opens: Day = Field(description="the first day on which one can sign")
    closes: Day = Field(description="the last day on which one can sign")
    minimum_age: Whole = Field(ge=13, le=21, description="the age, in years, from which one may sign")
    retention_days: Whole = Field(ge=1, le=3650, description="how many days after the close signatures are kept")
    recipient: Annotated[tuple[Recipient, ...], BeforeValidator(_split)] = Field(
        description="the public keys (age1…) of those who will read the signatures, with spaces between"
    )

    @field_validator("closes")
    @classmethod
    def _closes_after_it_opens(cls, closes: date, others: ValidationInfo) -> date:
        if closes < others.data.get("opens", closes):
            raise ValueError("lies before the first day")
        return closes

    @property
    def goal_steps(self) -> tuple[int, ...]:
        """Return the goals on the way: from a hundredth of the goal on, and no smaller than a hundred."""
        powers = (10**power for power in range(len(str(self.goal))))
        steps = (step * power for power in powers for step in _STEPS)
        return (*(step for step in steps if max(self.goal // 100, _FIRST_STEPS) <= step < self.goal), self.goal)


def _option(description: str) -> Any:
    return typer.Option(help=description)


Given = str | None


def new_campaign(
    campaign: Annotated[
        str, typer.Argument(help="Its id, which becomes part of its address: a to z, 0 to 9, hyphens.")
    ],
    title: Annotated[Given, _option("What the petition asks for, in a few words.")] = None,
    addressee: Annotated[Given, _option("Whom it asks, and who is given the signatures.")] = None,
    organisation: Annotated[Given, _option("The full name of the organisation that decides on the data.")] = None,
    postal_address: Annotated[Given, _option("Its postal address, in one line.")] = None,
    email: Annotated[Given, _option("Its address for signers' questions; mail is sent from it, too.")] = None,
    website: Annotated[Given, _option("Its website, with https://.")] = None,
    mail_provider: Annotated[Given, _option("The company that delivers the mail for it.")] = None,
    mail_place: Annotated[Given, _option("The country in which that company handles the mail.")] = None,
    language: Annotated[Given, _option("The petition's language; by default en.")] = None,
    goal: Annotated[Given, _option("How many signatures you want; by default 10000.")] = None,
    opens: Annotated[Given, _option("The first day, as in 2026-11-01; by default today.")] = None,
    closes: Annotated[Given, _option("The last day; by default a year later.")] = None,
    minimum_age: Annotated[Given, _option("The age, in years, from which one may sign; by default 16.")] = None,
    retention_days: Annotated[
        Given, _option("Days after the close until signatures are purged; by default 90.")
    ] = None,
    recipient: Annotated[
        list[str] | None,
        _option("A public key (age1…) of somebody who will read the signatures; may be repeated."),
    ] = None,
    folder: Annotated[Path | None, _option("Where campaign files are; by default CAMPAIGNS_FOLDER.")] = None,
) -> None:
    """Begin a campaign file. At a terminal you are asked for what is not given."""
    options = {**locals(), "recipient": " ".join(recipient) if recipient else None}
    given = {name: options[name] for name in Beginning.model_fields if options[name] is not None}
    folder, today = folder or runtime.campaigns_folder(), utc_now().date()
    _refuse_existing(folder / f"{campaign}.toml")
    _check(given, *given)
    answers = _asked(given, today) if prompts.at_terminal() else with_defaults(given, today)
    _check(answers, *Beginning.model_fields)
    file = write_campaign(Beginning.model_validate(answers), folder, today)
    out.print(f"[green]Made[/]: {file}. It loads, and says in its comments what only you can write.")
    out.print(f"What is left to do:        undersign campaign check {campaign}")
    out.print("A key, on two machines:    undersign keygen")
    out.print(f"That both keys open:       undersign prove {campaign} -i KEY-FILE")


def with_defaults(given: Mapping[str, str], today: date) -> Mapping[str, str]:
    """Return what is given, and the default of each question that is not answered and has one."""
    answers = {name: given.get(name, _default(name, given, today)) for name in Beginning.model_fields}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _default(name: str, given: Mapping[str, str], today: date) -> str | None:
    """Return the answer that a question has by default; None where it must be answered."""
    if name == "closes":
        try:
            return str(date.fromisoformat(given["opens"]) + _RUNS_FOR)
        except (KeyError, ValueError):
            return str(today + _RUNS_FOR)
    fixed = {"language": "en", "goal": "10000", "minimum_age": "16", "retention_days": "90", "recipient": ""}
    return {**fixed, "opens": str(today)}.get(name)


def _asked(given: Mapping[str, str], today: date) -> Mapping[str, str]:
    """Return what is given, and ask for all that is not, each until it is right."""
    known = dict(given)
    for name, field in Beginning.model_fields.items():
        if name in known:
            continue
        asks, default = f"\n{field.description}", _default(name, known, today)
        known[name] = typer.prompt(asks, default=default, err=True)
        while errors := _errors(known, name):
            known[name] = typer.prompt(f"{errors[0]}\n{asks}", default=default, err=True)
    return known


def find_errors(given: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return the name of each answer that is missing or wrong, and a sentence about it."""
    try:
        Beginning.model_validate(given)
    except ValidationError as error:
        return [(str(location[0]), message) for location, message in problems.located_errors(Beginning, error)]
    return []


def _errors(given: Mapping[str, str], *names: str) -> Sequence[str]:
    """Return what is wrong with the options of these names."""
    return [f"{_flag(name)}: {message}" for name, message in find_errors(given) if name in names]


def _check(given: Mapping[str, str], *names: str) -> None:
    """Check the options of these names.

    Raises:
        CommandError: one is missing, wrong, or wrong together with another; each is named.
    """
    if errors := _errors(given, *names):
        raise CommandError("\n".join(errors))


def _flag(name: str) -> str:
    return name if name == "campaign" else f"--{name.replace('_', '-')}"


def _text(begun: Beginning, today: date) -> str:
    values = begun.model_dump()
    return templates.render(
        "campaign.toml.j2",
        **values,
        today=today,
        goal_steps=begun.goal_steps,
        words={key: text.format(**values) for key, text in drafted.texts(begun.language).items()},
    )


def write_campaign(begun: Beginning, folder: Path, today: date) -> Path:
    """Write the file of a new campaign into `folder`, which is made if it is missing, and return its path.

    The loader has read it before it is there, so that a file that is there always loads.

    Raises:
        CommandError: there is such a file, or it cannot be written.
    """
    file = folder / f"{begun.campaign}.toml"
    _refuse_existing(file)
    text = _text(begun, today)
    loader.parse(CampaignFiles(TomlFile(file.name, text)), file.with_suffix(""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as made:
            made.write(text)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}.") from None
    return file


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise CommandError(f"{file} exists already. Campaign files are never overwritten: choose another id.")
