"""The curves of a training: losses, the F1 on validation and the learning rate, by epoch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mining_platform.figures import INK, MUTED, PALETTE, SIMULATED_INK, new_figure, styled, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mining_platform.training_runs import Run

SIZE_IN = (7.5, 5.6)
FAINT = 0.55  # opacity of lines where an ensemble has several


def curves_figure(runs: "Sequence[Run]", *, unit: str, title: str, simulated: bool) -> "Figure":
    """Losses above, F1 in the middle, rate below; one line a run, a dashed line at the epoch kept where there is one run.

    `unit`: what losses are means of, `patch` or `pixel`.
    """
    from matplotlib.ticker import MaxNLocator

    with styled():
        figure = new_figure(*SIZE_IN)
        losses, scores, rates = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1))
        colour = SIMULATED_INK if simulated else INK
        figure.suptitle(title_lines(title, simulated=simulated), x=0.01, ha="left", fontsize=11, fontweight="bold", color=colour)
        for number, each in enumerate(runs):
            _lines(losses, scores, rates, each, is_first=number == 0, opacity=1.0 if len(runs) == 1 else FAINT)
        if len(runs) == 1:
            for axes in (losses, scores, rates):
                label = f"kept: epoch {runs[0].best_epoch}" if axes is losses else None
                axes.axvline(runs[0].best_epoch, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label=label)
        losses.set(ylabel=f"loss a {unit}", ylim=(0, None))
        scores.set(ylabel="validation F1", ylim=(-0.03, 1.05))
        rates.set(ylabel="rate", xlabel="epoch", ylim=(0, None))
        rates.set_xlim(0.5, max(len(each.history) for each in runs) + 0.5)
        rates.xaxis.set_major_locator(MaxNLocator(integer=True))
        losses.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8.5, borderaxespad=0)
        return figure


def _lines(losses: "Axes", scores: "Axes", rates: "Axes", run: "Run", *, is_first: bool, opacity: float) -> None:
    epochs = [epoch.epoch for epoch in run.history]
    drawn = (
        (losses, [epoch.train_loss for epoch in run.history], PALETTE["train"], "training"),
        (losses, [epoch.val_loss for epoch in run.history], PALETTE["val"], "validation"),
        (scores, [float("nan") if epoch.val_f1 is None else epoch.val_f1 for epoch in run.history], PALETTE["val"], None),
        (rates, [epoch.learning_rate for epoch in run.history], MUTED, None),
    )
    for axes, values, colour, label in drawn:
        axes.plot(epochs, values, "o-", color=colour, markersize=3, alpha=opacity, label=label if is_first else None)
