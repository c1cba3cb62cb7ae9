"""Which cells of a map of scores are detections."""

import numpy as np
import pytest

from mining_platform.detection_rules import DETECTION_RULES, DetectionRule, detected, detection_rule, isolated

FIELDS = DetectionRule("fields", "", 0.4, 0.8, 2, 1_000.0)


def scored(*cells: tuple[int, int, float]) -> np.ndarray:
    """(20, 20) scores of 0 but for some cells."""
    scores = np.zeros((20, 20), dtype=np.float32)
    for row, column, score in cells:
        scores[row, column] = score
    return scores


def test_a_cell_with_enough_others_near_needs_the_lower_score() -> None:
    found = detected(scored((0, 0, 0.5), (0, 1, 0.5), (1, 0, 0.5)), FIELDS, own=0.9, cell_m=480)

    assert np.argwhere(found).tolist() == [[0, 0], [0, 1], [1, 0]]


def test_a_cell_that_stands_alone_needs_the_higher_score() -> None:
    scores = scored((0, 0, 0.5), (0, 1, 0.5), (1, 0, 0.5), (15, 15, 0.79), (5, 15, 0.81))

    assert np.argwhere(detected(scores, FIELDS, own=0.9, cell_m=480)).tolist() == [[0, 0], [0, 1], [1, 0], [5, 15]]


def test_the_farthest_neighbour_that_counts_lies_just_at_the_limit() -> None:
    places = np.array([[0.0, 0.0], [0.0, 500.0], [0.0, 1_000.0], [0.0, 2_000.1]])

    assert isolated(places, neighbours=2, within_m=1_000.0).tolist() == [False, False, False, True]


def test_of_as_many_places_as_neighbours_each_is_isolated() -> None:
    assert isolated(np.zeros((5, 2)), neighbours=5, within_m=3_000.0).tolist() == [True] * 5
    assert isolated(np.zeros((6, 2)), neighbours=5, within_m=3_000.0).tolist() == [False] * 6


def test_scores_at_the_threshold_count_and_cells_without_data_do_not() -> None:
    scores = scored((0, 0, 0.4), (0, 1, 0.39999))
    scores[2, 2] = np.nan

    assert np.argwhere(detected(scores, detection_rule("plain"), own=0.4, cell_m=240)).tolist() == [[0, 0]]


def test_a_rule_without_thresholds_takes_the_models_own_and_halfway_from_it_to_1() -> None:
    assert detection_rule("in-fields").thresholds(0.5) == (0.5, 0.75)
    assert detection_rule("amazon-mining-watch").thresholds(0.5) == (0.43, 0.75)
    assert detection_rule("amazon-mining-watch-cumulative").thresholds(0.5) == (0.55, 0.80)


def test_an_unknown_rule_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"known: plain, in-fields.*Add a row"):
        detection_rule("none")
    assert all(name == rule.id for name, rule in DETECTION_RULES.items())
