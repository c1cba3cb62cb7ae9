"""What a reader of a layout yields: one row a patch, and how the pixels of each are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from affine import Affine
from numpy.typing import NDArray

from mining_platform.imports.findings import Finding

LEFT_OUT = "-"
"""Stands in a list of channels for a band of the files that is not stored."""
ROW_DEFAULTS: Mapping[str, Any] = {
    "patch_id": "",
    "place": "",
    "site": "",
    "region": "",
    "year": 0,
    "split": "",
    "published_split": "",
    "published_range": "",
    "published_share": np.nan,
    "is_mining": None,
    "date": "",
    "lon": np.nan,
    "lat": np.nan,
    "image_file": "",
    "label_file": "",
}
"""Columns of `Found.rows`, and what stands where a layout does not tell.

`place` is one name for the same ground in all years; `split` is train, val, test or "", `published_split` as written;
`published_share` in [0, 1]; `is_mining` None where only the label's pixels tell; files relative to the folder.
"""
SIDES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "te"), "test"),
}
"""What people call the sides of a split, in small letters -> what they are called here."""


@dataclass(frozen=True)
class Request:
    """What a person asks to import, and how."""

    folder: Path
    """Where the files lie."""
    source: str
    """What the folder or archive is called, without its place on this machine."""
    layout: str
    """Row of layouts.LAYOUTS."""
    name: str
    """First part of the partitions that are published."""
    region: str = ""
    """Region of all patches; empty where the package tells it."""
    year: int | None = None
    channels: tuple[str, ...] = ()
    """Band ids of the files' bands in order, LEFT_OUT for those not wanted; empty where the files tell."""
    keep: frozenset[str] = frozenset()
    """Rows of findings.KEEPABLE that are kept though they look wrong."""
    leave_out_bad_rows: bool = False
    """Whether rows of a table that cannot be used are left out, instead of refusing all."""
    scale: float | None = None
    """Reflectance of the files = scale x value + offset; None where it is told by the values (0 to 1, or 0 to 10,000)."""
    offset: float = 0.0
    pad_to_px: int | None = None
    """Side of the stored patches where those of the files differ: they are filled with nodata at the right and the bottom."""
    pixel_m: float | None = None
    """Ground size of the pixels of files that do not tell their place; None where nobody says."""
    table: str = ""
    """Name of the table in the folder, where there are several."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Name of a column by its meaning, for tables that call it otherwise."""


@dataclass(frozen=True)
class Pixels:
    """The image of one patch as its file has it."""

    values: NDArray[Any]
    """(band, y, x), the file's type."""
    valid: NDArray[np.bool_]
    """(band, y, x): whether the file does not say that there is nothing."""
    epsg: int
    """CRS of the patch; 0 where the file tells no place."""
    transform: Affine | None
    """Affine of its pixels in that CRS."""
    simulated: bool = False
    """Whether the file says that it is simulated."""
    descriptions: tuple[str | None, ...] = ()
    """What the file calls its bands."""


@dataclass(frozen=True)
class Found:
    """The patches of a folder."""

    rows: pd.DataFrame
    """One row a patch with the columns of ROW_DEFAULTS, sorted by patch_id."""
    channels: tuple[str, ...]
    """Band ids of the files' bands in order, LEFT_OUT for those that are not stored."""
    image: Callable[[int], Pixels]
    """Image of a row, by its position."""
    label: Callable[[int], NDArray[np.uint8] | None]
    """Label (y, x) of a row: 1 mining, 0 other, 255 no class; None where no pixel has one."""
    findings: tuple[Finding, ...]
    later: Callable[[], tuple[Finding, ...]] = tuple
    """Findings that take reading all labels."""
    nan_is_nodata: bool = True
    """Whether a pixel that is no number is one without data; else it is refused."""
    one_dtype: bool = False
    """Whether all images must be of one type."""
    manifest: gpd.GeoDataFrame | None = None
    """The patch table (manifests.PATCH_TABLE) of a package of this platform, row by row; None for those of others."""
    are_numbers: bool = False
    """Whether values are the numbers of a store of this platform already."""
    recipe: str = ""
    """How the labels came to be: a row of labels.recipes.RECIPES, or the layout of others."""

    @property
    def stored_channels(self) -> tuple[str, ...]:
        """Band ids of the store, in order."""
        return tuple(channel for channel in self.channels if channel != LEFT_OUT)


def rows_of(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows with all columns of ROW_DEFAULTS, sorted by patch_id."""
    rows = pd.DataFrame([{**ROW_DEFAULTS, **record} for record in records], columns=list(ROW_DEFAULTS))
    return rows.sort_values("patch_id", ignore_index=True, kind="stable")


def side_of(text: str) -> str:
    """What a side of a split is called here; "" for anything that is none."""
    return SIDES.get(text.strip().lower(), "")
