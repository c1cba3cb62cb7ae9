"""Mosaic recipes: how the clear observations of a year become one image. A new recipe is one row of `RECIPES`."""

from dataclasses import dataclass
from typing import Literal

PIXELS_VERSION = "4"
"""Of the code that turns scenes into mosaics: raised when equal scenes by an equal recipe give other pixels or facts."""

Reducer = Literal["median", "medoid", "percentile"]


@dataclass(frozen=True)
class MosaicRecipe:
    """One way to make a yearly composite."""

    id: str
    clouds: str
    """What is clear in a scene, a row of clouds.rules.CLOUD_RULES."""
    reducer: Reducer
    """`median` of each band; `medoid`: all bands of the day nearest to that median; `percentile` of each band."""
    percentile: float | None
    """Which one, 0 to 100, where the reducer is `percentile`."""
    resampling: Literal["nearest", "bilinear"]
    """How bands of 20 m and 60 m come onto the 10 m grid: the native pixel under the centre, or between four of them."""
    description: str


RECIPES: dict[str, MosaicRecipe] = {
    recipe.id: recipe
    for recipe in (
        MosaicRecipe("scl-median", "scl", "median", None, "nearest", "Median of days clear by scene classification"),
        MosaicRecipe("scl-median-bilinear", "scl", "median", None, "bilinear", "The same, coarse bands interpolated"),
        MosaicRecipe("scl-medoid", "scl", "medoid", None, "nearest", "Day nearest to that median, all bands of one day"),
        MosaicRecipe("scl-p25", "scl", "percentile", 25.0, "nearest", "Lower quartile: darker, robust to missed haze"),
        MosaicRecipe("s2cloudless-median", "s2cloudless", "median", None, "nearest", "Median, s2cloudless on L1C bands"),
        MosaicRecipe("probability-median", "cloud-probability", "median", None, "nearest", "Median, given cloud probabilities"),
        MosaicRecipe("score-median", "cloud-score-plus", "median", None, "nearest", "Median of days with Cloud Score+ >= 0.75"),
        MosaicRecipe("qa-median", "qa-pixel", "median", None, "nearest", "Median of days clear by Landsat pixel quality"),
        MosaicRecipe("all-median", "none", "median", None, "nearest", "Median of all observations: scenes known to be clear"),
    )
}


def mosaic_recipe(recipe_id: str) -> MosaicRecipe:
    """The row of a recipe; KeyError with the known ids and the remedy otherwise."""
    try:
        return RECIPES[recipe_id]
    except KeyError:
        raise KeyError(
            f"Unknown mosaic recipe {recipe_id!r}; known: {', '.join(RECIPES)}. "
            "Add a row in mining_platform/compositing/recipes.py."
        ) from None
