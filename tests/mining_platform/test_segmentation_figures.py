"""Figures of segmentation: which patches are shown, and what is drawn of them."""

from typing import Any

import numpy as np
import pytest

from mining_platform.evaluations.pixel_columns import pixel_columns, pixel_counts
from mining_platform.evaluations.pixel_scores import segmentation_scores
from mining_platform.figures import figure_png
from mining_platform.segmentation_figures import (
    ShownPatch,
    class_figure,
    class_table,
    confusion_figure,
    mining_iou,
    patches_figure,
    shown_rows,
)

NAMES = ("other", "mining", "cloud")


def counts(*hits_of_ten: int | None) -> np.ndarray:
    """(n, 2, 2) counts of patches whose IoU of mining is so many tenths; None for a patch without any mining."""
    rows = [[[90, 0], [10 - hits, hits]] if hits is not None else [[100, 0], [0, 0]] for hits in hits_of_ten]
    return np.array(rows, np.int64)


def test_the_worst_the_middle_and_the_best_are_shown_and_none_twice() -> None:
    confusions = counts(5, 1, 9, None, 3, 7, 8)
    ids = list("abcdefg")
    assert mining_iou(confusions)[:3].tolist() == [0.5, 0.1, 0.9]
    shown = shown_rows(confusions, ids)
    assert {group: [ids[row] for row in rows] for group, rows in shown.items()} == {
        "worst": ["b", "e"],
        "median": ["a", "f"],
        "best": ["g", "c"],
    }


@pytest.mark.parametrize(("hits", "number"), [((), 0), ((None, None), 0), ((4,), 1), ((4, 4), 2), ((1, 2, 3, 4), 3)])
def test_few_patches_are_shown_once_each(hits: tuple[int | None, ...], number: int) -> None:
    shown = [
        row
        for rows in shown_rows(counts(*hits).reshape(-1, 2, 2), [str(row) for row in range(len(hits))]).values()
        for row in rows
    ]
    assert len(shown) == len(set(shown)) == number


def test_equal_patches_are_chosen_by_their_ids() -> None:
    shown = shown_rows(counts(5, 5, 5), ["c", "a", "b"], each=1)
    assert shown == {"worst": [1], "median": [2], "best": [0]}


def patch(group: str) -> ShownPatch:
    label, called = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    label[:2], called[:, :2], label[7] = 1, 1, 255
    return ShownPatch(group, "p", 0.25, np.full((8, 8, 3), 90, np.uint8), label, called)


def test_what_is_missed_and_what_is_a_false_alarm_is_outlined_and_pixels_without_class_are_not() -> None:
    figure = patches_figure([patch("worst")], NAMES[:2], title="t", simulated=False)
    missed, alarm = (each.get_segments() for each in figure.axes[3].collections)
    # missed: 2 rows x 6 columns, alarm: rows 2 to 6 x 2 columns; edges around each
    assert (len(missed), len(alarm)) == (2 * (2 + 6), 2 * (5 + 2))
    assert np.concatenate(alarm)[:, 1].max() == 7  # the last row has no class


def facts() -> dict[str, Any]:
    rows = np.zeros((2, 3, 3), np.int64)
    rows[:, 0, 0], rows[:, 1, 1], rows[0, 1, 0] = 50, 8, 4
    return segmentation_scores(rows, dict(enumerate(NAMES)), patch_ids=["a", "b"], seed=1, resamples=100)


def test_the_table_of_classes_tells_counts_and_shares_of_the_label() -> None:
    figure = confusion_figure(facts(), title="t", simulated=True)
    told = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert told[(0, 1)] == "4\n20.0%"
    assert told[(1, 1)] == "16\n80.0%"
    assert told[(2, 2)] == "no pixels"
    assert figure.get_suptitle().startswith("SIMULATED")


def test_a_class_that_does_not_occur_is_marked_and_not_drawn_as_zero() -> None:
    figure = class_figure(facts(), title="t", simulated=False)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "no precision: no such pixels" in texts
    assert "0.800" in texts
    assert len(figure.axes[0].patches) == 4


def test_the_table_by_class_has_the_interval_of_iou() -> None:
    table = class_table(facts()).set_index("class")
    assert table.loc["mining", "iou"] == 0.8
    assert table.loc["mining", "iou_by_patch_low"] <= 0.8 <= table.loc["mining", "iou_by_patch_high"]


def test_equal_figures_have_equal_bytes() -> None:
    first, second = (figure_png(patches_figure([patch("best")], NAMES[:2], title="t", simulated=True)) for _ in range(2))
    assert first == second
    assert figure_png(patches_figure([], NAMES[:2], title="t", simulated=False)).startswith(b"\x89PNG")


def test_counts_of_pixels_come_back_from_the_columns_of_a_table() -> None:
    import pandas as pd

    confusions = np.arange(18).reshape(2, 3, 3)
    table = pd.DataFrame(pixel_columns(confusions, NAMES)).astype(str)
    found, names = pixel_counts(table)
    assert names == NAMES
    assert (found == confusions).all()
    with pytest.raises(ValueError, match="has no column px_cloud_as_mining"):
        pixel_counts(table.drop(columns="px_cloud_as_mining"))
    with pytest.raises(ValueError, match="px_other_as_cloud holds no number of pixels in row 2"):
        pixel_counts(table.assign(px_other_as_cloud=["1", "-1"]))
