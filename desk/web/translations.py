"""The languages of a campaign: which there are, which of them somebody has vouched for, and further ones."""

from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from desk.campaigns import edit, fields
from desk.campaigns.toml_edit import as_list, get
from desk.errors import CommandError
from desk.settings import deployment
from desk.web.editor import CHANGED, parts
from desk.web.forms import campaign_id, done_message, redirect_done
from desk.web.rendering import render
from desk.web.rights import files_read_only
from desk.web.uploads import read_form
from desk.workspace import campaign_file
from shared import locales
from shared.campaigns import drafted, loader
from shared.campaigns.problems import CampaignFiles
from shared.errors import ConfigurationError


async def show_languages(request: Request) -> Response:
    """Show the languages that a campaign has texts in."""
    return _page(request, done=done_message(request))


def _page(request: Request, faults: Sequence[str] = (), done: str = "", status: int = 200) -> Response:
    file = campaign_file(campaign_id(request))
    files = loader.read(file)
    content = edit.content(files)
    known, vouched = fields.languages(content), as_list(get(content, ("vouched_languages",)))
    return render(
        "languages.html",
        status,
        campaign={"id": file.stem},
        title=fields.title(content),
        sections=parts(),
        digest=edit.digest(files),
        languages=[(each, fields.native_name(each), each in vouched) for each in known],
        others=[
            (each, fields.native_name(each), each in drafted.languages())
            for each in sorted(locales.LANGUAGES - set(known))
        ],
        deployment=deployment(),
        files_read_only=files_read_only(),
        faults=faults,
        done=done,
    )


async def change_languages(request: Request) -> Response:
    """Add a language, or save which ones somebody has vouched for."""
    pairs, _ = await read_form(request)
    file = campaign_file(campaign_id(request))
    files = loader.read(file)
    given = dict(pairs)
    if given.get("digest") != edit.digest(files):
        return _page(request, [CHANGED], status=409)
    path = f"/campaigns/{file.stem}/edit/languages"
    try:
        if given.get("do") == "add":
            language = given.get("language", "")
            edit.save_if_it_loads(file, given["digest"], _with_language(file, files, language))
            return redirect_done(f"{path}/{language}", "language_added")
        if given.get("do") != "vouch":
            raise CommandError("That is not what this form sends.")
        ticked = {value for name, value in pairs if name == "vouched"}
        edit.save_if_it_loads(file, given["digest"], _with_vouched(files, ticked))
    except (CommandError, ConfigurationError) as error:
        return _page(request, str(error).splitlines(), status=400)
    return redirect_done(path, "saved")


def _with_language(file: Path, files: CampaignFiles, language: str) -> CampaignFiles:
    loader.parse(files, file.with_suffix(""))
    if language not in locales.LANGUAGES or language in fields.languages(edit.content(files)):
        raise CommandError("Choose one of the languages.")
    return edit.with_translation(files, language)


def _with_vouched(files: CampaignFiles, ticked: set[str]) -> CampaignFiles:
    """Return the files with these vouched languages; the campaign's own always is one."""
    content = edit.content(files)
    known = fields.languages(content)
    before = as_list(get(content, ("vouched_languages",)))
    after = [language for language in known if language in {*known[:1], *ticked}]
    if set(map(str, before)) == set(after):
        return files
    return edit.apply(files, {("vouched_languages",): after})
