"""Figures of evaluation: precision and recall, ROC, scores, calibration.

Each returns a matplotlib Figure made in the project's style; figures.figure_png turns it into bytes. `range_figures` has those by
mining range and by group.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mining_platform.evaluations.counts import ranking_scores
from mining_platform.evaluations.curves import precision_recall, roc
from mining_platform.figures import INK, MUTED, PALETTE, SIMULATED_INK, new_figure, styled, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

SIZE_IN = (7.5, 4.2)  # 900 x 504 pixels at figures.FIGURE_DPI
SCORE_BINS = np.linspace(0, 1, 41).tolist()
BAR_WIDTH = 0.094  # of a bin of 0.1, with a gap
CURVE_COLOURS = tuple(PALETTE[name] for name in ("mining", "neutral", "val", "train"))


def precision_recall_figure(
    predictions: Mapping[str, pd.DataFrame], evaluation: Mapping[str, Any], *, title: str, simulated: bool
) -> "Figure":
    """Precision against recall, one line for each table of predictions (name -> is_mining, score), the model first; at most 4.

    The point is the model at its threshold; the dashed line is the share of mining patches, what guessing would reach.
    """
    with styled():
        figure, axes = titled(title, counts_line(evaluation), simulated)
        for (name, table), colour in zip(predictions.items(), CURVE_COLOURS, strict=False):
            is_mining, scores = _arrays(table)
            area = ranking_scores(is_mining, scores)["pr_auc"]
            if area is not None:
                curve = precision_recall(is_mining, scores)
                recall, precision = [0.0, *curve["recall"]], [curve["precision"].iloc[0], *curve["precision"]]
                axes.step(recall, precision, where="pre", color=colour, linewidth=1.8, label=f"{name}\nPR-AUC {area:.3f}")
        share = evaluation["positives"] / evaluation["patches"]
        axes.axhline(share, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=f"guessing, {share:.2f}")
        _point(axes, evaluation, "recall", "precision")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.04), xlabel="recall", ylabel="precision")
        _legend_beside(axes)
        return figure


def roc_figure(
    predictions: Mapping[str, pd.DataFrame], evaluation: Mapping[str, Any], *, title: str, simulated: bool
) -> "Figure":
    """Recall against false positive rate, one line for each table of predictions, the model first; at most 4.

    The point is the model at its threshold; the dashed line is what guessing would reach.
    """
    with styled():
        figure, axes = titled(title, counts_line(evaluation), simulated)
        for (name, table), colour in zip(predictions.items(), CURVE_COLOURS, strict=False):
            is_mining, scores = _arrays(table)
            area = ranking_scores(is_mining, scores)["roc_auc"]
            if area is not None:
                curve = roc(is_mining, scores)
                false_rate, recall = [0.0, *curve["false_positive_rate"]], [0.0, *curve["recall"]]
                axes.plot(false_rate, recall, color=colour, linewidth=1.8, label=f"{name}\nROC-AUC {area:.3f}")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="guessing, 0.50")
        _point(axes, evaluation, "false_positive_rate", "recall")
        axes.set(
            xlim=(-0.02, 1.02), ylim=(0, 1.04), xlabel="false positive rate (1 - specificity)", ylabel="recall (sensitivity)"
        )
        _legend_beside(axes)
        return figure


def _arrays(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return table["is_mining"].to_numpy(bool), table["score"].to_numpy(float)


def _point(axes: "Axes", evaluation: Mapping[str, Any], x: str, y: str) -> None:
    """The model at its threshold, where there is one and both scores are defined."""
    if evaluation.get(x) is not None and evaluation.get(y) is not None:
        label = f"at threshold {evaluation['threshold']:.2f}"
        axes.plot(evaluation[x], evaluation[y], "o", color=PALETTE["mining"], markersize=8, label=label)


def calibration_figure(evaluation: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """Share of mining by score with 95 % intervals, and the number of patches of each bin of scores below it.

    Where scores are no probabilities the figure says so.
    """
    facts = evaluation["calibration"]
    table = [row for row in facts["reliability"] or () if row["patches"]]
    told = facts.get("reason") or (
        f"expected calibration error {facts['expected_calibration_error']:.3f}, Brier score {facts['brier_score']:.3f}"
    )
    with styled():
        figure = new_figure(SIZE_IN[0], SIZE_IN[1] + 0.6)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _suptitle(figure, title, simulated)
        upper.set_title(f"{counts_line(evaluation)}; {told}", fontsize=8.5, fontweight="normal", color=MUTED)
        upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="calibrated")
        for row in table:
            upper.vlines(row["mean_score"], row["low"], row["high"], color=PALETTE["mining"], linewidth=5, alpha=0.28)
        means, shares = [row["mean_score"] for row in table], [row["mining_share"] for row in table]
        label = "patches of a bin of scores,\n95 % interval"
        upper.plot(means, shares, "o-", color=PALETTE["mining"], markersize=6, linewidth=1.2, label=label)
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.05), ylabel="share with mining")
        _legend_beside(upper)
        _bin_counts(lower, table)
        return figure


def _bin_counts(axes: "Axes", table: Sequence[Mapping[str, Any]]) -> None:
    middles = [(row["score_from"] + row["score_to"]) / 2 for row in table]
    bars = axes.bar(middles, [row["patches"] for row in table], width=BAR_WIDTH, color=PALETTE["neutral"])
    axes.bar_label(bars, fontsize=7.5, color=MUTED, padding=1)
    axes.set(xlabel="score", ylabel="patches", yticks=[])
    axes.margins(y=0.25)
    axes.grid(visible=False, axis="y")


def score_figure(predictions: pd.DataFrame, threshold: float, *, title: str, simulated: bool) -> "Figure":
    """Histogram of the scores in [0, 1] of patches with and without mining, and the threshold."""
    is_mining, scores = _arrays(predictions)
    with styled():
        figure, axes = titled(title, f"{is_mining.sum()} patches with mining, {(~is_mining).sum()} without", simulated)
        for rows, name, colour in ((~is_mining, "without mining", "other"), (is_mining, "with mining", "mining")):
            axes.hist(scores[rows], SCORE_BINS, color=PALETTE[colour], alpha=0.65, label=f"{name}\nn = {rows.sum()}")
        axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label=f"threshold {threshold:.2f}")
        axes.set(xlim=(0, 1), xlabel="score", ylabel="patches")
        axes.yaxis.set_major_locator(_whole_numbers())
        _legend_beside(axes)
        return figure


def _legend_beside(axes: "Axes") -> None:
    """A legend right of the axes, where it covers no data."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8.5, borderaxespad=0)


def _whole_numbers() -> "MaxNLocator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def counts_line(evaluation: Mapping[str, Any]) -> str:
    """How many patches a figure rests on."""
    return f"{evaluation['positives']} patches with mining, {evaluation['negatives']} without"


def titled(title: str, subtitle: str, simulated: bool) -> "tuple[Figure, Axes]":
    """A figure of SIZE_IN with one pair of axes; to be called inside `styled`."""
    figure = new_figure(*SIZE_IN)
    axes = figure.subplots()
    _suptitle(figure, title, simulated)
    axes.set_title(subtitle, fontsize=8.5, fontweight="normal", color=MUTED)
    return figure, axes


def _suptitle(figure: "Figure", title: str, simulated: bool) -> None:
    colour = SIMULATED_INK if simulated else INK
    figure.suptitle(title_lines(title, simulated=simulated), x=0.01, ha="left", fontsize=11, fontweight="bold", color=colour)
