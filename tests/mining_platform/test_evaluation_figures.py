from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from mining_platform.evaluation_figures import calibration_figure, precision_recall_figure, roc_figure, score_figure
from mining_platform.evaluations.kinds import told_apart
from mining_platform.evaluations.patch_scores import evaluate
from mining_platform.figures import figure_png
from mining_platform.range_figures import MAX_GROUPS, group_figure, kinds_figure, recall_figure
from tests.mining_platform.prediction_tables import SIX, noisy, predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITHOUT_MINING = predictions([("000", 0.1), ("000", 0.2)])
Draw = Callable[[pd.DataFrame, float | None], "Figure"]


def _facts(table: pd.DataFrame, threshold: float | None) -> dict:
    return evaluate(table, threshold, seed=1, resamples=100)


DRAWN: dict[str, Draw] = {
    "recall": lambda table, cut: recall_figure(_facts(table, cut), title="Recall", simulated=True),
    "precision and recall": lambda table, cut: precision_recall_figure(
        {"sim-cnn": table, "always no": table.assign(score=0.0)}, _facts(table, cut), title="Curve", simulated=True
    ),
    "roc": lambda table, cut: roc_figure({"sim-cnn": table}, _facts(table, cut), title="ROC", simulated=True),
    "calibration": lambda table, cut: calibration_figure(_facts(table, cut), title="Calibration", simulated=True),
    "regions": lambda table, cut: group_figure(
        _facts(table, cut), _facts(table, cut)["by_region"], title="Regions", simulated=True
    ),
}
EACH = pytest.mark.parametrize("draw", DRAWN.values(), ids=list(DRAWN))


@EACH
@pytest.mark.parametrize("threshold", [0.5, None])
def test_figures_are_drawn_with_equal_bytes_even_for_ranges_without_patches(draw: Draw, threshold: float | None) -> None:
    assert figure_png(draw(SIX, threshold)) == figure_png(draw(SIX, threshold))


@EACH
def test_figures_say_that_data_are_simulated(draw: Draw) -> None:
    assert draw(SIX, 0.5).get_suptitle().startswith("SIMULATED · ")


@EACH
@pytest.mark.parametrize("threshold", [0.5, None])
def test_figures_are_drawn_for_a_test_split_without_mining(draw: Draw, threshold: float | None) -> None:
    assert figure_png(draw(WITHOUT_MINING, threshold))


@EACH
def test_figures_tell_how_many_patches_they_rest_on(draw: Draw) -> None:
    assert draw(SIX, 0.5).axes[0].get_title(loc="left").startswith("3 patches with mining, 3 without")


def test_scores_are_drawn_for_real_data_without_a_mark() -> None:
    assert score_figure(SIX, 0.5, title="Scores", simulated=False).get_suptitle() == "Scores"


def test_the_curve_by_range_has_a_point_for_each_range_with_patches_at_its_recall() -> None:
    axes = recall_figure(_facts(SIX, 0.5), title="Recall", simulated=True).axes[0]
    points = {(line.get_xdata()[0], round(line.get_ydata()[0], 3)) for line in axes.lines if line.get_marker() == "o"}
    assert points == {(-0.3, 0.333), (1, 0.5), (10, 1.0)}
    assert [label.get_text() for label in axes.get_xticklabels()][:2] == ["0\nn = 3", "0–10\nn = 2"]


def test_without_ranges_each_kind_of_place_is_drawn_at_its_share_called_mining() -> None:
    table = SIX.assign(range="", negative=["", "", "", "curated", "grid", "grid"])
    facts = _facts(told_apart(table), 0.5)
    assert "recall_by_range" not in facts
    axes = kinds_figure(facts, title="Kinds", simulated=True).axes[0]
    points = [(line.get_xdata()[0], round(line.get_ydata()[0], 3)) for line in axes.lines if line.get_marker() == "o"]
    assert points == [(0, 0.667), (1, 1.0), (2, 0.0)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["mining\nn = 3", "curated\nn = 1", "grid\nn = 2"]
    assert axes.get_title(loc="left").endswith("no map, no mining range")


def test_where_one_patch_has_a_range_scores_are_told_apart_by_range() -> None:
    table = SIX.assign(negative=["", "", "", "random", "random", "random"])
    assert told_apart(table.assign(range=["", "", "090_100", "", "", ""]))["range"].tolist().count("") == 5
    assert "group" not in told_apart(table)


def test_intervals_over_clusters_are_drawn_and_named_where_there_are_some() -> None:
    table = noisy(1).assign(cluster=[f"c{row % 30}" for row in range(120)])
    with_clusters, without = (recall_figure(_facts(each, 0.5), title="Recall", simulated=True) for each in (table, noisy(1)))
    assert with_clusters.axes[0].get_xlabel().endswith("thin line by cluster of neighbours")
    assert len(with_clusters.axes[0].collections) > len(without.axes[0].collections)


def test_scores_that_are_no_probabilities_are_told_in_the_figure_of_calibration() -> None:
    figure = calibration_figure(_facts(SIX.assign(score=SIX["score"] * 10), 5.0), title="Calibration", simulated=True)
    assert figure.axes[0].get_title(loc="left").endswith("scores from 1 to 9 are no probabilities in [0, 1]")


def test_of_many_groups_those_with_most_mining_are_drawn_and_the_others_counted() -> None:
    table = pd.concat([SIX.assign(patch_id=SIX["patch_id"] + f"_{row}", group=f"g{row:02d}") for row in range(MAX_GROUPS + 2)])
    facts = _facts(table, 0.5)
    axes = group_figure(facts, facts["by_group"], title="Groups", simulated=False).axes[0]
    assert axes.get_title(loc="left").endswith("2 smaller groups are not drawn")
    assert len(axes.get_yticklabels()) == MAX_GROUPS
    assert axes.get_yticklabels()[0].get_text() == "g00  (3 of 6 with mining)"
