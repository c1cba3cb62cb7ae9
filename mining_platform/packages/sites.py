"""The layout of the site dataset: folders by split, kind and site, numbered files, and the table of their first names.

{train,val,test}/images/<site>/NNNNN.tif   all channels, uint16
{train,val,test}/labels/<site>/NNNNN.png   palette PNG: 0 background, 1 cloud, 2 mining, 255 no class
{train,val,test}/rgb/<site>/NNNNN.png      true colour
filename_mapping.csv                       split, site, original, new, index

A site is what the split took to one side as a whole: a named site, or a block of ground. Patches in the split's buffer are left
out.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from mining_platform import bands
from mining_platform.figures import RGB_ROLES
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.packages.contents import FileKind, Release, TableFile
from mining_platform.packages.patch_files import (
    GEOTIFF,
    PNG,
    label_share,
    place_of,
    platform_label,
    write_picture,
    write_site_label,
    write_stack,
)
from mining_platform.packages.patch_pixels import PackageInput, write_patches
from mining_platform.packages.written import Written
from mining_platform.splits.rules import BUFFER
from mining_platform.spreadsheets import write_csv

MAPPING_CSV = "filename_mapping.csv"
PATHS = {
    "image_path": "{}/images/{}/{:05d}.tif",
    "label_path": "{}/labels/{}/{:05d}.png",
    "rgb_path": "{}/rgb/{}/{:05d}.png",
}
"""Path of a patch's files by column, of its split, site and index."""


def write(out: Path, release: Release, table: gpd.GeoDataFrame, given: PackageInput) -> Written:
    """Write the files of all patches that are in a split; ValueError for several years, and for sites of one name."""
    if len(release.years) > 1:
        raise ValueError(f"The layout {release.layout} holds one year, asked for are {list(release.years)}; write one each.")
    named = table[table["split"] != BUFFER].reset_index(drop=True)
    named = named.assign(site=site_names(named, given))
    named["index"] = named.groupby(["split", "site"]).cumcount()
    for column, pattern in PATHS.items():
        named[column] = [pattern.format(*row) for row in zip(named["split"], named["site"], named["index"], strict=True)]

    def write_patch(row: Any, image: NDArray[np.uint16], label: NDArray[np.uint8]) -> None:
        place, simulated = place_of(row), bool(row.simulated)
        write_stack(out / row.image_path, image, release.channels, place, nodata=bands.S2_NODATA, simulated=simulated)
        write_site_label(out / row.label_path, label)
        write_picture(out / row.rgb_path, image, release.channels)

    write_patches(named, given, release.channels, write_patch)
    for name, rows in tables(named, {}).items():
        write_csv(rows, out / name)
    mapping = TableFile(MAPPING_CSV, "File names", "The patch that each numbered file was.", ("split", "site", "index"))
    return Written(named, kinds(release.channels), (mapping,))


def site_names(table: pd.DataFrame, given: PackageInput) -> list[str]:
    """Folder of each row: region and group of its split, in letters, digits and `-`.

    No name ends in `_<digits>`, which readers of the layout take off to find the base of a site.
    """
    groups = [str(given.groups[window_id]) for window_id in table["window_id"]]
    known = {(region, group): _folder(region, group) for region, group in zip(table["region"], groups, strict=True)}
    if len(set(known.values())) < len(known):
        raise ValueError(f"Sites {sorted(known)} come to the same folder names; give groups that differ in letters or digits.")
    return [known[region, group] for region, group in zip(table["region"], groups, strict=True)]


def _folder(region: str, group: str) -> str:
    """`sim-serra`, `32722_12_-3` -> `sim-serra-32722-12-m3`."""
    return f"{region}-" + re.sub(r"[^A-Za-z0-9-]+", "-", re.sub(r"(?<![A-Za-z0-9])-(?=\d)", "m", group)).strip("-")


def tables(table: pd.DataFrame, _shares: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """Tables beside the manifest that follow from its rows, by path."""
    mapping = pd.DataFrame(
        {
            "split": table["split"],
            "site": table["site"],
            "original": table["patch_id"] + ".tif",
            "new": [Path(path).name for path in table["image_path"]],
            "index": table["index"],
        }
    )
    return {MAPPING_CSV: mapping.sort_values(["split", "site", "index"], ignore_index=True)}


def kinds(channels: tuple[str, ...]) -> tuple[FileKind, ...]:
    """Kinds of files of patches with these bands; KeyError without red, green and blue among them."""
    rgb = tuple(bands.band_of_role(role, channels) for role in RGB_ROLES)
    return (
        FileKind(
            "image_path", "All bands", "Reflectance as digital numbers, on the patch's own pixels",
            GEOTIFF, ("data",), "*/images/*/*.tif", channels, "uint16", float(bands.S2_NODATA), bands.S2_SCALE,
        ),
        FileKind(
            "label_path", "Label", "Palette picture: 0 background, 1 cloud, 2 mining, 255 no class",
            PNG, ("labels",), "*/labels/*/*.png", (), "uint8", float(NO_LABEL), None,
        ),
        FileKind(
            "rgb_path", "True-colour picture", "Red, green, blue; one stretch for all patches; black is no data",
            PNG, ("overview",), "*/rgb/*/*.png", rgb, "uint8", None, None,
        ),
    )  # fmt: skip


def share_of(package: Path, row: Any, _codes: frozenset[int]) -> float:
    """Share of mining of the pixels with a class in a patch's label; NaN where none has one. OSError for a damaged picture."""
    with Image.open(package / row.label_path, formats=("PNG",)) as picture:
        return label_share(platform_label(np.asarray(picture, dtype=np.uint8)))
