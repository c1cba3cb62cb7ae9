"""The label of one image by a recipe, on the image's own grid: 0 background, 1 cloud, 2 mining, 255 no class."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from mining_platform.index_images import normalised_difference
from mining_platform.ingest.cloud_stacks import CloudStack, StackBands
from mining_platform.labels.detections import confident
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.palette_pngs import SITE_BACKGROUND, SITE_MINING
from mining_platform.labels.polygon_labels import fulfilling, of_site, on_day, polygon_mask, read_polygons
from mining_platform.labels.recipes import NO_LABEL, LabelRecipe
from mining_platform.labels.site_names import read_aliases
from mining_platform.labels.three_class import three_class

STRIP_ROWS = 1_024
Notes = tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """Which polygons of a file are meant."""

    file: Path
    site: str = ""
    site_field: str = ""
    """Property that names the site; empty: the usual ones."""
    aliases: Path | None = None
    conditions: Sequence[str] = ()
    day: date | None = None


def chosen_polygons(choice: Choice, recipe: LabelRecipe) -> tuple[gpd.GeoDataFrame, Notes]:
    """The polygons that are meant, in their own CRS, and notes; LabelError where nothing tells which, or none is left."""
    where = choice.file.name
    if recipe.kind != "detections" and not choice.site and not choice.conditions:
        raise LabelError(f"Nothing says which polygons of {where} are the image's. Name its --site, or choose with --where.")
    polygons, notes = read_polygons(choice.file)
    polygons = fulfilling(polygons, choice.conditions, where)
    if choice.site:
        aliases = read_aliases(choice.aliases) if choice.aliases else {}
        polygons = of_site(polygons, choice.site, aliases, where, field=choice.site_field)
    if choice.day:
        polygons = on_day(polygons, choice.day, where)
    return (confident(polygons, recipe, where) if recipe.kind == "detections" else polygons), notes


def polygons_label(
    stack: CloudStack, polygons: gpd.GeoDataFrame, recipe: LabelRecipe, where: str
) -> tuple[NDArray[np.uint8], Notes]:
    """Mining inside the polygons, background elsewhere, and notes; raises as `polygon_mask`."""
    mask, notes = polygon_mask(polygons, stack.grid, where, outside=recipe.outside)
    return np.where(mask, SITE_MINING, SITE_BACKGROUND).astype(np.uint8), notes


def three_class_label(
    stack: CloudStack,
    bands: StackBands,
    polygons: gpd.GeoDataFrame,
    recipe: LabelRecipe,
    where: str,
    *,
    scaling: tuple[float, float] | None,
) -> tuple[NDArray[np.uint8], Notes]:
    """The recipe's label by the image's red, near infrared and cloud bands, and notes.

    No class where red or near infrared has no data. LabelError where the stack has no band of such a role; IngestError for a
    cloud band that holds more than 0 and 1.
    """
    if recipe.ndvi_max is None:
        raise LabelError(f"The recipe {recipe.id} has no ndvi_max. Give it one in mining_platform/labels/recipes.py.")
    if missing := [role for role in ("red", "nir") if role not in bands.number_of]:
        known = ", ".join(bands.number_of) or "none"
        raise LabelError(f"{stack.name} has no band of the role {' or '.join(missing)}; it has {known}. Name it with --bands.")
    mask, notes = polygon_mask(polygons, stack.grid, where, outside=recipe.outside)
    label = np.full(stack.grid.shape, NO_LABEL, np.uint8)
    vegetated = 0
    for top in range(0, label.shape[0], STRIP_ROWS):
        rows = slice(top, min(top + STRIP_ROWS, label.shape[0]))
        red, nir = (stack.values(role, bands.number_of[role], rows, scaling) for role in ("red", "nir"))
        observed = np.isfinite(red) & np.isfinite(nir)
        cloud = stack.cloud(bands.cloud, rows, observed) if bands.cloud else np.zeros(red.shape, bool)
        ndvi = normalised_difference([nir], [red])
        label[rows] = three_class(mask[rows], ndvi, cloud, observed=observed, ndvi_max=recipe.ndvi_max)
        vegetated += int((mask[rows] & (ndvi > recipe.ndvi_max)).sum())
    told = (
        f"{vegetated} of {int(mask.sum())} pixels inside the polygons have an NDVI above {recipe.ndvi_max:g} and are no mining."
    )
    unclouded = () if bands.cloud else (f"{stack.name} has no cloud band, so nothing is labelled cloud.",)
    return label, (*notes, told, *unclouded)


def map_label(is_mining: NDArray[np.bool_], has_class: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Mining and background of a map (y, x), no class where it has none."""
    label = np.where(is_mining, SITE_MINING, SITE_BACKGROUND)
    return np.where(has_class, label, NO_LABEL).astype(np.uint8)
