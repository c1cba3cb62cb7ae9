"""How many patches have something of OpenStreetMap in them: by key, class and split, as a table and a picture.

Dissing and Kalo report that 60.9 % of their mining patches and 75.85 % of the others have a feature. Where the two differ, a
model may learn where people have mapped, and not where they mine.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import bands, figures
from mining_platform.context import key_of_channel
from mining_platform.splits.rules import SPLIT_ORDER

if TYPE_CHECKING:
    from mining_platform.dataset_figures import RowsOf

ANY_KEY, ALL_SPLITS = "any", "all"
BATCH = 64  # patches read from a store at a time
ABSENT_DN, PRESENT_DN = 1, 2  # of channels in the unit `flag`, bands.stored_as
SHARE_DIGITS = 6
BAR_WIDTH = 0.38


def flag_channels(channels: Sequence[str]) -> tuple[str, ...]:
    """Those of the channels that tell whether OpenStreetMap has a feature."""
    rows = (bands.band(channel) for channel in channels)
    return tuple(row.id for row in rows if row.sensor == "openstreetmap" and row.unit == "flag")


def features_in(images: NDArray[np.uint16]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of flag channels (patch, band, y, x): whether each patch has a feature, and whether anything is known (patch, band)."""
    return (images == PRESENT_DN).any(axis=(2, 3)), (images != bands.S2_NODATA).any(axis=(2, 3))


def coverage_table(table: pd.DataFrame, images_of: "RowsOf", channels: Sequence[str]) -> pd.DataFrame:
    """Shares of patches with at least one feature: key, split, is_mining, patches, known, with_feature, share.

    `table` needs split, is_mining, region, year, store_row and dropped; dropped patches are left out. `images_of` gives the flag
    channels `channels` (n, band, y, x) uint16 of rows of a store. The key `any` has a feature where one of them has; the split
    `all` is all patches. `share` is of the patches where the extract says something, NaN where it says nothing of any.
    """
    stored = table[~table["dropped"]].reset_index(drop=True)
    found, known = _looked_at(stored, images_of, len(channels))
    keys = [key_of_channel(channel)[0] for channel in channels]
    columns = [*zip(keys, found.T, known.T, strict=True), (ANY_KEY, found.any(axis=1), known.any(axis=1))]
    splits = [ALL_SPLITS, *(name for name in SPLIT_ORDER if (stored["split"] == name).any())]
    rows = [
        _row(key, split, is_mining, has[side], knows[side])
        for key, has, knows in columns
        for split in splits
        for is_mining in (True, False)
        for side in [_side(stored, split, is_mining=is_mining)]
    ]
    return pd.DataFrame(rows)


def _looked_at(stored: pd.DataFrame, images_of: "RowsOf", count: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """`features_in` of every row of the table, read in bounded batches."""
    found, known = np.zeros((2, len(stored), count), bool)
    for (region, _), part in stored.groupby(["region", "year"], sort=True):
        ordered = part.sort_values("store_row")
        for start in range(0, len(ordered), BATCH):
            rows = ordered.iloc[start : start + BATCH]
            images = images_of(str(region), int(rows["year"].iloc[0]), rows["store_row"].astype(int).tolist())
            found[rows.index], known[rows.index] = features_in(images)
    return found, known


def _side(stored: pd.DataFrame, split: str, *, is_mining: bool) -> NDArray[np.bool_]:
    of_class = (stored["is_mining"] == is_mining).to_numpy()
    return np.asarray(of_class if split == ALL_SPLITS else of_class & (stored["split"] == split).to_numpy())


def _row(key: str, split: str, is_mining: bool, has: NDArray[np.bool_], knows: NDArray[np.bool_]) -> dict[str, Any]:
    known, present = int(knows.sum()), int(has.sum())
    share = round(present / known, SHARE_DIGITS) if known else float("nan")
    counts = {"patches": len(has), "known": known, "with_feature": present, "share": share}
    return {"key": key, "split": split, "is_mining": is_mining, **counts}


def coverage_figure(coverage: pd.DataFrame, title: str, simulated: bool) -> bytes:
    """PNG: share of patches with a feature, by key and class, over all splits; the numbers of patches are in the legend."""
    shown = coverage[coverage["split"] == ALL_SPLITS]
    keys = list(dict.fromkeys(shown["key"]))
    with figures.styled():
        figure = figures.new_figure(6.4, 3.4)
        axes = figure.subplots()
        for offset, is_mining, name in ((-0.5, True, "mining"), (0.5, False, "other")):
            part = shown[shown["is_mining"] == is_mining].set_index("key").loc[keys]
            places = np.arange(len(keys)) + offset * BAR_WIDTH
            label = f"{'mining' if is_mining else 'no mining'} ({int(part['known'].iloc[-1])} patches)"
            axes.bar(places, 100 * part["share"].fillna(0), BAR_WIDTH, color=figures.PALETTE[name], label=label)
            for place, share in zip(places, part["share"], strict=True):
                axes.text(place, 100 * np.nan_to_num(share) + 1, _percent(share), ha="center", fontsize=7.5, color=figures.MUTED)
        axes.set_xticks(range(len(keys)), keys)
        axes.set_ylim(0, 112)
        axes.set_ylabel("patches with a feature, %")
        axes.grid(visible=False, axis="x")
        axes.set_title(figures.mark_title(title, simulated=simulated), color=figures.SIMULATED_INK if simulated else figures.INK)
        figure.legend(loc="outside lower center", ncols=2)
        return figures.figure_png(figure)


def _percent(share: float) -> str:
    return "?" if np.isnan(share) else f"{100 * share:.0f}"
