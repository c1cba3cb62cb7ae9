"""SmallMinesDS as others have it: stacks and masks in folders by year, joined by tile and year, never by name.

`<YEAR>/IMAGE/IMG[_GH]_<TTTT>_<YEAR>.tif` and `<YEAR>/MASK/MASK[_GH]_<TTTT>_<YEAR>.tif`, folders in any case, and tables of splits
`patch_name, class_percentage, bin, split`. The same tile is the same ground in every year.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import profiles
from mining_platform.imports.channels import channels_of, left_out
from mining_platform.imports.findings import Finding, PatchImportError, found, named
from mining_platform.imports.found import Found, Pixels, Request, rows_of, side_of
from mining_platform.imports.image_files import TIFF_SUFFIXES, files_below, read_header, read_image, same_ground
from mining_platform.imports.table_columns import numbers, read_table
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.packages.package_facts import LABEL_VALUES
from mining_platform.patch_table_files import TEXT_SUFFIXES, text_of
from mining_platform.patch_tables import PatchTable
from mining_platform.splits.published import attach_published

LAYOUT = "smallmines"
IMAGE_NODATA = -9999
NAME = re.compile(r"(?P<kind>IMG|MASK)_(?:(?P<country>[A-Z]{2,3})_)?(?P<tile>\d{1,8})_(?P<year>\d{4})", re.IGNORECASE)
PATCH_NAME = re.compile(r"(?:(?:IMG|MASK)_)?(?:[A-Z]{2,3}_)?(?P<tile>\d{1,8})_(?P<year>\d{4})(?:\.tiff?)?$", re.IGNORECASE)
"""Name of a patch in a table of splits, after its folders if it has some."""
Key = tuple[int, int]
"""Tile and year."""


def read_smallmines(request: Request) -> Found:
    """The pairs of stacks and masks of a folder; PatchImportError for a tile and year that occurs twice, or no pair at all."""
    images, others = _by_key(request, "IMG")
    masks, _ = _by_key(request, "MASK")
    pairs = sorted(images.keys() & masks.keys())
    if not pairs:
        raise PatchImportError(
            f"{request.source} has {len(images)} stacks IMG_…_<tile>_<year>.tif and {len(masks)} masks MASK_…, and no pair of a "
            "tile and year. Name the folder that holds the folders of years."
        )
    alone = [images[key] for key in images.keys() - masks.keys()], [masks[key] for key in masks.keys() - images.keys()]
    header = read_header(request.folder, images[pairs[0]])
    channels = channels_of(request.channels, header.descriptions, profiles.profile("smallmines-13").channels, images[pairs[0]])
    splits, unread = _published_splits(request)
    rows = rows_of([_row(request, key, images[key], masks[key]) for key in pairs])
    rows, told = _with_splits(rows, splits)
    findings = (
        *found("missing pair", "stacks without a mask are left out", alone[0]),
        *found("missing pair", "masks without a stack are left out", alone[1]),
        *found("other files", "files are called otherwise and not read", [*others, *unread]),
        *left_out(channels),
        *told,
    )
    files = list(zip(rows["image_file"], rows["label_file"], strict=True))
    return Found(
        rows=rows,
        channels=channels,
        image=lambda number: _stack(request.folder, files[number][0]),
        label=lambda number: _mask(request.folder, *files[number]),
        findings=findings,
        recipe=LAYOUT,
    )


def _by_key(request: Request, kind: str) -> tuple[dict[Key, str], list[str]]:
    """Files of a kind by tile and year, and the rasters that are called otherwise."""
    known: dict[Key, str] = {}
    others = []
    for name in files_below(request.folder, TIFF_SUFFIXES):
        match = NAME.fullmatch(Path(name).stem)
        if match is None:
            others.append(name)
        elif match["kind"].upper() == kind and request.year in (None, int(match["year"])):
            key = int(match["tile"]), int(match["year"])
            if key in known:
                raise PatchImportError(f"Tile {key[0]} of {key[1]} occurs twice, as {known[key]} and {name}. Remove one of them.")
            _check_folder(name, match["year"])
            known[key] = name
    return known, others


def _check_folder(name: str, year: str) -> None:
    """PatchImportError where a file lies in the folder of another year."""
    folders = [part for part in Path(name).parts[:-1] if re.fullmatch(r"(19|20)\d{2}", part)]
    if folders and folders[-1] != year:
        raise PatchImportError(f"{name} lies in the folder {folders[-1]} and is called {year}. Move or rename it.")


def _row(request: Request, key: Key, image: str, mask: str) -> dict[str, Any]:
    tile, year = key
    row = {"patch_id": Path(image).stem, "place": str(tile), "region": request.region, "year": year}
    return {**row, "image_file": image, "label_file": mask}


def _stack(folder: Path, name: str) -> Pixels:
    """A stack whose pixels of IMAGE_NODATA have no data, whether the file says so or not."""
    pixels = read_image(folder, name)
    valid = pixels.valid & (pixels.values != IMAGE_NODATA)
    if pixels.values.dtype.kind == "f":
        valid &= np.isfinite(pixels.values)
    return replace(pixels, valid=valid)


def _mask(folder: Path, image: str, name: str) -> NDArray[np.uint8]:
    pixels, stack = read_image(folder, name), read_header(folder, image)
    values = pixels.values
    if len(values) != 1 or (unknown := sorted(set(np.unique(values).tolist()) - set(LABEL_VALUES[LAYOUT]))):
        what = f"{len(values)} bands" if len(values) != 1 else f"the values {unknown[:5]}"
        raise PatchImportError(f"{name} has {what}; a mask has one band of 0 other, 1 mining, {NO_LABEL} no class.")
    if stack.epsg and pixels.epsg and (stack.epsg != pixels.epsg or not same_ground(stack.transform, pixels.transform)):
        raise PatchImportError(f"{name} and {image} lie on different ground. Fetch them anew.")
    return values[0].astype(np.uint8)


def _published_splits(request: Request) -> tuple[pd.DataFrame, list[str]]:
    """Columns place, year, split, published_share, published_range of all tables of splits, and tables that are no such."""
    parts, unread = [], []
    for name in files_below(request.folder, TEXT_SUFFIXES):
        values = read_table(request, name).rename(columns=str.lower)
        if not {"patch_name", "split"} <= set(values):
            unread.append(name)
            continue
        told = text_of(values["patch_name"]).str.extract(PATCH_NAME)
        if (wrong := told["tile"].isna()).any():
            raise PatchImportError(f"{name}: {named(text_of(values['patch_name'])[wrong].tolist())} are no names of patches.")
        percent = numbers(text_of(values.get("class_percentage", pd.Series("", index=values.index))))
        kept = {"place": told["tile"].astype(int).astype(str), "year": told["year"].astype("int64")}
        parts.append(
            pd.DataFrame({**kept, "split": text_of(values["split"]), "published_share": percent / 100, "bin": _bins(values)})
        )
    lacking = pd.DataFrame(columns=["place", "year", "split", "published_share", "bin"])
    return pd.concat(parts, ignore_index=True) if parts else lacking, unread


def _bins(values: pd.DataFrame) -> pd.Series:
    return text_of(values["bin"]) if "bin" in values else pd.Series("", index=range(len(values)))


def _with_splits(rows: pd.DataFrame, splits: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Rows with the published split, share and range of their tile and year, and what did not match."""
    if splits.empty:
        return rows, found("no split", "patches have no published split", rows["patch_id"])
    attached = attach_published(PatchTable(rows, None, {}), splits, on=("place", "year"))
    keys = splits["place"] + " " + splits["year"].astype(str)
    ours = rows["place"] + " " + rows["year"].astype(str)
    told: Mapping[str, pd.Series] = {name: splits.groupby(keys)[name].first() for name in ("published_share", "bin")}
    known = rows.assign(
        published_split=attached.rows["published_split"],
        split=attached.rows["published_split"].map(side_of),
        published_share=ours.map(told["published_share"]).astype(float),
        published_range=ours.map(told["bin"]).fillna(""),
    )
    years = set(rows["year"].astype(str))
    foreign = [key for key in attached.only_published if key.rpartition(" ")[2] in years]
    return known, (
        *found("no split", "patches have no published split", attached.only_ours),
        *found("no patch", "tiles and years of the published split have no patch", foreign),
    )
