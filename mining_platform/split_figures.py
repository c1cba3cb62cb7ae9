"""A picture of a split: where its windows lie, and how each mining range is shared out."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mining_platform import figures
from mining_platform.footprints import bounds_of
from mining_platform.ranges import RANGES
from mining_platform.splits.rules import SPLIT_ORDER
from mining_platform.splits.summaries import ranges_of, split_summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_MAPS = 6
MIN_SHOWN_SHARE = 0.009  # of a map's side: smaller windows are drawn larger, so that they can be seen


def split_figure(table: pd.DataFrame, title: str, simulated: bool) -> bytes:
    """PNG: a map of each region's windows by split, and below it the share of each split in each range.

    `table` needs window_id, split and range ("" where it is not known; then `is_mining` says whether a window is drawn as
    mining), a row a year where a release holds several; `region` names the maps, else the CRS does. Only the MAX_MAPS regions
    with most windows are drawn; the bars count all.
    """
    table = table.reset_index(drop=True)
    zones = bounds_of(table["window_id"].tolist())["epsg"].map(lambda epsg: f"EPSG:{epsg}")
    places = table.get("region", zones)
    shown = places.value_counts(sort=True).index[:MAX_MAPS].sort_values().tolist()
    with figures.styled():
        columns = min(max(len(shown), 1), 3)
        rows = max(-(-len(shown) // columns), 1)
        figure = figures.new_figure(7.5, 3.3 * rows * (1 if columns > 1 else 1.3) + 2.9)
        colour = figures.SIMULATED_INK if simulated else figures.INK
        figure.suptitle(figures.mark_title(title, simulated=simulated), fontsize=12, fontweight="bold", color=colour)
        halves: Any = figure.subfigures(2, 1, height_ratios=[3.3 * rows * (1 if columns > 1 else 1.3), 2.5])
        maps, bars = halves
        axes = maps.subplots(rows, columns, squeeze=False).ravel()
        for axis in axes[len(shown) :]:
            axis.set_axis_off()
        for axis, place in zip(axes, shown, strict=False):
            _map(axis, table[places == place], str(place))
        _legend(maps, table)
        _bars(bars.subplots(), table)
        return figures.figure_png(figure)


def _map(axis: "Axes", rows: pd.DataFrame, name: str) -> None:
    """Windows of one region as squares, in kilometres from its lower left corner."""
    from matplotlib.collections import PolyCollection

    bounds = bounds_of(rows["window_id"].tolist())[["minx", "miny", "maxx", "maxy"]] / 1000
    minx, miny, maxx, maxy = (bounds[side].to_numpy() for side in bounds)
    span = max(maxx.max() - minx.min(), maxy.max() - miny.min())
    half = max(float(maxx[0] - minx[0]), MIN_SHOWN_SHARE * span) / 2
    x, y = (minx + maxx) / 2 - minx.min(), (miny + maxy) / 2 - miny.min()
    square = half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    mining = rows.get("is_mining", rows["range"] != "000").to_numpy(dtype=bool)
    for split in SPLIT_ORDER:
        for is_mining in (False, True):
            chosen = (rows["split"] == split).to_numpy() & (mining == is_mining)
            outlines = np.stack([x, y], axis=1)[chosen][:, None] + square
            colour = figures.PALETTE[split]
            axis.add_collection(
                PolyCollection(outlines, facecolors=colour, edgecolors="white", linewidths=0.3, alpha=1.0 if is_mining else 0.38)
            )
    axis.set_xlim(-half, maxx.max() - minx.min() + half)
    axis.set_ylim(-half, maxy.max() - miny.min() + half)
    axis.set_aspect("equal")
    axis.set_title(f"{name} · {rows['window_id'].nunique()} windows")
    axis.set_xlabel("km east")
    axis.set_ylabel("km north")


def _legend(figure: Any, table: pd.DataFrame) -> None:
    from matplotlib.patches import Patch

    counts = table["split"].value_counts()
    handles = [Patch(color=figures.PALETTE[n], label=f"{n} ({counts[n]})") for n in SPLIT_ORDER if n in counts]
    handles.append(Patch(color=figures.PALETTE["neutral"], alpha=0.38, label="pale: no mining"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _bars(axis: "Axes", table: pd.DataFrame) -> None:
    """Stacked shares of each split per range, with the number of windows above."""
    names = ranges_of(table)
    summary = split_summary(table).pivot_table(index="range", columns="split", values="share").reindex(names)
    base = np.zeros(len(names))
    for split in (name for name in SPLIT_ORDER if name in summary):
        axis.bar(range(len(names)), 100 * summary[split], bottom=base, color=figures.PALETTE[split], width=0.82)
        base += 100 * summary[split].to_numpy()
    totals = table["range"].value_counts()
    for place, name in enumerate(names):
        axis.text(place, 102, str(int(totals.get(name, 0))), ha="center", va="bottom", fontsize=8, color=figures.MUTED)
    others = [name or "not\nknown" for name in names[len(RANGES) :]]
    axis.set_xticks(range(len(names)), ["0", *(f"{10 * k}–{10 * k + 10}" for k in range(10)), *others])
    axis.set_ylim(0, 116)
    axis.set_yticks([0, 20, 40, 60, 80, 100])
    axis.grid(visible=False, axis="x")
    axis.set_xlabel("mining share of the window, %")
    axis.set_ylabel("windows, %")
    counted = "windows" if table["window_id"].is_unique else "windows, once a year"
    axis.set_title(f"How each range is shared out (numbers: {counted})")
