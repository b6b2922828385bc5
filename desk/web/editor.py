"""The editor of the campaign file: sections that are saved one by one, with the petition's page beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from desk.campaigns import edit, fields, pictures
from desk.campaigns.fields import Entry, Section
from desk.campaigns.toml_edit import as_list, get
from desk.errors import CommandError
from desk.settings import deployment
from desk.web.controls import Notes, find, groups, make_controls, without_place, without_unchanged
from desk.web.forms import campaign_id, done_message
from desk.web.guard import HEADERS
from desk.web.preview import data_uri, framed, preview
from desk.web.rendering import render
from desk.web.rights import files_read_only
from desk.web.uploads import Pictures, Upload, read_form, saved_name
from desk.workspace import campaign_file
from shared.campaigns import images, loader
from shared.campaigns.model import Campaign
from shared.campaigns.problems import CampaignFiles, Location
from shared.clock import utc_now
from shared.errors import ConfigurationError

_POLICY = f"{HEADERS['Content-Security-Policy']}; frame-src 'self'"


@dataclass(frozen=True, slots=True)
class SectionForm:
    """What a form of the editor sends: texts by field, the names of what is done, and chosen files by field."""

    given: Mapping[str, str]
    done: Sequence[str]
    uploads: Mapping[str, Upload]


@dataclass(frozen=True, slots=True)
class Editing:
    """One section of one campaign, as it is on the disk."""

    file: Path
    files: CampaignFiles
    content: Mapping[str, Any]
    section: Section
    entries: Sequence[Entry]

    @property
    def path(self) -> str:
        """Return the path of its page."""
        return f"/campaigns/{self.file.stem}/edit/{self.section.name}"

    @property
    def language(self) -> str:
        """Return the language that the section is about."""
        return self.section.name.partition("languages/")[2] or fields.languages(self.content)[0]


def _open(request: Request) -> Editing:
    """Read a campaign's files, and find the section that the path names.

    Raises:
        CommandError: there is no such campaign, or no such section.
        ConfigurationError: a file is no TOML.
    """
    file = campaign_file(campaign_id(request))
    files = loader.read(file)
    content = edit.content(files)
    if not fields.languages(content):
        raise CommandError(
            f"{file.name} holds no texts: write a table for them in a text editor, as in [texts.en]."
        )
    if (file.with_suffix("") / pictures.SHARE_FILE).is_file():
        content[str(pictures.SHARE[0])] = pictures.SHARE_FILE
    name = str(request.path_params["section"])
    sections = {each.name: each for each in fields.SECTIONS}
    language = name.partition("languages/")[2]
    if language in fields.languages(content)[1:]:
        sections[name] = fields.translation(language, edit.privacy_words(content))
    if name not in sections:
        raise CommandError("There is no such part of the campaign file.")
    return Editing(file, files, content, sections[name], list(fields.entries(sections[name], content)))


async def lead_to_editor(request: Request) -> Response:
    """Lead to the first section."""
    return RedirectResponse(f"/campaigns/{campaign_id(request)}/edit/{fields.SECTIONS[0].name}", status_code=303)


async def show_section(request: Request) -> Response:
    """Show the fields of a section, and what was done to the translations of the privacy notice's words."""
    query = request.query_params
    words = edit.Words(
        dict(zip(query.getlist("old"), query.getlist("new"), strict=False)), query.getlist("removed")
    )
    return _page(_open(request), done=done_message(request), words=words)


async def save_section(request: Request) -> Response:
    """Save a section, or show it again as it was filled in, with what is wrong."""
    form = await _read(request)
    editing = _open(request)
    if form.given.get("digest") != edit.digest(editing.files):
        lost = without_place(editing.entries, form.given)
        sentences = [CHANGED, *(f"The file has no place any more for what you wrote: {text}" for text in lost)]
        given = without_unchanged(editing.entries, form.given)
        return _page(editing, replace(form, given=given), [((), each) for each in sentences], has_changed=True)
    placed = Pictures(editing.file.with_suffix(""))
    try:
        form = replace(form, given={**form.given, **_pictures(editing, form, placed)})
        files, words, faults = _edited(editing, form)
        if not (faults := [*placed.faults, *faults]):
            placed.put_share()
            edit.save(editing.file, form.given["digest"], files)
            return _redirect_saved(editing, words)
    except (CommandError, ConfigurationError) as error:
        faults = [((), sentence) for sentence in str(error).splitlines()]
    placed.drop()
    return _page(editing, form, faults)


def _redirect_saved(editing: Editing, words: edit.Words) -> Response:
    query = {
        "done": "saved",
        "old": list(words.renamed),
        "new": list(words.renamed.values()),
        "removed": words.removed,
    }
    return RedirectResponse(f"{editing.path}?{urlencode(query, doseq=True)}", status_code=303)


def _pictures(editing: Editing, form: SectionForm, placed: Pictures) -> Mapping[str, str]:
    """Return the names of the pictures of a section, with those that the form brings."""
    chosen = [entry for entry in editing.entries if entry.field.format.is_file]
    return {entry.name: placed.name(entry, form.given, form.uploads) for entry in chosen}


CHANGED = (
    "The campaign file has changed on the disk since you opened this page: in an editor, by git or in another "
    "tab. What you wrote is still here. Where the file says something else, that now stands below the field. What "
    "you had not changed is as in the file. Save again to replace the rest."
)


async def _read(request: Request) -> SectionForm:
    texts, uploads = await read_form(request)
    return SectionForm(dict(texts), [value for name, value in texts if name == "done"], uploads)


def _edited(editing: Editing, form: SectionForm) -> tuple[CampaignFiles, edit.Words, edit.Errors]:
    """Return the campaign's files as a form changes them, the words it changes, and what is wrong with it."""
    changes, faults = edit.read_entries(editing.entries, form.given)
    given = form.given
    shown = None
    if given.get("consent_shown"):
        try:
            shown = (
                date.fromisoformat(given.get("shown_from", "")),
                date.fromisoformat(given.get("shown_until", "")),
            )
        except ValueError:
            faults.append(
                (_SHOWN, "Write the first and the last day on which signers saw the old text, as in 2026-11-01.")
            )
    files = edit.without_to_do(editing.files, form.done)
    changes = edit.with_new_consent(files, changes, utc_now().date(), shown)
    words = edit.changed_words(files, changes)
    files = edit.with_changed_words(edit.apply(files, changes), words)
    if not faults:
        faults = [*edit.new_errors(editing.files, files, editing.file.with_suffix(""), editing.entries)]
    return files, words, faults


#: Where an error stands about the days on which a consent text was shown.
_SHOWN: Location = ("consent_shown",)


async def show_preview(request: Request) -> Response:
    """Show the petition's page as it would be: with what a form holds, else as it is on the disk."""
    form = await _read(request) if request.method == "POST" else None
    editing = _open(request)
    files, faults = editing.files, edit.Errors()
    try:
        if form:
            given = {**form.given, **_saved_pictures(editing, form.given)}
            files, _, faults = _edited(editing, replace(form, given=given))
        campaign, errors = edit.errors(files, editing.file.with_suffix(""))
        if campaign and not faults:
            return preview(campaign, editing.language)
        sentences = [_sentence(editing, *each) for each in faults or errors]
    except (CommandError, ConfigurationError) as error:
        sentences = str(error).splitlines()
    return framed(bytes(render("preview_faults.html", sentences=sentences).body).decode(), _FAULTS_POLICY)


def _saved_pictures(editing: Editing, given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the fields of pictures as they are saved, and nothing for what describes a picture that is not."""
    chosen = [entry for entry in editing.entries if entry.field.format.is_file]
    missing = {entry.location for entry in chosen if not entry.shown}
    return {
        **{entry.name: saved_name(entry, given) for entry in chosen},
        **{entry.name: "" for entry in editing.entries if entry.field.describes in missing},
    }


_FAULTS_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


def _page(
    editing: Editing,
    form: SectionForm | None = None,
    faults: Sequence[tuple[Location, str]] = (),
    *,
    has_changed: bool = False,
    done: str = "",
    words: edit.Words | None = None,
) -> Response:
    """Render a section. `form`: what was not saved. `faults`: what is wrong, and where. `words`: what changed."""
    given = form.given if form else None
    folder = editing.file.with_suffix("")
    campaign, errors = edit.errors(editing.files, folder)
    left = [*errors, *(edit.unready(campaign) if campaign else ())]
    notes = Notes(faults, left, list(edit.to_do(editing.files)))
    controls = make_controls(editing.entries, editing.content, given, notes, _thumbnails(campaign))
    grouped = groups(controls)
    answer = render(
        "editor.html",
        409 if has_changed else 400 if faults else 200,
        campaign={"id": editing.file.stem},
        title=fields.title(editing.content),
        editing=editing,
        sections=parts(),
        groups=grouped,
        faulty=[(group.label(each), each) for group in grouped for each in group.controls if each.faults],
        other_faults=[_sentence(editing, *each) for each in faults if not find(editing.entries, each[0])],
        to_do=_to_do_elsewhere(editing),
        has_changed=has_changed,
        ticked=form.done if form and not has_changed else (),  # names of lines, which may be others by now
        words=words,
        digest=edit.digest(editing.files),
        consent=_consent(editing, given, is_ready=campaign is not None and not left),
        has_files=any(entry.field.format.is_file for entry in editing.entries),
        deployment=deployment(),
        files_read_only=files_read_only(),
        done=done,
    )
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer


def _sentence(editing: Editing, location: Location, sentence: str) -> str:
    """Return what is wrong with a key: with its label if the section has it, else with its file and line."""
    if entry := find(editing.entries, location):
        first = next(each for each in editing.entries if each.entry == entry.entry)
        of = f"{first.shown or f'New {entry.field.one}'}, " if entry.entry else ""
        return f"{of}{entry.field.label}: {sentence}"
    return editing.files.describe(location, sentence) if location not in {(), _SHOWN} else sentence


def _thumbnails(campaign: Campaign | None) -> Mapping[Location, str]:
    """Return small pictures of a campaign that loads, as addresses that hold them, by the keys that name them."""
    if campaign is None:
        return {}
    found: dict[Location, images.Image | None] = {
        ("picture",): campaign.picture,
        pictures.SHARE: campaign.share_image,
        **{("controllers", index, "logo"): each.logo for index, each in enumerate(campaign.controllers)},
        **{("supporters", index, "logo"): each.logo for index, each in enumerate(campaign.supporters)},
    }
    return {
        location: data_uri(image, min(image.sizes, key=image.sizes.__getitem__))
        for location, image in found.items()
        if image
    }


def parts() -> Sequence[tuple[str, str]]:
    """Return the parts of the campaign file that have a page: the end of its path, and its label."""
    return [*((section.name, section.label) for section in fields.SECTIONS), ("languages", "Languages")]


def _to_do_elsewhere(editing: Editing) -> Sequence[edit.ToDo]:
    """Return what is still to be done that no section shows beside a field; the first section lists it."""
    if editing.section is not fields.SECTIONS[0]:
        return []
    own = fields.languages(editing.content)[:1]
    shown = [entry for section in fields.SECTIONS for entry in fields.entries(section, editing.content)]
    return [
        each
        for each in edit.to_do(editing.files)
        if not find(shown, each.location) and (each.location[:1] != ("texts",) or each.location[1] in own)
    ]


def _consent(editing: Editing, given: Mapping[str, str] | None, *, is_ready: bool) -> Mapping[str, str] | None:
    """Return what the page asks about a consent text that changes: whether, and when, signers saw the old one.

    `is_ready`: whether the campaign could be open; nobody has signed one that could not. A text that came into the
    file today has probably not been deployed.
    """
    if editing.section.name != "consent":
        return None
    if given is not None:
        return {name: given.get(name, "") for name in ("consent_shown", "shown_from", "shown_until")}
    earlier = as_list(get(editing.content, ("earlier_consents",)))
    last = get(earlier, (len(earlier) - 1, "shown_until"))
    began = last or get(editing.content, ("opens",))
    today = utc_now().date()
    day = began.date() if isinstance(began, datetime) else began if isinstance(began, date) else today
    return {
        "consent_shown": "on" if is_ready and day <= today != last else "",
        "shown_from": str(min(day, today)),
        "shown_until": str(today),
    }
