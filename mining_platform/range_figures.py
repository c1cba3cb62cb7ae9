"""Figures by group: how performance changes with the mining proportion, or from region to region."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mining_platform.evaluation_figures import SIZE_IN, counts_line, titled
from mining_platform.figures import INK, MUTED, PALETTE, styled
from mining_platform.ranges import RANGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ZERO_AT = -0.3  # place of the patches without mining on the range axis, apart from the ranges at 1 to 10
MAX_GROUPS = 30  # that a figure can name legibly; those with most mining patches are drawn


def recall_figure(evaluation: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """Share of patches called mining in each range with 95 % intervals; patches without mining stand apart on the left.

    `evaluation` is the result of patch_scores.evaluate. The pale bar is Wilson's interval; the thin line, where the table names
    clusters, the bootstrap over clusters of neighbours. Ranges without a patch are marked as such, not drawn as 0. Without a
    threshold the share of pairs in which a patch of the range scores above one without mining is drawn instead.
    """
    rates = evaluation["recall_by_range"]
    if evaluation["threshold"] is None:
        return _separation_figure(evaluation, title=title, simulated=simulated)
    with styled():
        figure, axes = titled(title, counts_line(evaluation), simulated)
        for position, name in enumerate(RANGES[1:], start=1):
            _rate(axes, position, rates[name], "recall", PALETTE["mining"])
        _rate(axes, ZERO_AT, evaluation["no_mining"], "false_positive_rate", PALETTE["other"])
        if evaluation["recall"] is not None:
            label = f"recall over all ranges {evaluation['recall']:.2f}"
            axes.plot([0.55, 10.45], [evaluation["recall"]] * 2, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label=label)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), fontsize=8, borderaxespad=0.1)
        _range_axis(axes, [evaluation["no_mining"]["n"], *(rates[name]["n"] for name in RANGES[1:])])
        axes.set(ylim=(-0.03, 1.08), yticks=np.linspace(0, 1, 6), ylabel="share called mining, 95 % interval")
        axes.set_xlabel(_range_label(evaluation))
        return figure


def _range_label(evaluation: Mapping[str, Any]) -> str:
    rows = (evaluation["no_mining"], *evaluation["recall_by_range"].values())
    clusters = any(row.get("cluster_low") is not None for row in rows)
    drawn = "\n95 % intervals: bar by patch, thin line by cluster of neighbours" if clusters else ""
    return f"area of the patch that is mining, %  (left of the line: false positives; right: recall){drawn}"


def _separation_figure(evaluation: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    rates = evaluation["recall_by_range"]
    with styled():
        figure, axes = titled(title, f"{counts_line(evaluation)}; no threshold was given", simulated)
        for position, name in enumerate(RANGES[1:], start=1):
            row = {**rates[name], "low": rates[name]["separation"], "high": rates[name]["separation"]}
            _rate(axes, position, row, "separation", PALETTE["mining"])
        axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        _range_axis(axes, [evaluation["no_mining"]["n"], *(rates[name]["n"] for name in RANGES[1:])])
        axes.set(ylim=(-0.03, 1.08), yticks=np.linspace(0, 1, 6), ylabel="ROC-AUC against patches without")
        axes.set_xlabel("area of the patch that is mining, %  (dashed: guessing)")
        return figure


def _range_axis(axes: "Axes", counts: list[int]) -> None:
    ticks = [f"{name}\nn = {n}" for name, n in zip(_range_names(), counts, strict=True)]
    axes.set_xticks([ZERO_AT, *range(1, len(ticks))], ticks, fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.axvline(0.5, color=MUTED, linewidth=0.8)
    axes.set_xlim(-0.8, 10.8)
    axes.grid(visible=False, axis="x")


def _range_names() -> list[str]:
    """Tick labels: `0`, `0-10` ... `90-100`."""
    return ["0", *(f"{low}–{low + 10}" for low in range(0, 100, 10))]


def _rate(axes: "Axes", position: float, row: Mapping[str, Any], name: str, colour: str) -> None:
    if row[name] is None:
        axes.text(position, 0.02, "no\npatch", ha="center", va="bottom", fontsize=7.5, color=MUTED)
        return
    axes.vlines(position, row["low"], row["high"], color=colour, linewidth=6, alpha=0.28)
    if row.get("cluster_low") is not None:
        axes.vlines(position, row["cluster_low"], row["cluster_high"], color=colour, linewidth=1.3)
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


def kinds_figure(evaluation: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """Share of patches called mining of each kind of place, with Wilson's 95 % interval: mining first, then the others by name.

    `evaluation` is the result of patch_scores.evaluate at a threshold, told apart by kind (`evaluations.kinds`), without ranges.
    """
    groups = evaluation["by_group"]
    shown = sorted(groups, key=lambda name: (not groups[name]["positives"], name))
    with styled():
        figure, axes = titled(title, f"{counts_line(evaluation)}; no map, no mining range", simulated)
        for place, name in enumerate(shown):
            mining = bool(groups[name]["positives"])
            _rate(axes, place, _called(groups[name]), "called", PALETTE["mining" if mining else "other"])
        ticks = [f"{name}\nn = {groups[name]['patches']}" for name in shown]
        axes.set_xticks(range(len(shown)), ticks, fontsize=9)
        axes.grid(visible=False, axis="x")
        axes.set(xlim=(-0.6, len(shown) - 0.4), ylim=(-0.03, 1.08), yticks=np.linspace(0, 1, 6))
        axes.set_ylabel("share called mining, 95 % interval")
        axes.set_xlabel("kind of place  (mining: recall; the others: false positives)")
        return figure


def _called(row: Mapping[str, Any]) -> dict[str, Any]:
    """Share of a kind's patches called mining, and its interval."""
    if row["positives"]:
        return {"called": row["recall"], **row["recall_interval"]}
    interval = row["specificity_interval"]
    return {"called": row["false_positive_rate"], "low": 1 - interval["high"], "high": 1 - interval["low"]}


def group_figure(evaluation: Mapping[str, Any], groups: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """Recall of each group with Wilson's 95 % interval, or without a threshold its PR-AUC; counts stand beside the names.

    `groups` is by_region or by_group of patch_scores.evaluate. Of many groups the MAX_GROUPS with most mining patches are drawn.
    """
    measure = "pr_auc" if evaluation["threshold"] is None else "recall"
    shown = sorted(groups, key=lambda name: (-groups[name]["positives"], name))[:MAX_GROUPS]
    with styled():
        left_out = f"; {len(groups) - len(shown)} smaller groups are not drawn" if len(groups) > len(shown) else ""
        figure, axes = titled(title, counts_line(evaluation) + left_out, simulated)
        figure.set_size_inches(SIZE_IN[0], max(2.2, 0.3 * len(shown) + 1.3))
        for place, name in enumerate(shown):
            _group(axes, place, groups[name], measure)
        if evaluation[measure] is not None:
            axes.axvline(evaluation[measure], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        names = [f"{name}  ({groups[name]['positives']} of {groups[name]['patches']} with mining)" for name in shown]
        axes.set_yticks(range(len(shown)), names, fontsize=8)
        axes.set(ylim=(len(shown) - 0.5, -0.5), xlim=(-0.02, 1.06))
        axes.set_xlabel("PR-AUC (dashed: all patches)" if measure == "pr_auc" else "recall, 95 % interval (dashed: all patches)")
        return figure


def _group(axes: "Axes", place: int, row: Mapping[str, Any], measure: str) -> None:
    if row[measure] is None:
        axes.text(0.01, place, "no patch with mining", va="center", fontsize=7.5, color=MUTED)
        return
    interval = row.get("recall_interval") if measure == "recall" else None
    if interval:
        axes.hlines(place, interval["low"], interval["high"], color=PALETTE["mining"], linewidth=6, alpha=0.28)
    axes.plot(row[measure], place, "o", color=PALETTE["mining"], markersize=7, markeredgecolor="white", markeredgewidth=0.8)
