"""Image and label of single scenes at windows: the patch store of a dataset whose samples are scenes, on their own pixels.

The store is that of `patches`, and its labels may be cloud besides. `patches.parquet` has one row a window and scene.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from mining_platform import bands
from mining_platform.bands import band_of_role
from mining_platform.candidate_tables import window_polygons
from mining_platform.clouds.rules import CloudRule, clear_and_observed
from mining_platform.index_images import normalised_difference
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.polygon_labels import holding, polygon_mask
from mining_platform.labels.recipes import NO_LABEL, LabelRecipe
from mining_platform.labels.three_class import three_class
from mining_platform.packages.patch_files import SITE_VALUES, label_share
from mining_platform.patches import INDEX_NAME, INDEX_TYPES, store_attributes, write_arrays
from mining_platform.regions import Region
from mining_platform.scenes import Scene, harmonised, patch_scene, scenes_of
from mining_platform.sources.protocol import PixelSource, SourceError

SCENE_INDEX_TYPES = {
    **INDEX_TYPES,
    "scene_id": "string",
    "acquired": "string",
    **dict.fromkeys(("x0", "y0"), "float64"),
    "pixel_m": "int64",
    "label_share": "float64",
}
"""Columns of the index.

Beside those of `patches.INDEX_TYPES`: the scene and its moment (ISO 8601, UTC); the upper left corner of the patch's pixels in
metres, and their size; the label's share of mining among what is mining or other. `masked_share` is the share of pixels without
data: a cloud is a class. `clear_share`, `clear_min` and `clear_median` are of clear pixels, 0 or 1 each.
"""
DROPPED_UNSEEN = "unobserved share above limit"
_LABEL_OF_SITE = {site: ours for ours, site in SITE_VALUES.items()}
FALSE_NORTHING_M, NORTHERN_UTM, SOUTHERN_UTM = 10_000_000, range(32601, 32661), range(32701, 32761)


@dataclass(frozen=True)
class SceneDataset:
    """What the patches of a dataset of scenes are cut and labelled by."""

    channels: tuple[str, ...]
    """Bands of the scenes."""
    recipe: LabelRecipe
    """Of the kind `three-class`."""
    clouds: CloudRule
    px: int
    pixel_m: int
    max_masked_share: float
    """Largest share of a patch's pixels without data."""


@dataclass(frozen=True)
class _Reading:
    """A region's scenes and polygons, and what is wanted of them."""

    source: PixelSource
    region: Region
    polygons: gpd.GeoDataFrame
    where: str
    """The polygons' file, for errors."""
    row: SceneDataset

    def layer(self, scene: Scene, band_id: str, grid: GeoBox) -> NDArray[Any]:
        return self.source.open_scene_band(self.region, scene, band_id, grid, nearest=True)

    def band(self, sample: "_Sample", band_id: str) -> NDArray[np.uint16]:
        numbers = self.layer(sample.scene, band_id, sample.own_grid)
        return harmonised(numbers, sample.scene) if bands.band(band_id).unit == "reflectance" else numbers

    def seen(self, sample: "_Sample") -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        read = partial(self.layer, sample.scene)
        return clear_and_observed(self.row.clouds, sample.scene, self.row.channels, read, sample.own_grid)


def write_scene_store(  # noqa: PLR0913 - what a store is made of, each by name
    windows: gpd.GeoDataFrame,
    scenes: gpd.GeoDataFrame,
    polygons: gpd.GeoDataFrame,
    out: Path,
    *,
    year: int,
    region: Region,
    row: SceneDataset,
    source: PixelSource,
    where: str,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Cut every window in every scene whose footprint touches it, label it, and write `out/patches.*`.

    `windows` has window_id and minx to maxy, metres of the region's CRS; `scenes` as `scenes.scenes_table`; `polygons` of mining
    in any CRS, of which those count that hold on the scene's day. Images are the scene's own pixels where it lies in the region's
    UTM zone, of either hemisphere, else the nearest of them. Labels: 2 cloud, else 1 mining where a polygon is and NDVI is not
    above the recipe's, else 0; 255 where red or near infrared has no data, and everywhere in a window whose column `relabelled`
    is set, where there is one. Patches with a larger share of unobserved pixels than the dataset allows are listed, not stored.
    Rows are in order of window and scene. Returns the index (SCENE_INDEX_TYPES) and facts: windows, scenes, samples, patches,
    dropped, px, pixel_m, channels, recipe, label_pixels, simulated. SourceError where a scene cannot be read, or has pixels of
    quite another size than the dataset's.
    """
    reading = _Reading(source, region, polygons, where, row)
    samples = list(_samples(reading, windows, scenes))
    index = _index(reading, samples, year)
    kept = [sample for sample, dropped in zip(samples, index["dropped"], strict=True) if not dropped]
    stored = index[~index["dropped"]]
    attributes = store_attributes(
        CRS(f"EPSG:{region.epsg}"),
        stored["patch_id"].tolist(),
        stored[["x0", "y0"]].to_numpy(float),
        row.channels,
        recipe=row.recipe.id,
        px=row.px,
        pixel_m=row.pixel_m,
        simulated=bool(scenes["simulated"].any()),
    )
    labels: list[NDArray[np.uint8]] = []  # a byte a pixel: 16 kB a patch of 128 x 128
    facts = write_arrays(out, attributes, _images(reading, kept, labels), labels)
    index.loc[~index["dropped"], "label_share"] = [label_share(label) for label in labels]
    index.to_parquet(out / INDEX_NAME, index=False)
    counts = {"windows": len(windows), "scenes": len(scenes), "samples": len(index), "dropped": len(index) - len(kept)}
    return index, {**counts, **facts, "pixel_m": row.pixel_m}


@dataclass(frozen=True)
class _Sample:
    """A window in a scene."""

    window_id: str
    scene: Scene
    grid: GeoBox
    """The patch's pixels in the region's CRS."""
    own_grid: GeoBox
    """The same in the scene's CRS, where that takes no resampling; else `grid`."""
    relabelled: bool
    """Whether a person says that the polygons are wrong here."""


def _samples(reading: _Reading, windows: gpd.GeoDataFrame, scenes: gpd.GeoDataFrame) -> Iterator[_Sample]:
    """Windows and scenes that touch each other, with the patch's grid, in order of window and scene."""
    ordered = windows.sort_values("window_id", ignore_index=True)
    listed = scenes.sort_values("scene_id", ignore_index=True)
    tree = shapely.STRtree(listed.geometry.to_numpy())
    corners = ordered[["minx", "maxy"]].to_numpy(float)
    relabelled = ordered["relabelled"].to_numpy(bool) if "relabelled" in ordered else np.zeros(len(ordered), bool)
    of_scene, grids = scenes_of(listed), {}
    for number, outline in enumerate(window_polygons(ordered, reading.region.epsg)):
        for place in sorted(tree.query(outline, predicate="intersects").tolist()):
            scene = of_scene[place]
            if place not in grids:
                grids[place] = _own_grid(reading, scene)
            grid = _patch_grid(reading, grids[place], corners[number])
            own_grid = grid if grids[place] is None else in_zone(grid, scene.epsg) or grid
            yield _Sample(str(ordered["window_id"][number]), scene, grid, own_grid, bool(relabelled[number]))


def _own_grid(reading: _Reading, scene: Scene) -> GeoBox | None:
    """The scene's grid in the region's CRS; None where it lies in another zone. SourceError for pixels of another size."""
    band_id = band_of_role("red", reading.row.channels)
    grid = reading.source.scene_grid(reading.region, scene, band_id)
    moved = in_zone(grid, reading.region.epsg)
    size = abs(grid.affine.a)
    if moved is not None and (size != reading.row.pixel_m or grid.affine.b or grid.affine.d or grid.affine.e != -size):
        problem = (
            f"scene {scene.scene_id} has pixels of {size:g} m, or a turned grid, the dataset's are of {reading.row.pixel_m} m"
        )
        raise SourceError(f"Region {reading.region.id}: {problem}. Give the dataset a pixel_m of the scenes' own.")
    return moved


def in_zone(grid: GeoBox, epsg: int) -> GeoBox | None:
    """A grid in the CRS `epsg` where that takes no resampling: it is its own, or the same UTM zone of the other hemisphere.

    Landsat products of the southern hemisphere lie in northern zones, with northings below 0.
    """
    code = grid.crs.epsg if grid.crs else None
    if code is None:
        return None
    if code == epsg:
        return grid
    for first, second, shift in ((NORTHERN_UTM, SOUTHERN_UTM, 1), (SOUTHERN_UTM, NORTHERN_UTM, -1)):
        if code in first and epsg in second and code - first.start == epsg - second.start:
            return GeoBox(grid.shape, Affine.translation(0, shift * FALSE_NORTHING_M) * grid.affine, CRS(f"EPSG:{epsg}"))
    return None


def _patch_grid(reading: _Reading, own: GeoBox | None, corner: NDArray[np.float64]) -> GeoBox:
    """The patch's pixels: those of the scene nearest to the window, or such as begin at its corner."""
    row, (x, y) = reading.row, corner
    if own is not None:
        x = own.affine.c + round((x - own.affine.c) / row.pixel_m) * row.pixel_m
        y = own.affine.f + round((y - own.affine.f) / row.pixel_m) * row.pixel_m
    affine = Affine(row.pixel_m, 0, x, 0, -row.pixel_m, y)
    return GeoBox((row.px, row.px), affine, CRS(f"EPSG:{reading.region.epsg}"))


def _index(reading: _Reading, samples: Sequence[_Sample], year: int) -> pd.DataFrame:
    rows, stored = [], 0
    for sample in samples:
        clear, observed = reading.seen(sample)
        masked = float(1 - observed.mean())
        dropped = masked > reading.row.max_masked_share
        place = (-1, True, DROPPED_UNSEEN) if dropped else (stored, False, "")
        shares = (masked, float(clear.mean()), int(clear.min()), float(np.median(clear)))
        moment = sample.scene.acquired.strftime("%Y-%m-%dT%H:%M:%SZ")
        corner = (sample.grid.affine.c, sample.grid.affine.f, reading.row.pixel_m)
        patch_id = f"{sample.window_id}_{patch_scene(sample.scene.scene_id)}"
        rows.append((patch_id, sample.window_id, year, *place, *shares, sample.scene.scene_id, moment, *corner, np.nan))
        stored += not dropped
    return pd.DataFrame(rows, columns=list(SCENE_INDEX_TYPES)).astype(SCENE_INDEX_TYPES)


def _images(reading: _Reading, samples: Sequence[_Sample], labels: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint16]]:
    """Image of each sample; its label, which the same bands tell, is added to `labels`."""
    channels = reading.row.channels
    for sample in samples:
        image = {channel: reading.band(sample, channel) for channel in channels}
        red, nir = (image[band_of_role(role, channels)] for role in ("red", "nir"))
        labels.append(np.full(red.shape, NO_LABEL, np.uint8) if sample.relabelled else _label(reading, sample, red, nir))
        yield np.stack([image[channel] for channel in channels])


def _label(reading: _Reading, sample: _Sample, red: NDArray[np.uint16], nir: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The store's label of a sample (y, x); LabelError for days that are none."""
    recipe, scene = reading.row.recipe, sample.scene
    clear, observed = reading.seen(sample)
    there = observed & (red != bands.S2_NODATA) & (nir != bands.S2_NODATA)
    ndvi = normalised_difference([nir.astype(np.float32)], [red.astype(np.float32)])
    drawn = holding(reading.polygons, scene.acquired.date(), reading.where)
    mask = np.zeros(there.shape, bool)
    if not drawn.empty:
        mask, _ = polygon_mask(drawn, sample.grid, reading.where, outside="report")
    if recipe.ndvi_max is None:
        raise LabelError(f"The recipe {recipe.id} has no ndvi_max. Give it one in mining_platform/labels/recipes.py.")
    label = three_class(mask, ndvi, observed & ~clear, observed=there, ndvi_max=recipe.ndvi_max)
    table = np.full(NO_LABEL + 1, NO_LABEL, np.uint8)
    table[list(_LABEL_OF_SITE)] = list(_LABEL_OF_SITE.values())
    return table[label]
