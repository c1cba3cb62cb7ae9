"""Figures of segmentation on test patches: which classes are taken for which, precision and recall by class, and the patches.

Which patches are shown is a rule: those of the least, the middle and the greatest IoU of mining, among patches where label or
prediction has mining; equal ones by id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import figures
from mining_platform.evaluation_figures import titled
from mining_platform.evaluations.pixel_scores import NO_CLASS
from mining_platform.figures import INK, MUTED, PALETTE, styled
from mining_platform.patch_sheets import outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 2  # patches of each group
GROUPS = ("worst", "median", "best")
MINING = 1  # value and position of the class
CLASS_COLOURS = ("#eef1f4", PALETTE["mining"], PALETTE["neutral"])
"""Of the values of a label, in order; no class is white."""
MISSED, FALSE_ALARM = "#00e5ff", "#ffab00"
DARK = 0.55  # share of a row from which text on it is white
PANEL_IN = 1.75  # side of a picture
ID_CHARACTERS = 20  # of a line beside a picture


@dataclass(frozen=True)
class ShownPatch:
    """A test patch as a row of pictures."""

    group: str
    """One of GROUPS."""
    patch_id: str
    iou: float
    """Of mining."""
    picture: NDArray[np.uint8]
    """(y, x, 3) true colour."""
    label: NDArray[np.uint8]
    """(y, x)"""
    called: NDArray[np.uint8]
    """(y, x)"""


def shown_rows(confusions: NDArray[np.int64], patch_ids: Sequence[str], *, each: int = SHOWN) -> dict[str, list[int]]:
    """Group -> positions of at most `each` patches, by (n, class, class) counts; no patch stands in two groups."""
    ious = mining_iou(confusions)
    known = np.flatnonzero(np.isfinite(ious))
    order = sorted(known.tolist(), key=lambda position: (ious[position], patch_ids[position]))
    each = min(each, max(len(order) // len(GROUPS), 1))
    worst, rest = order[:each], order[each:]
    best, rest = rest[len(rest) - min(each, len(rest)) :], rest[: len(rest) - min(each, len(rest))]
    start = max((len(rest) - each) // 2, 0)
    return dict(zip(GROUPS, (worst, rest[start : start + each], best), strict=True))


def mining_iou(confusions: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, class, class) counts -> (n,) IoU of mining, NaN where neither label nor prediction has any."""
    hits = confusions[:, MINING, MINING]
    union = confusions[:, MINING].sum(axis=1) + confusions[:, :, MINING].sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(confusions), np.nan), where=union > 0)


def patches_figure(patches: Sequence[ShownPatch], names: Sequence[str], *, title: str, simulated: bool) -> "Figure":
    """A row a patch: image, label, prediction, and the image with what is missed and what is a false alarm outlined."""
    with styled():
        rows = max(len(patches), 1)
        figure = figures.new_figure(4 * PANEL_IN + 1.6, rows * (PANEL_IN + 0.16) + 1.1)
        figure.suptitle(
            figures.mark_title(title, simulated=simulated),
            x=0.01, ha="left", fontsize=11, fontweight="bold", color=figures.SIMULATED_INK if simulated else INK,
        )  # fmt: skip
        grid = figure.subplots(rows, 4, squeeze=False)
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            for spine in axes.spines.values():
                spine.set(visible=bool(patches), color=figures.GRID)
        for axes, name in zip(grid[0], ("image", "label", "prediction", "errors"), strict=True):
            axes.set_title(name, fontsize=9)
        for row, patch in zip(grid, patches, strict=False):
            _draw(row, patch)
        if not patches:
            grid[0][0].text(0.5, 0.5, "no patch has mining", ha="center", va="center", transform=grid[0][0].transAxes)
        _legend(figure, names)
        return figure


def _draw(row: Sequence["Axes"], patch: ShownPatch) -> None:
    from matplotlib.collections import LineCollection

    row[0].set_ylabel(
        f"{patch.group}\nIoU {patch.iou:.2f}\n{_in_lines(patch.patch_id)}", rotation=0, ha="right", va="center", fontsize=8
    )
    px = patch.label.shape[0]
    counted = patch.label != NO_CLASS
    row[0].imshow(patch.picture, interpolation="nearest", extent=(0, px, px, 0))
    for axes, classes in ((row[1], patch.label), (row[2], patch.called)):
        axes.imshow(_coloured(classes), interpolation="nearest", extent=(0, px, px, 0))
    row[3].imshow(patch.picture, interpolation="nearest", extent=(0, px, px, 0))
    missed = counted & (patch.label == MINING) & (patch.called != MINING)
    alarm = counted & (patch.label != MINING) & (patch.called == MINING)
    for wrong, colour in ((missed, MISSED), (alarm, FALSE_ALARM)):
        edges = outline(np.pad(wrong, 1)) - 1  # of pixels at the border too
        row[3].add_collection(LineCollection(list(edges), colors=colour, linewidths=1.1))


def _in_lines(patch_id: str) -> str:
    """An id in lines that fit beside a picture; of a long one its beginning and its end."""
    text = patch_id if len(patch_id) <= 3 * ID_CHARACTERS else f"{patch_id[: 2 * ID_CHARACTERS - 1]}…{patch_id[-ID_CHARACTERS:]}"
    return "\n".join(text[start : start + ID_CHARACTERS] for start in range(0, len(text), ID_CHARACTERS))


def _coloured(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(y, x) classes -> (y, x, 3), NO_CLASS white."""
    from matplotlib.colors import to_rgb

    table = np.full((256, 3), 255, np.uint8)
    for value, colour in enumerate(CLASS_COLOURS):
        table[value] = np.round(255 * np.array(to_rgb(colour))).astype(np.uint8)
    return table[classes]


def _legend(figure: "Figure", names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=colour, edgecolor=MUTED, label=name) for name, colour in zip(names, CLASS_COLOURS, strict=False)
    ]
    handles += [Patch(facecolor="white", edgecolor=MUTED, label="no class, not counted")]
    handles += [Line2D([], [], color=MISSED, label="missed mining"), Line2D([], [], color=FALSE_ALARM, label="false alarm")]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=8)


def confusion_figure(facts: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """Pixels by label (rows) and prediction (columns): counts, and their share of the label's row, which is the shade."""
    names, counts = list(facts["classes"]), np.array(facts["confusion"])
    sums = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)
    with styled():
        figure, axes = titled(title, _counted(facts), simulated)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > DARK else INK
            text = f"{counts[row, column]:,}\n{shares[row, column]:.1%}" if sums[row] else "no pixels"
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
        axes.set(xticks=range(len(names)), yticks=range(len(names)), xticklabels=names, yticklabels=names)
        axes.set(xlabel="predicted", ylabel="label")
        axes.grid(visible=False)
        return figure


def class_figure(facts: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """Precision and recall of each class; a class that does not occur is marked."""
    classes = facts["classes"]
    with styled():
        figure, axes = titled(title, _counted(facts), simulated)
        for place, row in enumerate(classes.values()):
            for offset, name, colour in ((-0.18, "precision", PALETTE["train"]), (0.18, "recall", PALETTE["val"])):
                if row[name] is None:
                    axes.text(0.01, place + offset, f"no {name}: no such pixels", va="center", fontsize=8, color=MUTED)
                    continue
                axes.barh(place + offset, row[name], height=0.32, color=colour, label=name if place == 0 else None)
                axes.text(min(row[name] + 0.01, 0.93), place + offset, f"{row[name]:.3f}", va="center", fontsize=8, color=INK)
        labels = [f"{name}\n{row['pixels']:,} pixels" for name, row in classes.items()]
        axes.set(yticks=range(len(classes)), yticklabels=labels, xlim=(0, 1), xlabel="share of pixels")
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8.5, borderaxespad=0)
        return figure


def _counted(facts: Mapping[str, Any]) -> str:
    return f"{facts['patches']} patches, {facts['pixels']:,} labelled pixels"


def class_table(facts: Mapping[str, Any]) -> pd.DataFrame:
    """A row a class: pixels, predicted_pixels, iou, precision, recall, f1, and the intervals of IoU by patch and by cluster."""
    drawn = {name: facts["bootstrap"][name] for name in ("by_patch", "by_cluster") if facts["bootstrap"].get(name)}
    rows = []
    for name, row in facts["classes"].items():
        spans = {
            f"iou_{unit}_{end}": (told["iou"][name] or {}).get(end) for unit, told in drawn.items() for end in ("low", "high")
        }
        rows.append({"class": name, **row, **spans})
    return pd.DataFrame(rows)
