"""Read campaign files and their translations, and say what is wrong with them, line by line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.campaigns.images import SHARE_IMAGE, Picture, share_image
from shared.campaigns.model import Campaign
from shared.campaigns.problems import CampaignFiles, InvalidCampaign, TomlFile, located_errors
from shared.errors import ConfigurationError

FOLDER = Path(__file__).parent


def load_all(folder: Path = FOLDER) -> Mapping[str, Campaign]:
    """Load all campaigns of `folder`, by id; there is at least one.

    Raises:
        ConfigurationError: a file does not load, or there is none; names file, line and key of every error, and
            what belongs there.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: there is no such folder, and campaign files are looked for in it")
    loaded, errors = {}, []
    for path in sorted(folder.glob("*.toml")):
        try:
            loaded[path.stem] = load(path)
        except ConfigurationError as error:
            errors.append(str(error))
    if errors:
        raise ConfigurationError("\n".join(errors))
    if not loaded:
        raise ConfigurationError(f"{folder}: holds no campaign file, whose name would end in .toml")
    return loaded


def load(path: Path) -> Campaign:
    """Load one campaign with its translations; its id is the file's name. Raises like `load_all`."""
    return parse(read(path), path.with_suffix(""))


def parse(files: CampaignFiles, folder: Path) -> Campaign:
    """Make a campaign of what its files say. `folder`: where its pictures are; named like the campaign.

    Raises:
        InvalidCampaign: it does not fit what a campaign must be.
        ConfigurationError: a file is no TOML.
    """
    for key, message in _NOT_KEYS.items():
        if key in files.main.content:
            raise ConfigurationError(files.describe((key,), message))
    content = {**files.main.content, "id": folder.name, "share_image": _share_image(folder)}
    if files.translations:
        content["texts"] = _texts(files)
    try:
        return Campaign.model_validate(content, context={"folder": folder})
    except ValidationError as invalid:
        raise InvalidCampaign(files, list(located_errors(Campaign, invalid))) from None


_NOT_KEYS = {
    "id": "is not a key here: the file's name is the campaign's id",
    "share_image": "is not a key here: put the picture into the campaign's folder, as share.png",
    "paused": "is not a key here: to pause a campaign, run undersign campaign pause",
}


def read(path: Path) -> CampaignFiles:
    """Read the file of a campaign and its translations, as they are written.

    Raises:
        ConfigurationError: one of them is not in UTF-8.
    """
    folder = sorted(path.with_suffix("").glob("*.toml"))
    translations = {file.stem: _read(file, f"{path.stem}/{file.name}") for file in folder}
    return CampaignFiles(_read(path, path.name), translations)


def _texts(files: CampaignFiles) -> dict[str, Any]:
    """Return the texts by language: those in the campaign's file, and its translations."""
    texts = files.main.content.get("texts", {})
    for language, file in files.translations.items():
        if not isinstance(texts, dict) or language in texts:
            message = f"is in {file.name}, too: leave one of the two"
            raise ConfigurationError(CampaignFiles(files.main).describe(("texts", language), message))
    return {**texts, **{language: file.content for language, file in files.translations.items()}}


def _share_image(folder: Path) -> Picture | None:
    try:
        return share_image(folder)
    except ValueError as error:
        raise ConfigurationError(f"{folder.name}/{SHARE_IMAGE}: {error}") from None


def _read(path: Path, name: str) -> TomlFile:
    try:
        # Windows' Notepad puts a byte order mark in front.
        return TomlFile(name, path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: is not in UTF-8; let your editor save it in that encoding") from None
