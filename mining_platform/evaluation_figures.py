"""Figures of training and evaluation: recall per mining range, precision and recall, scores, losses.

Each returns a matplotlib Figure made in the project's style; figures.figure_png turns it into bytes.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mining_platform.datasets import RANGES
from mining_platform.evaluation import average_precision, precision_recall
from mining_platform.figures import INK, MUTED, PALETTE, SIMULATED_INK, mark_title, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from mining_platform.training import Epoch

SIZE_IN = (7.5, 4.2)  # 900 x 504 pixels at figures.FIGURE_DPI
ZERO_AT = -0.3  # place of the patches without mining on the range axis, apart from the ranges at 1 to 10
SCORE_BINS = np.linspace(0, 1, 41).tolist()


def recall_figure(evaluation: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """Share of patches called mining in each range with 95 % intervals; patches without mining stand apart on the left.

    `evaluation` is the result of evaluation.evaluate. Ranges without a patch are marked as such, not drawn as 0.
    """
    rates = evaluation["recall_by_range"]
    with styled():
        figure, axes = _titled(title, _counts(evaluation), simulated)
        for position, name in enumerate(RANGES[1:], start=1):
            _rate(axes, position, rates[name], "recall", PALETTE["mining"])
        _rate(axes, ZERO_AT, evaluation["no_mining"], "false_positive_rate", PALETTE["other"])
        if evaluation["recall"] is not None:
            label = f"recall over all ranges {evaluation['recall']:.2f}"
            axes.plot([0.55, 10.45], [evaluation["recall"]] * 2, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=label)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), fontsize=8, borderaxespad=0.1)
        axes.axvline(0.5, color=MUTED, linewidth=0.8)
        counts = [evaluation["no_mining"]["n"], *(rates[name]["n"] for name in RANGES[1:])]
        ticks = [f"{name}\nn = {n}" for name, n in zip(_range_names(), counts, strict=True)]
        axes.set_xticks([ZERO_AT, *range(1, len(ticks))], ticks, fontsize=8)
        axes.tick_params(axis="x", length=0)
        axes.set(xlim=(-0.8, 10.8), ylim=(-0.03, 1.08), yticks=np.linspace(0, 1, 6), ylabel="share called mining, 95 % interval")
        axes.set_xlabel("area of the patch that is mining, %  (left of the line: false positives; right: recall)")
        axes.grid(visible=False, axis="x")
        return figure


def _range_names() -> list[str]:
    """Tick labels: `0`, `0-10` ... `90-100`."""
    return ["0", *(f"{low}–{low + 10}" for low in range(0, 100, 10))]


def _rate(axes: "Axes", position: float, row: Mapping[str, Any], name: str, colour: str) -> None:
    if row[name] is None:
        axes.text(position, 0.02, "no\npatch", ha="center", va="bottom", fontsize=7.5, color=MUTED)
        return
    axes.vlines(position, row["low"], row["high"], color=colour, linewidth=6, alpha=0.28)
    axes.plot(position, row[name], "o", color=colour, markersize=7, markeredgecolor="white", markeredgewidth=0.8)
    axes.annotate(
        f"{row[name]:.2f}",
        (position, row[name]),
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
    )


def precision_recall_figure(
    predictions: Mapping[str, pd.DataFrame], evaluation: Mapping[str, Any], *, title: str, simulated: bool
) -> "Figure":
    """Precision against recall, one line for each table of predictions (name -> is_mining, score), the model first; at most 4.

    The point is the model at its threshold; the dashed line is the share of mining patches, what guessing would reach.
    """
    with styled():
        figure, axes = _titled(title, _counts(evaluation), simulated)
        colours = [PALETTE["mining"], PALETTE["neutral"], PALETTE["val"], PALETTE["train"]]
        for (name, table), colour in zip(predictions.items(), colours, strict=False):
            _curve(axes, table, name, colour)
        share = evaluation["positives"] / evaluation["patches"]
        axes.axhline(share, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=f"guessing, {share:.2f}")
        if evaluation["precision"] is not None and evaluation["recall"] is not None:
            label = f"at threshold {evaluation['threshold']:.2f}"
            axes.plot(evaluation["recall"], evaluation["precision"], "o", color=PALETTE["mining"], markersize=8, label=label)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.04), xlabel="recall", ylabel="precision")
        _legend_beside(axes)
        return figure


def _curve(axes: "Axes", table: pd.DataFrame, name: str, colour: str) -> None:
    is_mining, scores = table["is_mining"].to_numpy(bool), table["score"].to_numpy(float)
    area = average_precision(is_mining, scores)
    if area is None:
        return
    curve = precision_recall(is_mining, scores)
    recall, precision = [0.0, *curve["recall"]], [curve["precision"].iloc[0], *curve["precision"]]
    axes.step(recall, precision, where="pre", color=colour, linewidth=1.8, label=f"{name}\nPR-AUC {area:.2f}")


def score_figure(predictions: pd.DataFrame, threshold: float, *, title: str, simulated: bool) -> "Figure":
    """Histogram of the scores in [0, 1] of patches with and without mining, and the threshold."""
    is_mining = predictions["is_mining"].to_numpy(bool)
    scores = predictions["score"].to_numpy(float)
    with styled():
        figure, axes = _titled(title, f"{is_mining.sum()} patches with mining, {(~is_mining).sum()} without", simulated)
        for rows, name, colour in ((~is_mining, "without mining", "other"), (is_mining, "with mining", "mining")):
            axes.hist(scores[rows], SCORE_BINS, color=PALETTE[colour], alpha=0.65, label=f"{name}\nn = {rows.sum()}")
        axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label=f"threshold {threshold:.2f}")
        axes.set(xlim=(0, 1), xlabel="score", ylabel="patches")
        axes.yaxis.set_major_locator(_whole_numbers())
        _legend_beside(axes)
        return figure


def history_figure(history: "Sequence[Epoch]", best_epoch: int, *, title: str, simulated: bool) -> "Figure":
    """Training and validation loss by epoch; the line marks the epoch whose weights were kept."""
    epochs = [epoch.epoch for epoch in history]
    with styled():
        figure, axes = _titled(title, "weighted binary cross-entropy, mean per patch", simulated)
        axes.plot(epochs, [epoch.train_loss for epoch in history], "o-", color=PALETTE["train"], markersize=4, label="training")
        axes.plot(epochs, [epoch.val_loss for epoch in history], "o-", color=PALETTE["val"], markersize=4, label="validation")
        axes.axvline(best_epoch, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label=f"kept: epoch {best_epoch}")
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None), xlim=(0.5, max(epochs) + 0.5))
        axes.xaxis.set_major_locator(_whole_numbers())
        _legend_beside(axes)
        return figure


def _legend_beside(axes: "Axes") -> None:
    """A legend right of the axes, where it covers no data."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8.5, borderaxespad=0)


def _whole_numbers() -> "MaxNLocator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def _counts(evaluation: Mapping[str, Any]) -> str:
    return f"{evaluation['positives']} patches with mining, {evaluation['negatives']} without"


def _titled(title: str, subtitle: str, simulated: bool) -> "tuple[Figure, Axes]":
    figure = new_figure(*SIZE_IN)
    axes = figure.subplots()
    colour = SIMULATED_INK if simulated else INK
    figure.suptitle(mark_title(title, simulated=simulated), x=0.01, ha="left", fontsize=11, fontweight="bold", color=colour)
    axes.set_title(subtitle, fontsize=8.5, fontweight="normal", color=MUTED)
    return figure, axes
