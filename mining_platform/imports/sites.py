"""Datasets of sites as others have them: `{train,val,test}/{images,labels,rgb}/<site>/NNNNN.*` and the table of first names.

`filename_mapping.csv` (split, site, original, new, index) lies at the top, or, by a slip of the layout's own figure, in `test`.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from mining_platform.imports.channels import channels_of, left_out
from mining_platform.imports.findings import Finding, PatchImportError, found
from mining_platform.imports.found import Found, Request, rows_of, side_of
from mining_platform.imports.image_files import PNG_SUFFIX, TIFF_SUFFIXES, files_below, read_header, read_image
from mining_platform.imports.site_labels import read_site_label
from mining_platform.imports.table_columns import read_table
from mining_platform.labels.palette_pngs import SITE_CLOUD
from mining_platform.packages.patch_files import platform_label
from mining_platform.packages.sites import MAPPING_CSV
from mining_platform.patch_table_files import text_of

LAYOUT = "sites"
BASE_SITE = re.compile(r"_\d+$")  # a site's name without its number: what must be on one side of a split
DATED = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)")
MAPPING_COLUMNS = ("split", "site", "original", "new", "index")


def read_sites(request: Request) -> Found:
    """The images of a folder with their labels; PatchImportError where there is no pair, or a year is told by nothing."""
    images, labels = _files(request, "images", TIFF_SUFFIXES), _files(request, "labels", (PNG_SUFFIX,))
    pairs = sorted(images.keys() & labels.keys())
    if not pairs:
        raise PatchImportError(
            f"{request.source} has {len(images)} images and {len(labels)} labels in <split>/images/<site>/ and "
            "<split>/labels/<site>/, and no pair of one name. Name the folder that holds train, val and test."
        )
    header = read_header(request.folder, images[pairs[0]])
    channels = channels_of(request.channels, header.descriptions, (), images[pairs[0]])
    originals, told = _mapping(request, images)
    rows = rows_of([_row(request, key, images[key], labels[key], originals.get(key, "")) for key in pairs])
    files = rows["label_file"].tolist()
    findings = (
        *found("missing pair", "images without a label are left out", [images[key] for key in images.keys() - labels.keys()]),
        *found("missing pair", "labels without an image are left out", [labels[key] for key in labels.keys() - images.keys()]),
        *left_out(channels),
        *told,
        *_sites_on_two_sides(rows),
    )
    names = rows["image_file"].tolist()
    return Found(
        rows=rows,
        channels=channels,
        image=lambda number: read_image(request.folder, names[number]),
        label=lambda number: platform_label(read_site_label(request.folder, files[number])),
        findings=findings,
        later=lambda: _clouds(request.folder, files),
        recipe=LAYOUT,
    )


Key = tuple[str, str, str]
"""Split as written, site, number."""


def _files(request: Request, kind: str, suffixes: tuple[str, ...]) -> dict[Key, str]:
    """Files of a kind by key, wherever the folders of splits lie; PatchImportError for two of one key."""
    known: dict[Key, str] = {}
    for name in files_below(request.folder, suffixes):
        parts = PurePosixPath(name).parts
        if len(parts) < 4 or parts[-3].lower() != kind or not side_of(parts[-4]):  # noqa: PLR2004 - split, kind, site, file
            continue
        key = (parts[-4], parts[-2], PurePosixPath(name).stem)
        if key in known:
            raise PatchImportError(f"{name} and {known[key]} are of one split, site and number. Remove one of them.")
        known[key] = name
    return known


def _row(request: Request, key: Key, image: str, label: str, original: str) -> dict[str, Any]:
    split, site, number = key
    dated = DATED.search(original) or DATED.search(number)
    year = request.year or (int(dated[1]) if dated else None)
    if year is None:
        raise PatchImportError(f"Nothing tells the year of {image}: no date in {original or 'its name'!r}. Name it with --year.")
    return {
        "patch_id": f"{split}_{site}_{number}",
        "place": site,
        "site": BASE_SITE.sub("", site),
        "region": request.region,
        "year": year,
        "split": side_of(split),
        "published_split": split,
        "date": "-".join(dated.groups()) if dated else "",
        "image_file": image,
        "label_file": label,
    }


def _mapping(request: Request, images: dict[Key, str]) -> tuple[dict[Key, str], tuple[Finding, ...]]:
    """First names by key, and where the table and the files differ; PatchImportError for two tables or lacking columns."""
    tables = [path for path in files_below(request.folder, (".csv",)) if PurePosixPath(path).name.lower() == MAPPING_CSV]
    if not tables:
        return {}, found("mapping", f"has no {MAPPING_CSV}: the first names of files are not known", [request.source])
    if len(tables) > 1:
        raise PatchImportError(f"{request.source} has {len(tables)} tables of names: {', '.join(tables)}. Keep one.")
    values = read_table(request, tables[0]).rename(columns=str.lower)
    if lacking := [name for name in MAPPING_COLUMNS if name not in values]:
        raise PatchImportError(f"{tables[0]} lacks the columns {', '.join(lacking)}; it has {', '.join(map(str, values))}.")
    texts = {name: text_of(values[name]) for name in MAPPING_COLUMNS}
    stems = [PurePosixPath(name).stem for name in texts["new"]]
    keys: list[Key] = list(zip(texts["split"].tolist(), texts["site"].tolist(), stems, strict=True))
    again = {"/".join(key) for key, count in Counter(keys).items() if count > 1}
    misplaced = [tables[0]] if PurePosixPath(tables[0]).parent.name else []
    return dict(zip(keys, texts["original"], strict=True)), (
        *found("mapping", "lies in a folder and not at the top", misplaced),
        *found("mapping", f"rows of {tables[0]} have no image", map("/".join, set(keys) - images.keys())),
        *found("mapping", f"images are not in {tables[0]}", map("/".join, images.keys() - set(keys))),
        *found("mapping", f"images have several rows in {tables[0]}", again),
    )


def _sites_on_two_sides(rows: pd.DataFrame) -> tuple[Finding, ...]:
    sides = rows.groupby("site")["split"].nunique()
    return found("site in two splits", "sites are on more than one side of the split, which is kept", sides[sides > 1].index)


def _clouds(folder: Path, files: Iterable[str]) -> tuple[Finding, ...]:
    """Labels with clouds, whose pixels get no class: nothing can be seen there."""
    counts = {name: int(np.count_nonzero(read_site_label(folder, name) == SITE_CLOUD)) for name in files}
    text = f"labels have cloud, {sum(counts.values())} pixels in all, stored as no class"
    return found("cloud", text, [name for name in counts if counts[name]])
