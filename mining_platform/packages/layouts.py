"""The published layouts: a table of rows, and how each is written, read back and described."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform import figures
from mining_platform.packages import proportion_ranges, sites, smallmines
from mining_platform.packages.contents import FileKind, Release
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.packages.written import Written

Write = Callable[[Path, Release, gpd.GeoDataFrame, PackageInput], Written]
ShareOf = Callable[[Path, Any, frozenset[int]], float]
"""Package, row of its manifest, class codes of mining -> the patch's mining share by its label file alone, NaN if none."""


@dataclass(frozen=True)
class Layout:
    """One way to lay out a dataset in files."""

    id: str
    write: Write
    share_of: ShareOf
    share_column: str
    """Column of the manifest that `share_of` gives again."""
    clips_maps: bool
    """Whether labels are clips of the land-cover map."""
    kinds: Callable[[tuple[str, ...]], tuple[FileKind, ...]]
    """Bands of the images -> all kinds of files."""
    optional: tuple[str, ...]
    """Columns of kinds that a package may lack."""
    tables: Callable[[pd.DataFrame, Mapping[str, float]], dict[str, pd.DataFrame]]
    """Manifest, shares of the labels by patch_id -> the tables beside it that follow from these, by path."""
    files: str
    """What lies where, as Markdown list items."""


_STRETCH = (
    f"Reflectance 0 to {figures.RGB_MAX_REFLECTANCE} is shown as 0 to 255 with gamma {figures.RGB_GAMMA}, "
    "the same in every patch; black is no data."
)

LAYOUTS: dict[str, Layout] = {
    row.id: row
    for row in (
        Layout(
            "proportion-ranges",
            proportion_ranges.write,
            proportion_ranges.share_of,
            "share",
            True,
            proportion_ranges.kinds,
            ("bands_path",),
            proportion_ranges.tables,
            f"- `images/range_<range>/<patch_id>.png`: red, green, blue. {_STRETCH}\n"
            "- `labels/range_<range>/<patch_id>.tif`: land-cover class codes on the map's own grid, all pixels that touch the "
            "patch. The exact share is the class area over the valid area inside the patch; it can be computed again from this "
            "file.\n"
            "- `bands/range_<range>/<patch_id>.tif`, if there: all bands, uint16 digital numbers, 0 where nothing was seen.\n"
            "- `splits.csv`: a suggested split, by whole blocks of ground. `shortage.csv`: windows wanted, found and taken.\n",
        ),
        Layout(
            "smallmines",
            smallmines.write,
            smallmines.share_of,
            "share_nn",
            False,
            smallmines.kinds,
            (),
            smallmines.tables,
            "- `<year>/IMAGE/IMG_<country>_<tile>_<year>.tif`: all channels, float32 digital numbers, nodata -9999.\n"
            "- `<year>/MASK/MASK_<country>_<tile>_<year>.tif`: 1 mining, 0 other, 255 no class. The same tile is the same ground "
            "in every year.\n"
            "- `splits_<year>.csv`: patch, mining in per cent of its mask, range, split.\n",
        ),
        Layout(
            "sites",
            sites.write,
            sites.share_of,
            "share_nn",
            False,
            sites.kinds,
            (),
            sites.tables,
            "- `<split>/images/<site>/NNNNN.tif`: all channels, uint16 digital numbers, 0 where nothing was seen.\n"
            "- `<split>/labels/<site>/NNNNN.png`: palette picture, 0 background, 1 cloud, 2 mining, 255 no class.\n"
            f"- `<split>/rgb/<site>/NNNNN.png`: red, green, blue. {_STRETCH}\n"
            "- `filename_mapping.csv`: the patch that each file was. A site is what went to one side of the split as a whole; "
            "patches in the split's buffer are left out.\n",
        ),
    )
}


def layout(layout_id: str) -> Layout:
    """The row of a layout; KeyError with the known ids and the remedy otherwise."""
    try:
        return LAYOUTS[layout_id]
    except KeyError:
        raise KeyError(
            f"Unknown layout {layout_id!r}; known: {', '.join(LAYOUTS)}. Add a row in mining_platform/packages/layouts.py."
        ) from None
