"""New mining since the year before, and all that was found so far, from the masks of every year.

What is new in a year is what was found in none of the years before it; the cumulative union is what was found in any year up to
it. Areas are on the WGS 84 ellipsoid.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from mining_platform.change_polygons import CONFIRMED, M2_PER_HA, Marks, polygons_of, removed_polygons
from mining_platform.first_years import Block, write_first_years, yearly_blocks
from mining_platform.pixel_areas import pixel_areas_m2
from mining_platform.raster_files import opened_raster_file

FIRST_YEAR_NAME, NEW_NAME, CUMULATIVE_NAME, FACTS_NAME = "first_year.tif", "new.parquet", "cumulative.parquet", "changes.json"
REMOVED_NAME = "removed.parquet"
NOBODY: Mapping[int, Sequence[BaseGeometry]] = MappingProxyType({})
"""What people confirmed, where nobody did."""


def write_changes(
    masks: Mapping[int, Path],
    year: int,
    out: Path,
    *,
    min_area_ha: float,
    rejected: Mapping[int, Sequence[BaseGeometry]],
    confirmed: Mapping[int, Sequence[BaseGeometry]] = NOBODY,
    simulated: bool,
) -> dict[str, Any]:
    """Write what changed in a year into the folder `out`; the facts.

    `masks` and `rejected` as in `first_years.yearly_blocks`, of the year and of every year before it; later ones are left out.
    `confirmed` are, by year, outlines in their CRS in which people saw mining.
    `first_year.tif`: COG of the year in which a cell was first found. `new.parquet`, `cumulative.parquet`: polygons in EPSG:4326,
    with `change_polygons.COLUMNS`, of cells joined by edges that are new in the year, and found in any year up to it.
    `removed.parquet`: the like, of cells that were found in the year and that people took for false alarms. `changes.json`: the
    facts, see `areas_ha`, with the number of polygons, the hectares of new ones by size, and number and hectares of the new ones
    that are confirmed and of those removed.

    ValueError where the year has no mask, and as in `yearly_blocks`.
    """
    past = {each: path for each, path in masks.items() if each <= year}
    if year not in past:
        raise ValueError(
            f"There are no detections of {year}, only of {', '.join(map(str, sorted(masks))) or 'no year'}. Make them."
        )
    write_first_years(past, out / FIRST_YEAR_NAME, rejected=rejected, simulated=simulated)
    facts: dict[str, Any] = {"year": year, "years": sorted(past), "min_area_ha": min_area_ha, "simulated": simulated}
    facts |= areas_ha(past, rejected=rejected)
    with opened_raster_file(out / FIRST_YEAR_NAME) as first:
        facts["epsg"] = first.crs.to_epsg()
    marks = Marks(year, min_area_ha, tuple(confirmed.get(year, ())), simulated)
    ever = replace(marks, confirmed=tuple(shape for each in sorted(past) for shape in confirmed.get(each, ())))
    new = polygons_of(out / FIRST_YEAR_NAME, marks, out, up_to=False)
    union = polygons_of(out / FIRST_YEAR_NAME, ever, out, up_to=True)
    removed = removed_polygons(past[year], rejected.get(year, ()), marks, out)
    for table, name in ((new, NEW_NAME), (union, CUMULATIVE_NAME), (removed, REMOVED_NAME)):
        table.to_parquet(out / name, index=False)
    facts |= {"cumulative_polygons": len(union), **_counted(new), **_told("removed", removed)}
    (out / FACTS_NAME).write_text(json.dumps(facts, sort_keys=True, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return facts


def areas_ha(masks: Mapping[int, Path], *, rejected: Mapping[int, Sequence[BaseGeometry]]) -> dict[str, Any]:
    """Hectares of the last of the years of `masks`, and of all before it; arguments as in `first_years.yearly_blocks`.

    `found_ha` by year; of the last: `new_ha`, `cumulative_ha`, `cumulative_before_ha`, and of what was found before it
    `not_found_again_ha` (observed, not found) and `not_observed_ha` (no data). Of a year without predecessor all is new.
    """
    years = sorted(masks)
    with opened_raster_file(masks[years[0]]) as source:
        transform, crs = source.transform, CRS.from_user_input(source.crs)
    sums = dict.fromkeys(("new_ha", "cumulative_ha", "cumulative_before_ha", "not_found_again_ha", "not_observed_ha"), 0.0)
    found = dict.fromkeys(map(str, years), 0.0)
    for block in yearly_blocks(masks, rejected=rejected):
        if not block.found.any():
            continue
        cells = pixel_areas_m2(transform, crs, *_columns_and_rows(block.window)) / M2_PER_HA
        for year, seen in zip(found, block.found, strict=True):
            found[year] += float(cells[seen].sum())
        for name, part in _parts(block).items():
            sums[name] += float(cells[part].sum())
    return {"found_ha": found, **sums}


def followed(facts: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Of regions with their `changes.json` of one year, those that have an earlier year; all of them where none has.

    Beside regions that were followed before, what is found in the first map of another is not new: nobody had looked.
    """
    before = tuple(region for region, told in facts.items() if len(told["years"]) > 1)
    return before or tuple(facts)


def _columns_and_rows(window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return window.col_off + np.arange(window.width), window.row_off + np.arange(window.height)


def _parts(block: Block) -> dict[str, NDArray[np.bool_]]:
    """(y, x) by the name of their sum in `areas_ha`."""
    before, now, observed = block.found[:-1].any(axis=0), block.found[-1], block.observed[-1]
    return {
        "new_ha": now & ~before,
        "cumulative_ha": now | before,
        "cumulative_before_ha": before,
        "not_found_again_ha": before & observed & ~now,
        "not_observed_ha": before & ~observed,
    }


def _counted(new: gpd.GeoDataFrame) -> dict[str, Any]:
    """Number and hectares of new polygons by size, and of those that are confirmed."""
    large, small = new[new["is_large"]], new[~new["is_large"]]
    facts: dict[str, Any] = {"new_polygons": len(large), "small_polygons": len(small)}
    facts |= {"large_ha": float(large["area_ha"].sum()), "small_ha": float(small["area_ha"].sum())}
    return facts | _told("confirmed", new[new["reviewed"] == CONFIRMED])


def _told(name: str, table: gpd.GeoDataFrame) -> dict[str, Any]:
    return {f"{name}_polygons": len(table), f"{name}_ha": float(table["area_ha"].sum())}
