"""Sentinel-1 as channels: scenes of a year -> mean power -> speckle filter -> dB.

Power is averaged and filtered as it is measured, linear; decibels are taken last, because a mean of logarithms is the logarithm
of a geometric mean, below the mean by 2.5 dB for one look and 0.6 dB for four.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from mining_platform.context import degrees_around
from mining_platform.speckle import FILTERS, Power

POLARISATIONS = ("VV", "VH")
"""In the order of the channels `S1-VV` and `S1-VH`."""
S1_LOOKS = 4.4  # equivalent number of looks of IW GRD, Sentinel-1 Product Definition, table of GRD high resolution products
SCENE_MARGIN_M = 5_000
"""Scenes whose outline is further from a grid than this are not read: outlines are coarser than the pixels they enclose."""
PASS_GAP = timedelta(minutes=30)
"""Slices of a pass follow each other by 25 s; the next orbit comes 99 minutes later (Sentinel-1 User Handbook)."""

Orbit = Literal["ascending", "descending", ""]
"""Direction of flight; empty where the source does not tell."""


@dataclass(frozen=True)
class RadarScene:
    """One acquisition as a source lists it."""

    scene_id: str
    acquired: datetime
    """UTC."""
    orbit: Orbit
    epsg: int
    measure: str
    """`gamma0` or `sigma0`: per area of the wave front with the terrain's slopes, or of the ellipsoid."""
    simulated: bool
    hrefs: Mapping[str, str]
    """Polarisation -> place of its raster, as the source reads it; only those that the scene has."""
    footprint: BaseGeometry
    """EPSG:4326."""


@dataclass(frozen=True)
class RadarRecipe:
    """How scenes become channels."""

    id: str
    filter: str
    """One of speckle.FILTERS."""
    window: int
    """Side of the filter's window in pixels."""
    looks: float
    """Equivalent number of looks of one scene; the mean of n dates has n times as many."""
    description: str
    orbit: Orbit = ""
    """Direction of flight that scenes must have; empty takes both."""


RADAR_RECIPES: Mapping[str, RadarRecipe] = {
    recipe.id: recipe
    for recipe in (
        RadarRecipe("refined-lee-7", "refined-lee", 7, S1_LOOKS, "Mean of the year, refined Lee 7 x 7"),
        RadarRecipe("gamma-map-7", "gamma-map", 7, S1_LOOKS, "Mean of the year, Gamma-MAP 7 x 7"),
        RadarRecipe("mean", "none", 1, S1_LOOKS, "Mean of the year, no speckle filter"),
        RadarRecipe("ascending-lee-7", "refined-lee", 7, S1_LOOKS, "Ascending orbits only, refined Lee 7 x 7", "ascending"),
        RadarRecipe("descending-lee-7", "refined-lee", 7, S1_LOOKS, "Descending orbits only, refined Lee 7 x 7", "descending"),
    )
}
DEFAULT_RADAR_RECIPE = "refined-lee-7"
"""What SmallMinesDS has: speckle filtered gamma nought of Sentinel-1 RTC, in dB."""

Read = Callable[[RadarScene, str, GeoBox], Power]
"""Linear power (y, x) of a scene's polarisation on a grid, NaN where there is none."""


def radar_recipe(recipe_id: str) -> RadarRecipe:
    """The row of a recipe; KeyError with the known ids and the remedy otherwise."""
    try:
        return RADAR_RECIPES[recipe_id]
    except KeyError:
        known = ", ".join(RADAR_RECIPES)
        raise KeyError(f"Unknown radar recipe {recipe_id!r}; known: {known}. Add a row in mining_platform/radar.py.") from None


def declared_recipe(recipe_id: str = "", orbit: str = "") -> RadarRecipe:
    """The recipe that a region names, else the usual one, of one direction of flight where one is named.

    ValueError where the recipe is of the other direction; KeyError as `radar_recipe`.
    """
    row = radar_recipe(recipe_id or DEFAULT_RADAR_RECIPE)
    if orbit and row.orbit not in ("", orbit):
        raise ValueError(f"The recipe {row.id} is of {row.orbit} orbits, not of {orbit} ones.")
    return replace(row, orbit=cast(Orbit, orbit) or row.orbit)


def period_mean(stack: Iterable[Power]) -> tuple[Power, NDArray[np.uint16]]:
    """Mean of linear power over dates, and how many dates it is of, both (y, x); NaN and 0 where there is none.

    `stack` is (date, y, x), or its dates one after the other: only sums are kept. What is not above 0 is no measurement: products
    write 0 beside the swath, and where their noise was taken off nothing was left. ValueError for an empty stack.
    """
    total: NDArray[np.float64] | None = None
    for power in stack:
        if total is None:
            total, dates = np.zeros(power.shape), np.zeros(power.shape, np.uint16)
        measured = power > 0
        total += np.where(measured, power, 0)
        dates += measured
    if total is None:
        raise ValueError("A mean of no dates was asked for. List the scenes of a year that has some.")
    mean = np.where(dates > 0, total / np.maximum(dates, 1), np.nan).astype(np.float32)
    return mean, dates


def decibels(power: Power) -> NDArray[np.float32]:
    """10 log10 of linear power; NaN where it is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(power > 0, 10 * np.log10(power), np.nan).astype(np.float32)


def linear(values_db: NDArray[np.floating]) -> Power:
    """Linear power of decibels."""
    return np.power(10, values_db.astype(np.float64) / 10).astype(np.float32)


def radar_on_grid(scenes: Sequence[RadarScene], read: Read, geobox: GeoBox, recipe: RadarRecipe) -> NDArray[np.float32]:
    """VV and VH of a period on a grid: (2, y, x) float32 dB, NaN where no scene has the polarisation.

    Scenes of one pass over the ground are slices that overlap: the first that has a pixel counts, and the pass is one date of
    the mean. Half a window around the grid is read too, so that grids side by side are those of one grid around both,
    bit for bit. Scenes that do not touch are not read. ValueError where the recipe's orbit leaves no scene.
    """
    around = read_around(geobox, recipe)
    kept, within = of_orbit(scenes, recipe.orbit), box(*degrees_around(around, SCENE_MARGIN_M))
    near = [scene for scene in kept if scene.footprint.intersects(within)]
    margin, (height, width) = recipe.window // 2, geobox.shape
    inside = slice(margin, margin + height), slice(margin, margin + width)
    return np.stack([_channel(near, polarisation, read, around, recipe)[inside] for polarisation in POLARISATIONS])


def read_around(geobox: GeoBox, recipe: RadarRecipe) -> GeoBox:
    """The grid that is read for a grid: half a window more on each side."""
    margin = recipe.window // 2
    return geobox.pad(margin) if margin else geobox


def of_orbit(scenes: Sequence[RadarScene], orbit: Orbit) -> list[RadarScene]:
    """Scenes of a direction of flight, or all; ValueError where there are some and none is left."""
    kept = [scene for scene in scenes if orbit in ("", scene.orbit)]
    if scenes and not kept:
        there = _counted(scene.orbit or "unknown" for scene in scenes)
        raise ValueError(f"None of the {len(scenes)} scenes is {orbit}; there are {there}.")
    return kept


def _channel(scenes: Sequence[RadarScene], polarisation: str, read: Read, around: GeoBox, recipe: RadarRecipe) -> Power:
    having = [scene for scene in scenes if polarisation in scene.hrefs]
    if not having:
        return np.full(around.shape, np.nan, np.float32)
    mean, dates = period_mean(_passes(having, polarisation, read, around))
    looks = recipe.looks * np.maximum(dates, 1).astype(np.float64)
    return decibels(FILTERS[recipe.filter](mean, looks, recipe.window))


def _passes(scenes: Sequence[RadarScene], polarisation: str, read: Read, around: GeoBox) -> Iterator[Power]:
    """Power of each pass, in order of time."""
    for slices in passes_of(scenes):
        power = read(slices[0], polarisation, around)
        for scene in slices[1:]:
            power = np.where(power > 0, power, read(scene, polarisation, around))
        yield power


def passes_of(scenes: Sequence[RadarScene]) -> list[list[RadarScene]]:
    """Scenes of one direction of flight that are at most PASS_GAP apart, together; in order of time."""
    passes: list[list[RadarScene]] = []
    for scene in sorted(scenes, key=lambda scene: (scene.orbit, scene.acquired, scene.scene_id)):
        last = passes[-1][-1] if passes else None
        if last is not None and last.orbit == scene.orbit and scene.acquired - last.acquired <= PASS_GAP:
            passes[-1].append(scene)
        else:
            passes.append([scene])
    return sorted(passes, key=lambda each: (each[0].acquired, each[0].scene_id))


def radar_facts(scenes: Sequence[RadarScene], recipe: RadarRecipe) -> dict[str, Any]:
    """JSON-able: recipe, scenes (id -> time, orbit, polarisations), dates, orbits and polarisations counted, measure.

    `lacking` has the ids of scenes without one of POLARISATIONS, `mixed_orbits` whether both directions are averaged: slopes that
    face the sensor in one of them are in its shadow in the other.
    """
    kept = of_orbit(scenes, recipe.orbit)
    lacking = {name: [scene.scene_id for scene in kept if name not in scene.hrefs] for name in POLARISATIONS}
    return {
        "recipe": asdict(recipe),
        "scenes": {scene.scene_id: _told(scene) for scene in kept},
        "dates": sorted({f"{scene.acquired:%Y-%m-%d}" for scene in kept}),
        "orbits": dict(sorted(Counter(scene.orbit or "unknown" for scene in kept).items())),
        "mixed_orbits": {"ascending", "descending"} <= {scene.orbit for scene in kept},
        "polarisations": {name: len(kept) - len(ids) for name, ids in lacking.items()},
        "lacking": {name: ids for name, ids in lacking.items() if ids},
        "measure": sorted({scene.measure for scene in kept}),
    }


def _told(scene: RadarScene) -> dict[str, Any]:
    has = [name for name in POLARISATIONS if name in scene.hrefs]
    return {"acquired": scene.acquired.isoformat(), "orbit": scene.orbit, "polarisations": has}


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(names).items()))


RADAR_COLUMNS = ("scene_id", "datetime", "orbit", "epsg", "measure", "simulated", "hrefs", "geometry")


def radar_table(scenes: Sequence[RadarScene]) -> gpd.GeoDataFrame:
    """Table of scenes, columns RADAR_COLUMNS, by time and id; `hrefs` as JSON text, EPSG:4326 footprints."""
    rows = [
        {
            **{name: getattr(scene, name) for name in ("scene_id", "orbit", "epsg", "measure", "simulated")},
            "datetime": scene.acquired,
            "hrefs": json.dumps(dict(scene.hrefs), sort_keys=True),
            "geometry": scene.footprint,
        }
        for scene in scenes
    ]
    table = gpd.GeoDataFrame(rows, columns=list(RADAR_COLUMNS), geometry="geometry", crs="EPSG:4326")
    return table.sort_values(["datetime", "scene_id"], ignore_index=True)


def radar_scenes_of(table: gpd.GeoDataFrame) -> list[RadarScene]:
    """The scenes of a table, in its order: the inverse of `radar_table`."""
    same = ("scene_id", "orbit", "epsg", "measure", "simulated")
    return [
        RadarScene(
            **{name: row[name] for name in same},
            acquired=row["datetime"].to_pydatetime().astimezone(UTC),
            hrefs=json.loads(row["hrefs"]),
            footprint=row["geometry"],
        )
        for row in table.to_dict("records")
    ]
