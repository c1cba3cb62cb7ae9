"""Rules of detection are rows: how sure a model must be, and how much surer where a detection stands alone.

A false alarm is mostly alone; mines come in fields. So a cell with few others around it needs a higher score.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DetectionRule:
    """Which cells of a map of scores are detections."""

    id: str
    description: str
    threshold: float | None
    """Least score of a detection, 0 to 1; None is the model's own, chosen on validation."""
    isolated_threshold: float | None
    """Least score of an isolated one; None lies halfway from the threshold to 1."""
    neighbours: int
    """A cell is isolated where its nearest so many other detections reach farther than `within_m`; 0 switches this off."""
    within_m: float
    """Metres between the middles of cells."""

    def thresholds(self, own: float) -> tuple[float, float]:
        """Least score of a detection and of an isolated one, for a model with a threshold of its `own`."""
        least = own if self.threshold is None else self.threshold
        return least, (1 + least) / 2 if self.isolated_threshold is None else self.isolated_threshold


PLAIN, IN_FIELDS = "plain", "in-fields"

DETECTION_RULES: Mapping[str, DetectionRule] = {
    rule.id: rule
    for rule in (
        DetectionRule(PLAIN, "Every cell at or above the model's own threshold", None, None, 0, 0.0),
        DetectionRule(
            IN_FIELDS,
            "The model's own threshold; where fewer than five others lie within 3 km, halfway from it to 1",
            None,
            None,
            5,
            3_000.0,
        ),
        # Thresholds of Amazon Mining Watch, for scores of its models: of one period, and of all periods together.
        DetectionRule(
            "amazon-mining-watch", "0.43, and 0.75 where the fifth neighbour is farther than 3 km", 0.43, 0.75, 5, 3_000.0
        ),
        DetectionRule(
            "amazon-mining-watch-cumulative",
            "0.55, and 0.80 where the fifth neighbour is farther than 3 km",
            0.55,
            0.80,
            5,
            3_000.0,
        ),
    )
}


def detection_rule(rule_id: str) -> DetectionRule:
    """The row of a rule; KeyError with the known ids and the remedy otherwise."""
    try:
        return DETECTION_RULES[rule_id]
    except KeyError:
        raise KeyError(
            f"Unknown rule of detection {rule_id!r}; known: {', '.join(DETECTION_RULES)}. "
            "Add a row in mining_platform/detection_rules.py."
        ) from None


def isolated(places_m: NDArray[np.floating], neighbours: int, within_m: float) -> NDArray[np.bool_]:
    """Which of the places (n, 2), in metres, have their `neighbours`-th nearest other place farther than `within_m`: (n,)."""
    from scipy.spatial import KDTree

    if len(places_m) <= neighbours:
        return np.ones(len(places_m), dtype=bool)
    distance, _ = KDTree(places_m).query(places_m, k=[neighbours + 1])  # the nearest is the place itself
    return np.asarray(distance[:, 0] > within_m)
