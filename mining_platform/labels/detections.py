"""Another system's detections as a label: its polygons, those that it is sure enough of."""

import geopandas as gpd
import numpy as np
import pandas as pd

from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.recipes import LabelRecipe


def confident(polygons: gpd.GeoDataFrame, recipe: LabelRecipe, where: str) -> gpd.GeoDataFrame:
    """Detections whose confidence is at least the recipe's threshold; all of them where the recipe has none.

    May be empty. LabelError where a polygon does not tell its confidence as a number.
    """
    if recipe.threshold is None:
        return polygons
    name = recipe.confidence_field
    if name not in polygons:
        own = ", ".join(str(each) for each in polygons.columns if each != "geometry") or "none"
        raise LabelError(
            f"{where} has no property {name!r}, by which {recipe.id} tells what counts; its polygons have {own}. "
            "Name that property so, add a recipe in mining_platform/labels/recipes.py, or use published-detections."
        )
    values = pd.to_numeric(polygons[name], errors="coerce")
    if not np.isfinite(values).all():
        number = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
        raise LabelError(f"{where}: {name} of polygon {number} is no number. Mend it, or take the polygon out.")
    return polygons[values >= recipe.threshold]
