"""How sure a model must be, and how much surer where a detection stands alone."""

import numpy as np
import pytest

from mining_platform.detection_rules import DETECTION_RULES, detection_rule, isolated


def test_the_farthest_neighbour_that_counts_lies_just_at_the_limit() -> None:
    places = np.array([[0.0, 0.0], [0.0, 500.0], [0.0, 1_000.0], [0.0, 2_000.1]])

    assert isolated(places, neighbours=2, within_m=1_000.0).tolist() == [False, False, False, True]


def test_of_as_many_places_as_neighbours_each_is_isolated() -> None:
    assert isolated(np.zeros((5, 2)), neighbours=5, within_m=3_000.0).tolist() == [True] * 5
    assert isolated(np.zeros((6, 2)), neighbours=5, within_m=3_000.0).tolist() == [False] * 6


def test_a_rule_without_thresholds_takes_the_models_own_and_halfway_from_it_to_1() -> None:
    assert detection_rule("in-fields").thresholds(0.5) == (0.5, 0.75)
    assert detection_rule("amazon-mining-watch").thresholds(0.5) == (0.43, 0.75)
    assert detection_rule("amazon-mining-watch-cumulative").thresholds(0.5) == (0.55, 0.80)


def test_an_unknown_rule_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"known: plain, in-fields.*Add a row"):
        detection_rule("none")
    assert all(name == rule.id for name, rule in DETECTION_RULES.items())
