"""What the documents behind the experiments report, as tables to set ours beside.

Of the documents that the platform makes reproducible only one reports scores: Dissing and Kalo, Artisanal and Small-scale Gold
Mining Detection in the Amazon Forest Using Contextual Data (University of Amsterdam), table 1 and section 4.2. The other three,
the dataset across mining-proportion ranges (Grupioni, Gallois and Almeida, doi:10.5281/zenodo.18983646), SmallMinesDS and the
segmentation of mining sites with Segment Anything, describe data and report no score.
"""

import re
from dataclasses import dataclass

from mining_platform.osm_keys import OSM_KEYS

CITATION = (
    "Dissing and Kalo, Artisanal and Small-scale Gold Mining Detection in the Amazon Forest Using Contextual Data, table 1: "
    "Bolívar (Venezuela), Sentinel-2 of 2021, OpenStreetMap of 2025"
)
WITHOUT_SCORES = (
    "the dataset across mining-proportion ranges (doi:10.5281/zenodo.18983646)",
    "SmallMinesDS",
    "the segmentation of mining sites with Segment Anything",
)
"""Documents that report no score to set ours beside."""


@dataclass(frozen=True)
class PublishedScores:
    """One row of table 1."""

    number: int
    has_context: bool
    px: int
    negatives: str
    """`curated` (by Earth Genome) or `random`."""
    is_weighted: bool
    f1: float
    """As printed: near the mean of the bootstrap, not the F1 of the counts."""
    low: float
    high: float
    pr_auc: float
    fp: int
    fn: int
    precision: float
    recall: float
    positives: int
    """Test patches with mining. Not printed: the only number of which FN, precision and recall are true."""

    @property
    def f1_of_counts(self) -> float:
        """2 tp / (2 tp + fp + fn)."""
        found = self.positives - self.fn
        return 2 * found / (2 * found + self.fp + self.fn)

    @property
    def setting(self) -> str:
        """`256 px, curated negatives, with OpenStreetMap, class weights`."""
        context = "with OpenStreetMap" if self.has_context else "without OpenStreetMap"
        return f"{self.px} px, {self.negatives} negatives, {context}{', class weights' if self.is_weighted else ''}"


DISSING_KALO: dict[int, PublishedScores] = {
    row.number: row
    for row in (
        PublishedScores(1, False, 256, "curated", False, 0.867, 0.739, 0.960, 0.865, 6, 0, 0.769, 1.000, 20),
        PublishedScores(2, True, 256, "curated", False, 0.923, 0.827, 1.000, 0.972, 1, 2, 0.947, 0.900, 20),
        PublishedScores(3, False, 48, "curated", False, 0.711, 0.529, 0.851, 0.850, 7, 5, 0.682, 0.750, 20),
        PublishedScores(4, True, 48, "curated", False, 0.788, 0.625, 0.913, 0.782, 3, 5, 0.833, 0.750, 20),
        PublishedScores(5, False, 256, "curated", True, 0.728, 0.565, 0.849, 0.866, 13, 1, 0.594, 0.950, 20),
        PublishedScores(6, True, 256, "curated", True, 0.611, 0.444, 0.744, 0.677, 23, 1, 0.452, 0.950, 20),
        PublishedScores(7, False, 256, "random", False, 0.948, 0.800, 1.000, 0.900, 1, 0, 0.900, 1.000, 9),
        PublishedScores(8, True, 256, "random", False, 0.792, 0.533, 0.957, 0.909, 3, 1, 0.727, 0.889, 9),
        PublishedScores(9, False, 256, "random", True, 0.129, 0.028, 0.237, 0.069, 62, 4, 0.075, 0.556, 9),
        PublishedScores(10, True, 256, "random", True, 0.898, 0.727, 1.000, 0.928, 2, 0, 0.818, 1.000, 9),
    )
}
ABLATED = 2
"""Experiment from which the document removes one layer at a time."""
PUBLISHED_ABLATION: dict[str, float | None] = {key: 0.587 if key == "highway" else None for key in OSM_KEYS}
"""F1 without a layer (section 4.2); the others are bars of figure 3 without a number."""

_ASGM = re.compile(r"(?:sim-)?asgm-(\d+)")
_WITHOUT_KEY = re.compile(rf"(.+)-no-({'|'.join(OSM_KEYS)})")


def published_of(experiment_id: str) -> PublishedScores | None:
    """The row that an experiment repeats: `asgm-2` and, on simulated ground, `sim-asgm-2` repeat number 2."""
    found = _ASGM.fullmatch(experiment_id)
    return DISSING_KALO.get(int(found[1])) if found else None


def ablation_of(experiment_id: str) -> tuple[str, str] | None:
    """The experiment that one leaves a layer out of, and the layer: `asgm-2-no-highway` -> (asgm-2, highway)."""
    found = _WITHOUT_KEY.fullmatch(experiment_id)
    return (found[1], found[2]) if found else None
