"""New mining since the year before, and all that was found so far, from the masks of every year.

What is new in a year is what was found in none of the years before it; the cumulative union is what was found in any year up to
it. Areas are on the WGS 84 ellipsoid.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.windows import Window
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mining_platform.chunks import CHUNK_PX
from mining_platform.first_years import NEVER, Block, windows, write_first_years, yearly_blocks
from mining_platform.grids import project
from mining_platform.mask_outlines import area_m2, outline_id, outlines
from mining_platform.pixel_areas import pixel_areas_m2
from mining_platform.raster_files import opened_raster_file
from mining_platform.store import durable

FIRST_YEAR_NAME, NEW_NAME, CUMULATIVE_NAME, FACTS_NAME = "first_year.tif", "new.parquet", "cumulative.parquet", "changes.json"
COLUMNS = ("change_id", "year", "area_ha", "is_large", "simulated")
M2_PER_HA = 10_000.0


def write_changes(
    masks: Mapping[int, Path],
    year: int,
    out: Path,
    *,
    min_area_ha: float,
    rejected: Mapping[int, Sequence[BaseGeometry]],
    simulated: bool,
) -> dict[str, Any]:
    """Write what changed in a year into the folder `out`; the facts.

    `masks` and `rejected` as in `first_years.yearly_blocks`, of the year and of every year before it; later ones are left out.
    `first_year.tif`: COG of the year in which a cell was first found. `new.parquet`, `cumulative.parquet`: polygons in EPSG:4326,
    with COLUMNS, of cells joined by edges that are new in the year, and found in any year up to it; `change_id` as
    `mask_outlines.outline_id`; `is_large` where one has more than `min_area_ha` hectares, and is published as a place.
    `changes.json`: the facts, see `areas_ha`, with the number of polygons, and the hectares of new ones by size.

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
    new, union = (
        polygons_of(out / FIRST_YEAR_NAME, year, out, up_to=up_to, min_area_ha=min_area_ha, simulated=simulated)
        for up_to in (False, True)
    )
    large, small = new[new["is_large"]], new[~new["is_large"]]
    facts |= {"new_polygons": len(large), "small_polygons": len(small), "cumulative_polygons": len(union)}
    facts |= {"large_ha": float(large["area_ha"].sum()), "small_ha": float(small["area_ha"].sum())}
    new.to_parquet(out / NEW_NAME, index=False)
    union.to_parquet(out / CUMULATIVE_NAME, index=False)
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


def polygons_of(
    first_years: Path, year: int, work: Path, *, up_to: bool, min_area_ha: float, simulated: bool
) -> gpd.GeoDataFrame:
    """Polygons in EPSG:4326, with COLUMNS, of the cells whose first year is `year`, or, `up_to`, that or an earlier one.

    `first_years` as `write_first_years` writes it; a temporary file lies in the folder `work` meanwhile.
    """
    with TemporaryDirectory(dir=work, prefix=durable.TEMPORARY_PREFIX) as folder, opened_raster_file(first_years) as source:
        mask = Path(folder) / "mask.tif"
        tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
        shape = {"width": source.width, "height": source.height, "crs": source.crs, "transform": source.transform}
        with rasterio.open(mask, "w", driver="GTiff", dtype="uint8", count=1, **shape, **tiles) as raster:
            for window in windows(source):
                values = source.read(1, window=window)
                chosen = (values != NEVER) & (values <= year) if up_to else values == year
                raster.write(chosen.astype(np.uint8), 1, window=window)
        with opened_raster_file(mask) as written:
            found = outlines(written)
        return _table(found, source.crs.to_epsg(), year, min_area_ha, simulated=simulated)


def _table(found: Sequence[Polygon], epsg: int, year: int, min_area_ha: float, *, simulated: bool) -> gpd.GeoDataFrame:
    rows = [(outline_id(each, epsg), year, area_m2(each, epsg) / M2_PER_HA, simulated) for each in found]
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "is_large"])
    places = gpd.GeoSeries([project(each, epsg, 4326) for each in found], crs=4326)
    marked = table.assign(is_large=(table["area_ha"] > min_area_ha).astype(bool))
    return gpd.GeoDataFrame(marked[list(COLUMNS)], geometry=places, crs=4326)
