"""Negative recipes are rows: which windows without mining stand against those with it.

A window at exactly 0 % belongs to the first recipe, in the order of its dataset's row, whose rule it meets.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class NegativeRecipe:
    """Which windows without mining a recipe takes; a window has to meet all that is asked."""

    id: str
    description: str
    min_distance_m: float = 0.0
    """Least distance between the window's footprint and that of the nearest window with mining."""
    max_distance_m: float = math.inf
    codes: frozenset[int] = frozenset()
    """Land-cover classes that look like mining; none means that the classes do not matter."""
    min_class_share: float = 0.0
    """Least area share of `codes` in the window."""
    step_m: int = 0
    """Side of the cells of a square grid from the CRS's origin: only windows that hold a cell's centre; 0 means all."""
    per_positive: int = 0
    """Windows at most for each window with mining of the region; 0 does not limit."""
    from_points: bool = False
    """Whether people name the places, in the dataset's points file."""

    @property
    def takes_all(self) -> bool:
        """Whether every window without mining meets the rule."""
        bounded = self.min_distance_m > 0 or self.max_distance_m < math.inf
        return not (bounded or self.codes or self.step_m or self.from_points)

    @property
    def around_points(self) -> bool:
        """Whether the recipe can place windows without a map."""
        return self.from_points or self.step_m > 0


RANDOM, CURATED, GRID = "random", "curated", "grid"

NEGATIVES: dict[str, NegativeRecipe] = {
    recipe.id: recipe
    for recipe in (
        NegativeRecipe(RANDOM, "Any window without mining"),
        NegativeRecipe(
            "near-miss",
            "Ground around mines: not adjoining a window with mining, and at most 3 km from one",
            min_distance_m=1.0,
            max_distance_m=3_000.0,
        ),
        # Classes that are taken for mining: MapBiomas legend, Collection 8 (labels/mapbiomas.py).
        NegativeRecipe("rivers", "At least a fifth river or lake", codes=frozenset({33}), min_class_share=0.2),
        NegativeRecipe(
            "bare-soil", "At least a fifth bare soil, sand or rock", codes=frozenset({23, 25, 29}), min_class_share=0.2
        ),
        NegativeRecipe("urban", "At least a fifth urban area", codes=frozenset({24}), min_class_share=0.2),
        NegativeRecipe("pasture", "At least half pasture", codes=frozenset({15}), min_class_share=0.5),
        NegativeRecipe(CURATED, "Windows centred on points that people named as not mining", from_points=True),
        NegativeRecipe(
            GRID,
            "Five windows for each with mining, one a cell of a 2,560 m grid, at least 2,560 m from mining; after the third "
            "source document (ASGM with OpenStreetMap context)",
            min_distance_m=2_560.0,
            step_m=2_560,
            per_positive=5,
        ),
    )
}


def negative(recipe_id: str) -> NegativeRecipe:
    """The row of a recipe; KeyError with the known ids and the remedy otherwise."""
    try:
        return NEGATIVES[recipe_id]
    except KeyError:
        raise KeyError(
            f"Unknown negative recipe {recipe_id!r}; known: {', '.join(NEGATIVES)}. Add a row in mining_platform/negatives.py."
        ) from None
