"""Label recipes, one table of all kinds: what counts as mining, by a land-cover map, by polygons, or by several sources."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mining_platform.labels.mapbiomas import NO_CLASS_CODES

NO_LABEL = 255
"""Label of pixels without a class."""


@dataclass(frozen=True)
class LabelRecipe:
    """One way to tell what is mining."""

    id: str
    mining_codes: frozenset[int]
    """Class codes that are mining; none where polygons tell it."""
    description: str
    version: int
    """Raised whenever the rule changes, so that labels made by an older rule are seen as stale."""
    caveat: str = ""
    """Said in the titles of figures where the classes are not mining itself."""
    kind: Literal["mapbiomas", "polygons", "three-class", "detections", "agreement"] = "mapbiomas"
    """By class codes of a map, by drawn polygons, by those with clouds and vegetation taken out, by another system's
    polygons, or where sources agree."""
    ndvi_max: float | None = None
    """For `three-class`: ground inside polygons with a greater NDVI is vegetation, and so no mining."""
    confidence_field: str = ""
    """For `detections`: property of a polygon that tells how sure the other system is; empty where it publishes only what it
    stands by."""
    threshold: float | None = None
    """Least value of that property that counts."""
    outside: Literal["refuse", "report"] = "refuse"
    """What becomes of polygons that lie wholly outside the image: a mistake, or what is to be expected."""


MAP_KIND, SCENE_KIND = "mapbiomas", "three-class"
"""Kinds of the recipes that label patches of mosaics, and samples of scenes."""
MINING = "mapbiomas-mining"
NDVI_MAX = 0.5
"""Above it ground is vegetation, by the authors of the three-class labels."""

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
        LabelRecipe("polygons", frozenset(), "Ground inside the polygons that people drew of a site", 1, kind="polygons"),
        LabelRecipe(
            "three-class",
            frozenset(),
            "Cloud, else mining inside the site's polygons where NDVI is at most 0.5, else background",
            1,
            kind="three-class",
            ndvi_max=NDVI_MAX,
        ),
        LabelRecipe(
            "detections",
            frozenset(),
            "Ground inside another system's polygons whose confidence is at least 0.5",
            1,
            kind="detections",
            confidence_field="confidence",
            threshold=0.5,
            outside="report",
        ),
        LabelRecipe(
            "published-detections",
            frozenset(),
            "Ground inside the polygons that another system published, such as Amazon Mining Watch, which have no confidence",
            1,
            kind="detections",
            outside="report",
        ),
        LabelRecipe(
            "agreement",
            frozenset(),
            "Mining where all sources have it; where they differ nothing is decided",
            1,
            kind="agreement",
            outside="report",
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
    """Label of class codes, any shape uint8: 1 mining, 0 other, 255 no class (codes 0 and 27).

    ValueError for a recipe of another kind, which class codes tell nothing of.
    """
    if recipe.kind != MAP_KIND:
        raise ValueError(f"The recipe {recipe.id} is made of {recipe.kind}, not of class codes. Use one of the kind {MAP_KIND}.")
    table = np.zeros(256, np.uint8)
    table[list(recipe.mining_codes)] = 1
    table[list(NO_CLASS_CODES)] = NO_LABEL
    return table[classes]
