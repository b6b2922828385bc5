"""The page of exports: sealed signatures are written into folders of this machine, and some files given out.

The page names the folder, beside the others of the campaign in the folder that the desk was started in, and so
writes nowhere else. What was opened with a key is never among what it gives out.
"""

import itertools
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from desk import runtime
from desk.offline_pages import pages
from desk.signatures.export import (
    MANIFEST,
    SIGNATURES,
    UNFINISHED,
    Manifest,
    Unfinished,
    folder_name,
    write_export,
)
from desk.web.forms import campaign_id, read_campaign, title
from desk.web.jobs import jobs
from desk.web.rendering import render
from shared.clock import utc_now

#: What the desk gives out of an export: the page that opens it, and what the page is given.
FILES = (pages.OPEN, SIGNATURES, MANIFEST)
_KIND = "export"


async def show_exports(request: Request) -> Response:
    """Show the exports of a campaign, and how far one has come that is being written."""
    campaign, overlay = await read_campaign(request)
    folder = next_folder(campaign.id)
    return render(
        "exports.html",
        campaign=campaign,
        title=title(campaign),
        overlay=overlay,
        exports=finished_exports(campaign.id),
        folder=folder,
        unfinished=_unfinished(folder, campaign.id),
        job=jobs(request).get(campaign.id, _KIND),
        files=FILES,
    )


async def start_export(request: Request) -> Response:
    """Write an export, or go on with the one that was stopped."""
    campaign = campaign_id(request)
    work = partial(write_export, campaign, next_folder(campaign), utc_now())
    await jobs(request).start(campaign, _KIND, "Export", work).wait()
    return RedirectResponse(f"/campaigns/{campaign}/exports", status_code=303)


async def download(request: Request) -> Response:
    """Give out one file of an export, never shown: `open.html` is opened from a folder, offline."""
    campaign, name = campaign_id(request), request.path_params["file"]
    known = {folder.name: folder for folder, _ in finished_exports(campaign)}
    folder = known.get(request.path_params["folder"])
    if folder is None or name not in FILES or not (folder / name).is_file():
        raise HTTPException(404)
    return FileResponse(folder / name, filename=name, content_disposition_type="attachment")


def next_folder(campaign: str) -> Path:
    """Return the folder of the export that was stopped, else a new one: the first name that is free."""
    name = folder_name(campaign)
    folders = (Path.cwd() / f"{name}{f'-{number}' if number > 1 else ''}" for number in itertools.count(1))
    return next(folder for folder in folders if not folder.exists() or _unfinished(folder, campaign))


def finished_exports(campaign: str) -> Sequence[tuple[Path, Manifest]]:
    """Return each folder with a whole export from this deployment, the newest first, and what it holds."""
    found = list[tuple[Path, Manifest]]()
    for path in Path.cwd().glob(f"{folder_name(campaign)}*/{MANIFEST}"):
        with suppress(OSError, ValidationError):
            manifest = Manifest.model_validate_json(path.read_bytes())
            if manifest.campaign == campaign and not (path.parent / UNFINISHED).exists():
                found.append((path.parent, manifest))
    return sorted(found, key=lambda each: each[1].as_of, reverse=True)


def _unfinished(folder: Path, campaign: str) -> Unfinished | None:
    """Return how far an export of the campaign here had come that was stopped in this folder; None without any."""
    try:
        state = Unfinished.model_validate_json((folder / UNFINISHED).read_bytes())
    except (OSError, ValidationError):
        return None
    return state if (state.campaign, state.place) == (campaign, runtime.place()) else None
