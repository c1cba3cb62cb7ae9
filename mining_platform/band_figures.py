"""How bright the patches of each split are: exact counts by band, their means, and a picture of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import bands, figures
from mining_platform.dn_histograms import DN_VALUES, dn_histograms, dn_moments
from mining_platform.splits.rules import SPLIT_ORDER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mining_platform.dataset_figures import RowsOf

BATCH = 64  # patches read from a store at a time
ACROSS = 4  # panels side by side
BINS = 70  # of a panel, each a whole number of stored numbers wide
OUTSIDE = 0.002  # share of the pixels at either end that a panel leaves out
MEAN_DIGITS = 4  # of reflectance, in steps of which it is stored

Counts = Mapping[str, NDArray[np.int64]]
"""Split name, in SPLIT_ORDER -> pixels of each stored number, (band, DN_VALUES)."""


def split_counts(table: pd.DataFrame, images_of: "RowsOf", bands_count: int) -> Counts:
    """Pixels of each stored number by split and band, read in bounded batches.

    `table` needs split, region, year, store_row and dropped; dropped patches are left out, as are splits without patches.
    """
    stored = table[~table["dropped"]]
    found = [name for name in SPLIT_ORDER if (stored["split"] == name).any()]
    return {name: dn_histograms(_batches(stored[stored["split"] == name], images_of), bands_count) for name in found}


def _batches(rows: pd.DataFrame, images_of: "RowsOf") -> Iterator[NDArray[np.uint16]]:
    for (region, _), part in rows.groupby(["region", "year"], sort=True):
        year = int(part["year"].iloc[0])
        numbers = np.sort(part["store_row"].to_numpy(int)).tolist()
        for start in range(0, len(numbers), BATCH):
            yield images_of(str(region), year, numbers[start : start + BATCH])


def band_preview(
    table: pd.DataFrame, images_of: "RowsOf", channels: Sequence[str], title: str, simulated: bool
) -> tuple[bytes, list[dict[str, Any]]]:
    """The picture of `band_figure` and the rows of `band_means` for the patches of a release, read once."""
    counts = split_counts(table, images_of, len(channels))
    return band_figure(counts, channels, title, simulated), band_means(counts, channels)


def band_means(counts: Counts, channels: Sequence[str]) -> list[dict[str, Any]]:
    """A row a band: band, unit, and for each split the mean in that unit, nodata left out; None where there is only nodata."""
    return [
        {
            "band": channel,
            "unit": bands.band(channel).unit,
            **{split: _mean(each[position], channel) for split, each in counts.items()},
        }
        for position, channel in enumerate(channels)
    ]


def _mean(counts: NDArray[np.int64], channel: str) -> float | None:
    scale, offset = bands.stored_as(channel)
    mean_dn, _ = dn_moments(counts, bands.band(channel).nodata)
    return None if np.isnan(mean_dn) else round(mean_dn * scale + offset, MEAN_DIGITS)


def band_figure(counts: Counts, channels: Sequence[str], title: str, simulated: bool) -> bytes:
    """PNG: a panel a band with the density of its values, a line a split; nodata and the outermost OUTSIDE are left out."""
    rows = -(-len(channels) // ACROSS)
    with figures.styled():
        figure = figures.new_figure(8.2, 1.55 * rows + 0.75)
        colour = figures.SIMULATED_INK if simulated else figures.INK
        figure.suptitle(figures.mark_title(title, simulated=simulated), fontsize=11, fontweight="bold", color=colour)
        axes: Any = figure.subplots(rows, ACROSS, squeeze=False).ravel()
        for axis in axes[len(channels) :]:
            axis.set_axis_off()
        for position, channel in enumerate(channels):
            _panel(axes[position], {name: each[position] for name, each in counts.items()}, channel)
        for axis in axes[::ACROSS][:rows]:
            axis.set_ylabel("density", fontsize=7.5)
        _legend(figure, list(counts))
        return figures.figure_png(figure)


def _legend(figure: Any, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=figures.PALETTE[name], linewidth=1.8, label=name) for name in names]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _panel(axis: "Axes", counts: Counts, channel: str) -> None:
    """Densities of one band, by split."""
    row = bands.band(channel)
    axis.set_title(f"{channel} {row.role}".replace("_", " "), fontsize=8.5, pad=3)
    axis.set_xlabel(row.unit, fontsize=7.5, labelpad=1)
    axis.tick_params(labelsize=7)
    axis.set_yticks([])
    edges, densities = band_densities(counts, channel)
    if not densities:
        axis.text(0.5, 0.5, "no data", ha="center", va="center", color=figures.MUTED, transform=axis.transAxes)
        axis.set_xticks([])
        return
    for name, density in densities.items():
        axis.stairs(density, edges, color=figures.PALETTE[name], linewidth=1.3, baseline=None)
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(0, None)
    axis.locator_params(axis="x", nbins=4)


def band_densities(counts: Counts, channel: str) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Edges of bins in the band's unit and, by split, the share of its pixels a unit in each; `counts` (DN_VALUES,) of one band.

    Bins of one width, a whole number of stored numbers, span all but the outermost OUTSIDE of the pixels of all splits at
    either end. Nodata is left out, as are splits without data.
    """
    nodata, (scale, offset) = bands.band(channel).nodata, bands.stored_as(channel)
    valid = {name: np.where(np.arange(DN_VALUES) == nodata, 0, each) for name, each in counts.items()}
    valid = {name: each for name, each in valid.items() if each.any()}
    if not valid:
        return np.zeros(0), {}
    edges = _edges(np.sum(list(valid.values()), axis=0))
    widths = np.diff(edges) * scale
    densities = {name: _sums(each, edges) / (each.sum() * widths) for name, each in valid.items()}
    return np.asarray(edges * scale + offset, np.float64), densities


def _sums(counts: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum of the counts between neighbouring edges."""
    below = np.append(0, np.cumsum(counts))
    return np.diff(below[edges])


def _edges(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """First numbers of the bins, and the end of the last one, at most DN_VALUES."""
    below = np.cumsum(counts)
    first, last = np.searchsorted(below, [OUTSIDE * below[-1], (1 - OUTSIDE) * below[-1]])
    width = max(-(-(last + 1 - first) // BINS), 1)
    edges = np.arange(first, last + 1 + width, width)
    return np.minimum(edges, DN_VALUES)
