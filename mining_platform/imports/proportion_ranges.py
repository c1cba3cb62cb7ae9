"""Pictures in folders by mining-proportion range as others have them, and the table that says where each is and on which side.

`range_000/…`, `range_000_010/…` to `range_090_100/…`, at the top or below `images/`, with PNG or GeoTIFF patches; masks of the
same size and name below `labels/`, where there are such; `manifest.csv` with an id, and of range, split, year, lon and lat what
is known.
"""

import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import profiles
from mining_platform.imports.channels import channels_of, left_out
from mining_platform.imports.findings import Finding, PatchImportError, found, named
from mining_platform.imports.found import Found, Request, rows_of, side_of
from mining_platform.imports.image_files import PNG_SUFFIX, TIFF_SUFFIXES, files_below, read_header, read_image
from mining_platform.imports.table_columns import column_named, numbers, only_table, whole_years
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.ranges import RANGES

LAYOUT = "proportion-ranges"
RANGE_FOLDER = re.compile(r"range_(\d{3}(?:_\d{3})?)", re.IGNORECASE)
ZERO_RANGE = "000"


def read_ranges(request: Request) -> Found:
    """The images of a folder; PatchImportError for unknown ranges, an image in two of them, and no image at all."""
    images = _by_name(request, is_label=False)
    labels = _by_name(request, is_label=True)
    if not images:
        raise PatchImportError(
            f"{request.source} has no images in folders range_000 to range_090_100. Name the folder above them."
        )
    first = next(iter(images.values()))
    usual = profiles.profile("rgb-display").channels if first[1].lower().endswith(PNG_SUFFIX) else ()
    channels = channels_of(request.channels, read_header(request.folder, first[1]).descriptions, usual, first[1])
    masks = {name: file for name, (_, file) in labels.items() if _is_mask(request, file, images.get(name))}
    rows, told = _with_table(rows_of([_row(request, name, *images[name], masks.get(name, "")) for name in images]), request)
    files = list(zip(rows["image_file"], rows["label_file"], strict=True))
    clips = [file for name, (_, file) in labels.items() if name not in masks]
    return Found(
        rows=rows,
        channels=channels,
        image=lambda number: read_image(request.folder, files[number][0]),
        label=lambda number: _mask(request, files[number][1]),
        findings=(
            *found("label left out", "labels are no masks on the pixels of their image and are left out", clips),
            *left_out(channels),
            *told,
        ),
        recipe=LAYOUT,
    )


def _by_name(request: Request, *, is_label: bool) -> dict[str, tuple[str, str]]:
    """Range and file by name, of images or of labels."""
    known: dict[str, tuple[str, str]] = {}
    for name in files_below(request.folder, (PNG_SUFFIX, *TIFF_SUFFIXES)):
        path = PurePosixPath(name)
        match = RANGE_FOLDER.fullmatch(path.parent.name)
        kind = {part.lower() for part in path.parts[:-2]}
        if match is None or bool(kind & {"labels", "label", "masks", "mask"}) != is_label:
            continue
        if match[1] not in RANGES:
            raise PatchImportError(f"{path.parent} is no mining-proportion range; those are range_{', range_'.join(RANGES)}.")
        if path.stem in known:
            raise PatchImportError(
                f"{known[path.stem][1]} and {name} have one name. A patch is in one range; remove one of them."
            )
        known[path.stem] = match[1], name
    return known


def _row(request: Request, name: str, range_id: str, image: str, label: str) -> dict[str, Any]:
    row = {"patch_id": name, "place": name, "region": request.region, "year": request.year or 0, "published_range": range_id}
    return {**row, "is_mining": range_id != ZERO_RANGE, "image_file": image, "label_file": label}


def _is_mask(request: Request, label: str, image: tuple[str, str] | None) -> bool:
    """Whether a label is of its image's size; a clip of a map on its own grid is not."""
    if image is None:
        return False
    return read_header(request.folder, label).shape == (1, *read_header(request.folder, image[1]).shape[1:])


def _mask(request: Request, name: str) -> NDArray[np.uint8] | None:
    if not name:
        return None
    values = read_image(request.folder, name).values[0]
    present = set(np.unique(values).tolist())
    meant = f"a mask has 0 other, 1 mining, {NO_LABEL} no class"
    if unknown := sorted(present - {0, 1, NO_LABEL}):
        raise PatchImportError(f"{name} has the values {unknown[:5]}; {meant}.")
    if NO_LABEL in present and 1 not in present and PurePosixPath(name).parent.name.lower() != f"range_{ZERO_RANGE}":
        raise PatchImportError(f"{name} has {NO_LABEL} and no 1, and lies in a range with mining; {meant}. Write mining as 1.")
    return values.astype(np.uint8)


def _with_table(rows: pd.DataFrame, request: Request) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Rows with what the table of the folder tells of them; PatchImportError where it tells no year and none was named."""
    table = only_table(request)
    told: tuple[Finding, ...] = ()
    if table is None:
        told = found("no table", "has no table: sides and places are not known", [request.source])
    else:
        rows, told = _joined(rows, request, table)
    if (rows["year"] == 0).any():
        raise PatchImportError(
            f"Nothing tells the year of {named(rows['patch_id'][rows['year'] == 0].tolist())}. Name it with --year."
        )
    return rows, told


def _joined(rows: pd.DataFrame, request: Request, table: str) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    ids = column_named(request, table, "id", required=True)
    if twice := sorted(set(ids[ids.duplicated()])):
        raise PatchImportError(f"{table}: {named(twice)} have several rows. Give each patch one.")
    columns = {name: column_named(request, table, name) for name in ("split", "year", "range", "lon", "lat", "date", "place")}
    of = {name: rows["patch_id"].map(dict(zip(ids, values, strict=True))).fillna("") for name, values in columns.items()}
    year = whole_years(of["year"])
    wrong = (of["year"] != "") & (year.isna() | (year != (request.year or year)))
    if wrong.any():
        asked = "no year" if request.year is None else f"not {request.year}"
        raise PatchImportError(f"{table}: the year of {named(rows['patch_id'][wrong].tolist())} is {asked}. Mend it, or --year.")
    named_range = of["range"].str.removeprefix("range_")
    known = rows.assign(
        published_split=of["split"],
        split=of["split"].map(side_of),
        date=of["date"],
        lon=numbers(of["lon"]),
        lat=numbers(of["lat"]),
        year=year.fillna(rows["year"]).astype("int64"),
        place=of["place"].where(of["place"] != "", rows["place"]),
    )
    differs = (named_range != "") & (named_range != rows["published_range"])
    return known, (
        *found("no row", f"images are not in {table}", set(rows["patch_id"]) - set(ids)),
        *found("no patch", f"rows of {table} have no image", set(ids) - set(rows["patch_id"])),
        *found("range differs", "patches lie in the folder of another range than the table says; the folder counts",
               rows["patch_id"][differs]),
    )  # fmt: skip
