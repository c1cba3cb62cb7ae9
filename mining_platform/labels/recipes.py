"""Label recipes: how a raster of land-cover classes becomes mining and not mining."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining_platform.labels.mapbiomas import NO_CLASS_CODES

NO_LABEL = 255
"""Label of pixels without a class."""


@dataclass(frozen=True)
class LabelRecipe:
    """Which land-cover classes count as mining."""

    id: str
    mining_codes: frozenset[int]
    """Class codes that are mining."""
    description: str
    version: int
    """Raised whenever the rule changes, so that labels made by an older rule are seen as stale."""
    caveat: str = ""
    """Said in the titles of figures where the classes are not mining itself."""


MINING = "mapbiomas-mining"

RECIPES: dict[str, LabelRecipe] = {
    recipe.id: recipe
    for recipe in (
        LabelRecipe(MINING, frozenset({30}), "MapBiomas class 30, mining of any kind and substance", 1),
        LabelRecipe(
            "disturbed-ground",
            frozenset({24, 25}),
            "Built-up and other non-vegetated ground (classes 24, 25), which mines look like; for labels without a mining class",
            1,
            "bare ground as mining",
        ),
    )
}


def recipe(recipe_id: str) -> LabelRecipe:
    """The row of a recipe; KeyError with the known ids and the remedy otherwise."""
    try:
        return RECIPES[recipe_id]
    except KeyError:
        raise KeyError(
            f"Unknown label recipe {recipe_id!r}; known: {', '.join(RECIPES)}. Add a row in mining_platform/labels/recipes.py."
        ) from None


def label_of(classes: NDArray[np.uint8], recipe: LabelRecipe) -> NDArray[np.uint8]:
    """Label of class codes, any shape uint8: 1 mining, 0 other, 255 no class (codes 0 and 27)."""
    table = np.zeros(256, np.uint8)
    table[list(recipe.mining_codes)] = 1
    table[list(NO_CLASS_CODES)] = NO_LABEL
    return table[classes]
