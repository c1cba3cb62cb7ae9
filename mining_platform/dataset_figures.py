"""Contact sheets of a dataset: a few patches of each mining range, of one store or of a whole release."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import bands, figures, patches
from mining_platform.orders import window_order
from mining_platform.patch_sheets import SheetRow, patch_sheet, true_colour
from mining_platform.ranges import RANGES

STORE_ACROSS, RELEASE_ACROSS = 3, 6  # patches of a range
ORDER_SEED = 0  # of the hash that draws them; the window alone decides, so more patches move none
UNKNOWN_RANGE = ""

RowsOf = Callable[[str, int, Sequence[int]], NDArray[Any]]
"""Region id, year and store rows -> arrays in the order of the rows."""


def store_sheet(store: Path, table: pd.DataFrame, title: str, simulated: bool) -> bytes:
    """PNG: patches of each range of one store; `table` is its index with range, share and is_mining of each patch.

    In the hash order of windows, those shown by their share. A range without patches says so.
    """
    available = tuple(patches.read_attributes(store)["channels"])
    colours = tuple(bands.band_of_role(role, available) for role in figures.RGB_ROLES)
    stored = table[~table["dropped"]].assign(region="", store_row=table["row"])

    def images(_region: str, _year: int, rows: Sequence[int]) -> NDArray[Any]:
        return patches.read_images(store, rows, colours)

    def labels(_region: str, _year: int, rows: Sequence[int]) -> NDArray[Any]:
        return patches.read_labels(store, rows)

    return patch_sheet(
        _rows(stored, images, labels, colours, STORE_ACROSS), title, across=STORE_ACROSS, columns=2, simulated=simulated
    )


def release_sheet(
    table: pd.DataFrame, images_of: RowsOf, labels_of: RowsOf, channels: Sequence[str], title: str, simulated: bool
) -> bytes:
    """PNG: patches of each range of a release over its regions and years, drawn and shown as in `store_sheet`.

    `table` needs the columns window_id, region, year, store_row, range, share and is_mining; rows whose `dropped` is set are
    left out. `images_of` gives (n, band, y, x) uint16 in the order of `channels`, `labels_of` (n, y, x) uint8.
    """
    stored = table[~table["dropped"]] if "dropped" in table else table
    rows = _rows(stored, images_of, labels_of, channels, RELEASE_ACROSS)
    return patch_sheet(rows, title, across=RELEASE_ACROSS, columns=1, simulated=simulated)


def _rows(table: pd.DataFrame, images_of: RowsOf, labels_of: RowsOf, channels: Sequence[str], across: int) -> list[SheetRow]:
    placed = table.reset_index(drop=True)
    placed = placed.assign(order=window_order(placed["window_id"], ORDER_SEED)).sort_values(["order", "year"])
    return [_row(name, part.head(across), images_of, labels_of, channels) for name, part in _parts(placed)]


def _parts(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and patches of each range; by class where the range is not known, which no map tells."""
    unknown = table["range"] == UNKNOWN_RANGE
    ranges = [] if unknown.all() and len(table) else [(range_title(name), table[table["range"] == name]) for name in RANGES]
    of_class = [("mining", table[unknown & table["is_mining"]]), ("no mining", table[unknown & ~table["is_mining"]])]
    return [*ranges, *(of_class if unknown.any() else [])]


def range_title(name: str) -> str:
    """`000_010` as people write it: `0–10 %`."""
    return "0 %" if name == RANGES[0] else f"{int(name[:3])}–{int(name[4:])} %"


def _row(name: str, part: pd.DataFrame, images_of: RowsOf, labels_of: RowsOf, channels: Sequence[str]) -> SheetRow:
    """Pictures of the patches by share, read store by store."""
    shown = part.sort_values(["share", "order", "year"])
    pixels: dict[Any, tuple[NDArray[Any], NDArray[Any]]] = {}
    for (region, _), rows in shown.groupby(["region", "year"], sort=True):
        place = str(region), int(rows["year"].iloc[0]), rows["store_row"].astype(int).tolist()
        found = zip(images_of(*place), labels_of(*place), strict=True)
        pixels |= dict(zip(rows.index, found, strict=True))
    pictures = [true_colour(pixels[each][0], channels) for each in shown.index]
    notes = ["" if math.isnan(share) else f"{share:.0%}".replace("%", " %") for share in shown["share"]]
    if not pictures:
        return SheetRow(name, np.zeros((0, 1, 1, 3), np.uint8), np.zeros((0, 1, 1), np.uint8), notes)
    return SheetRow(name, np.stack(pictures), np.stack([pixels[each][1] for each in shown.index]), notes)
