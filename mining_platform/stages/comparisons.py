"""The stage that lays a region's detections of a year beside those of other systems."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
from pyproj import CRS

from mining_platform import changes, detection_maps
from mining_platform.annual_reports.contents import ComparedSystem
from mining_platform.artifacts import Artifact, Ref
from mining_platform.comparisons import figures
from mining_platform.comparisons.agreement_maps import Ours, write_agreement
from mining_platform.comparisons.places import places_of
from mining_platform.comparisons.rows import TABLE, row_of
from mining_platform.comparisons.systems import NotCoveredError, Theirs, mapped, outlined
from mining_platform.datasets import mining_codes
from mining_platform.monitoring_steps import has_map_beside, required_monitoring
from mining_platform.pipeline import Platform
from mining_platform.pixel_areas import pixel_side_m
from mining_platform.raster_files import opened_raster_file
from mining_platform.region_sources import OWN_MAP
from mining_platform.regions import Region
from mining_platform.sources.protocol import LAND_COVER_FILE
from mining_platform.stages.files import COMPARISON_CSV, COMPARISON_FILE, PREVIEW_FILE


def compare(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`comparison.json` and `.csv`; of each system `agreement-<id>.tif`, `only-ours-<id>.parquet`, `only-theirs-<id>.parquet`.

    Of a system a row of TABLE and the cells of each part: `found_share` is both over all of theirs that lies where we have data,
    `known_share` the same of ours, `iou` both over either; None where that is nothing. Systems that tell nothing of the year are
    `left_out`, each with the reason. A map of all systems is the preview.
    """
    region, year = platform.region_year(key)
    detected, changed = inputs[Ref("detections", key)], inputs[Ref("changes", key)]
    ours = Ours(detected.path / detection_maps.MASK_NAME, changed.path / changes.FIRST_YEAR_NAME)
    least, own = required_monitoring(region).min_area_ha, bool(detected.facts["simulated"])
    rows, pictures, left_out = [], [], []
    for theirs in _systems(platform, key, inputs, ours):
        if isinstance(theirs, dict):
            left_out.append(theirs)
            continue
        simulated = own or theirs.simulated
        rows.append(_compared(ours, theirs, region, out, simulated=simulated))
        title = f"{theirs.name}, {region.name}, {year}"
        pictures.append(figures.agreement_picture(out / agreement_name(theirs.id), title=title, simulated=simulated))
    facts = {"year": year, "systems": rows, "left_out": left_out, "min_area_ha": least}
    facts["simulated"] = own or any(row["simulated"] for row in rows)
    (out / COMPARISON_FILE).write_text(json.dumps(facts, sort_keys=True, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    table = pd.DataFrame(rows, columns=list(TABLE))
    table.to_csv(out / COMPARISON_CSV, index=False, lineterminator="\n", float_format="%.4f")
    if pictures:
        (out / PREVIEW_FILE).write_bytes(figures.stacked(pictures))
    return facts


def agreement_name(system_id: str) -> str:
    """File of a system's map of agreement."""
    return f"agreement-{system_id}.tif"


def only_name(side: str, system_id: str) -> str:
    """File of the places that only `ours` or `theirs` has."""
    return f"only-{side}-{system_id}.parquet"


def compared_systems(region_id: str, comparison: Artifact) -> tuple[ComparedSystem, ...]:
    """What a published comparison tells an annual report."""
    return tuple(
        ComparedSystem(
            region_id,
            row,
            comparison.path / agreement_name(row["id"]),
            *(gpd.read_parquet(comparison.path / only_name(side, row["id"])) for side in ("ours", "theirs")),
        )
        for row in comparison.facts["systems"]
    )


def _systems(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], ours: Ours) -> Iterator[Theirs | dict[str, str]]:
    """What each system says; of one that tells nothing of the year its name and why."""
    region, year = platform.region_year(key)
    if has_map_beside(region):
        land_cover = inputs[Ref("land_cover", key)].path / LAND_COVER_FILE
        with opened_raster_file(land_cover) as source:
            side = pixel_side_m(source.transform, CRS.from_user_input(source.crs), source.shape)
        yield mapped(land_cover, mining_codes(region.id), region, system_id=OWN_MAP, cell_m=side)
    with opened_raster_file(ours.detected) as source:
        crs = source.crs.to_wkt()
    for system in required_monitoring(region).compared_with:
        try:
            yield outlined(system, year, crs)
        except NotCoveredError as error:
            yield {"id": system.id, "name": system.name, "reason": error.reason, "why": str(error)}


def _compared(ours: Ours, theirs: Theirs, region: Region, out: Path, *, simulated: bool) -> dict[str, Any]:
    """A system's row; its files lie in `out`."""
    agreement = out / agreement_name(theirs.id)
    told = write_agreement(ours, theirs, agreement, simulated=simulated, within=region.geometry)
    places = places_of(agreement, out, min_area_ha=required_monitoring(region).min_area_ha, simulated=simulated)
    for side, table in (("ours", places.only_ours), ("theirs", places.only_theirs)):
        table.to_parquet(out / only_name(side, theirs.id), index=False)
    return row_of(theirs, told, places, simulated=simulated)
