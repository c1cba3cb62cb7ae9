"""The pixels that a package is made of, read a few patches at a time so that memory does not follow their number."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
from numpy.typing import NDArray

BATCH = 16  # patches read from a store at a time; few, so that the allocator keeps little
WRITERS = min(4, os.cpu_count() or 1)  # compressing releases the interpreter's lock

RowsOf = Callable[[str, int, Sequence[int]], NDArray[Any]]
"""Region id, year and store rows -> arrays in the order of the rows."""
WritePatch = Callable[[Any, NDArray[Any], NDArray[Any]], None]
"""Row of the table (a named tuple), image (band, y, x) uint16 DN, label (y, x) uint8."""


@dataclass(frozen=True)
class PackageInput:
    """What the layouts write from."""

    manifest: gpd.GeoDataFrame
    """manifests.PATCH_TABLE, of one year or several."""
    images: RowsOf
    """(n, band, y, x) uint16 DN with nodata 0, in the order of the release's channels."""
    labels: RowsOf
    """(n, y, x) uint8: 1 mining, 0 other, 255 no class."""
    land_cover: Callable[[str, int], Path | None]
    """Map that a region's shares of a year were computed on; None where it has none."""
    groups: Mapping[str, str]
    """Group of the split by window id: what went to one side as a whole."""
    shortage: pd.DataFrame
    """As sampling.shortage makes it, with the column `year` in front."""
    with_bands: bool = False
    """Whether all bands are published beside pictures, where the layout leaves the choice."""


def write_patches(table: gpd.GeoDataFrame, given: PackageInput, channels: Sequence[str], write: WritePatch) -> None:
    """Call `write` once a row of the table, some at a time side by side; the first error of any is raised.

    ValueError where images and labels do not fit their rows.
    """
    with ThreadPoolExecutor(WRITERS) as pool:
        for (region, year), rows in table.groupby(["region", "year"], sort=True):
            for start in range(0, len(rows), BATCH):
                batch = rows.iloc[start : start + BATCH]
                images, labels = _read(given, str(region), int(year), batch["store_row"].tolist(), len(channels))
                list(pool.map(write, batch.itertuples(index=False), images, labels))


def _read(
    given: PackageInput, region: str, year: int, store_rows: Sequence[int], bands: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    images, labels = given.images(region, year, store_rows), given.labels(region, year, store_rows)
    if images.shape[:2] != (len(store_rows), bands) or labels.shape != (len(store_rows), *images.shape[2:]):
        raise ValueError(
            f"Region {region}, {year}: images of shape {images.shape} and labels of shape {labels.shape} for "
            f"{len(store_rows)} patches of {bands} channels. Make the patches and the manifest again."
        )
    return images, labels
