"""Figures of the summary of experiments: F1 with intervals beside the published ones, ablations, IoU of classes.

`summary_figures` makes them in the project's style; each of the others is to be called inside `figures.styled`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mining_platform.evaluation_figures import titled
from mining_platform.experiment_summaries import EVALUATED, Summary
from mining_platform.figures import INK, MUTED, PALETTE, SIMULATED_INK, figure_png, styled
from mining_platform.published_results import PublishedScores, published_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, ROW_IN, FRAME_IN = 7.5, 0.34, 1.7
BELOW = 0.27  # rows from our scores to the published ones
SCORES_FIGURE, ABLATION_FIGURE, CLASSES_FIGURE = "f1.png", "ablation.png", "iou.png"


def summary_figures(summary: Summary) -> dict[str, bytes]:
    """PNG by file name, those of which there is something to draw."""
    made = [row for row in summary.made if row["task"] == "classification"]
    ablated = [row for row in summary.ablations if row["state"] == EVALUATED and row["f1_difference"] is not None]
    drawn: dict[str, bytes] = {}
    with styled():
        if made:
            drawn[SCORES_FIGURE] = figure_png(scores_figure(made, title=_title("F1 of each experiment", summary, made)))
        if ablated:
            drawn[ABLATION_FIGURE] = figure_png(
                ablation_figure(ablated, title=_title("Without a layer of context", summary, made))
            )
        if summary.segmentations:
            segmented = [row for row in summary.made if row["task"] == "segmentation"]
            title = _title("Intersection over union", summary, segmented)
            drawn[CLASSES_FIGURE] = figure_png(classes_figure(summary.segmentations, title=title))
    return drawn


def simulated_share(rows: Sequence[Mapping[str, Any]]) -> str:
    """`SIMULATED` where all rows are, `PARTLY SIMULATED` where some are, else empty."""
    marks = [row["data"] == "SIMULATED" for row in rows]
    return "SIMULATED" if marks and all(marks) else "PARTLY SIMULATED" if any(marks) else ""


def _title(title: str, summary: Summary, rows: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    """The title with year, trials and mark, and whether it is to be red."""
    mark, trials = simulated_share(rows), sorted({row["trial"] for row in rows if row["trial"]})
    led = f"{mark} · {title}" if mark else title
    return " · ".join([f"{led}, {summary.year}", *trials]), bool(mark)


def _framed(title: tuple[str, bool], subtitle: str, rows: int) -> "tuple[Figure, Axes]":
    text, is_marked = title
    figure, axes = titled(text, subtitle, False)
    if is_marked:
        figure.texts[0].set_color(SIMULATED_INK)
    figure.set_size_inches(WIDTH_IN, ROW_IN * rows + FRAME_IN)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    return figure, axes


def scores_figure(rows: Sequence[Mapping[str, Any]], *, title: tuple[str, bool]) -> "Figure":
    """F1 at the threshold, its bootstrap mean and interval, PR-AUC, and in grey what the document reports of the same setting."""
    figure, axes = _framed(title, "beside each name: test patches with mining, of all; lines: 95 % bootstrap", len(rows))
    for place, row in enumerate(rows):
        published = published_of(row["experiment"])
        if published:
            _published(axes, place + BELOW, published)
        _scores(axes, place, row)
    axes.set_yticks(
        range(len(rows)), [f"{row['experiment']}  ({row['positives']} of {row['patches']})" for row in rows], fontsize=8
    )
    axes.set(xlim=(-0.02, 1.04), xlabel="F1 and PR-AUC")
    handles, labels = axes.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower left", ncols=4, fontsize=8, frameon=False)
    return figure


def _scores(axes: "Axes", place: float, row: Mapping[str, Any]) -> None:
    colour = PALETTE["mining"]
    if row["f1_low"] is not None:
        axes.hlines(place, row["f1_low"], row["f1_high"], color=colour, linewidth=5, alpha=0.28)
    if row["f1_mean"] is not None:
        axes.plot(row["f1_mean"], place, "|", color=colour, markersize=11, markeredgewidth=1.6, label="mean of the bootstrap")
    if row["f1"] is None:
        axes.text(0.0, place, "F1 undefined", va="center", fontsize=7.5, color=MUTED)
    else:
        axes.plot(row["f1"], place, "o", color=colour, markersize=6.5, markeredgecolor="white", label="F1 at the threshold")
    if row["pr_auc"] is not None:
        axes.plot(row["pr_auc"], place, "D", color=PALETTE["train"], markersize=4.5, fillstyle="none", label="PR-AUC")


def _published(axes: "Axes", place: float, published: PublishedScores) -> None:
    axes.hlines(place, published.low, published.high, color=MUTED, linewidth=1.4)
    axes.plot(published.f1, place, "s", color=MUTED, markersize=4.5, label="document, on other data")


def _prompted(row: Mapping[str, Any]) -> str:
    return f"\nprompts: {row['prompts'].partition(':')[0]}" if row["prompts"] else ""


def ablation_figure(rows: Sequence[Mapping[str, Any]], *, title: tuple[str, bool]) -> "Figure":
    """F1 less that of the experiment with all layers, on the same test patches, with its interval over clusters or patches."""
    counts = sorted({f"{row['patches']} test patches, {row['positives']} with mining" for row in rows})
    figure, axes = _framed(title, f"F1 without the layer less F1 with all; {'; '.join(counts)}; lines: 95 %, paired", len(rows))
    for place, row in enumerate(rows):
        unit = "patch" if row["clusters"] is None else "cluster"
        low, high = row[f"f1_{unit}_low"], row[f"f1_{unit}_high"]
        if low is not None:
            axes.hlines(place, low, high, color=PALETTE["mining"], linewidth=5, alpha=0.28)
        axes.plot(row["f1_difference"], place, "o", color=PALETTE["mining"], markersize=6.5, markeredgecolor="white")
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{row['base']} without {row['without']}" for row in rows], fontsize=8)
    axes.set(xlim=(-1.04, 1.04), xlabel="difference of F1: left of 0 the layer helped")
    return figure


def classes_figure(rows: Sequence[Mapping[str, Any]], *, title: tuple[str, bool]) -> "Figure":
    """IoU of each class with its interval; classes without a pixel are marked so, not drawn as 0."""
    figure, axes = _framed(title, "beside each name: pixels of the class in the labels; lines: 95 % bootstrap", len(rows))
    for place, row in enumerate(rows):
        colour = PALETTE["mining" if row["class"] == "mining" else "other"]
        if row["iou"] is None:
            axes.text(0.0, place, "no pixels", va="center", fontsize=7.5, color=MUTED)
            continue
        axes.barh(place, row["iou"], height=0.5, color=colour)
        if row["iou_low"] is not None:
            axes.plot([row["iou_low"], row["iou_high"]], [place, place], color=INK, linewidth=1.5)
    names = [f"{row['experiment']}: {row['class']}  ({row['pixels']:,}){_prompted(row)}" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set(xlim=(0, 1.02), xlabel="intersection over union")
    return figure
