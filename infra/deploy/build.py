"""Stage each function in build/<function>/: its main.py, what it shares with the others, its locked requirements.

The campaign files (of CAMPAIGNS_FOLDER, if it is set) are checked, their images made into the sizes that pages
load, and the pages' templates compiled, so that no function has to do it.

Deterministic: the same sources give the same bytes, so each bundle is named by its content:
build/<function>-<SHA-256>.zip.
"""

import argparse
import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from shared import campaigns
from shared.campaigns import images
from shared.campaigns.loader import FOLDER
from shared.settings import CampaignSettings, load
from shared.web import pages
from shared.web.routes import FUNCTIONS

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
#: One moment for every file, so that an archive of them depends on their content alone: 2020-01-01 in UTC.
_MTIME = 1577836800
_ZIP_DATE = (2020, 1, 1, 0, 0, 0)


def build(target: Path) -> None:
    """Stage all functions under `target`, replacing what is there."""
    for function in FUNCTIONS:
        folder = target / function
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "functions" / function, folder, ignore=_litter)
        shutil.copytree(ROOT / "shared", folder / "shared", ignore=_litter)
        _put_campaigns(folder / "shared" / "campaigns")
        pages.compile_templates(folder / "shared" / "web" / "templates" / pages.COMPILED)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (_MTIME, _MTIME))


def campaigns_folder() -> Path:
    """Return the folder of the campaign files that a build ships."""
    return load(CampaignSettings).campaigns_folder or FOLDER


def _put_campaigns(target: Path) -> None:
    """Replace the campaigns under `target` by those to be shipped: files, translations, images in all sizes."""
    for file in target.glob("*.toml"):
        shutil.rmtree(file.with_suffix(""), ignore_errors=True)
        file.unlink()
    source = campaigns_folder()
    for name, campaign in campaigns.load_all(source).items():
        shutil.copy(source / f"{name}.toml", target)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=_litter)
            images.write(campaign.pictures, target / name)


def bundle(target: Path) -> Mapping[str, Path]:
    """Pack what is staged under `target`, and return the bundle of each function."""
    return {function: _pack(target, function) for function in FUNCTIONS}


def _pack(target: Path, function: str) -> Path:
    for old in target.glob(f"{function}-*.zip"):
        old.unlink()
    part = target / f"{function}.part"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in (target / function).rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(target / function).as_posix(), _ZIP_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    packed = target / f"{function}-{hashlib.sha256(part.read_bytes()).hexdigest()}.zip"
    part.rename(packed)
    return packed


_litter = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def main() -> None:
    """Stage and pack all functions, and print where."""
    argparse.ArgumentParser(description="Stage and pack each function in build/.").parse_args()
    build(BUILD)
    for packed in bundle(BUILD).values():
        print(packed.relative_to(ROOT))


if __name__ == "__main__":
    main()
