"""Stages of the group `monitoring`: where mining is in a year, what is new, and whose ground it is on."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import pandas as pd
from shapely.geometry.base import BaseGeometry

from mining_platform import change_figures, changes, detection_maps, detections, territories
from mining_platform.artifacts import Artifact, Ref
from mining_platform.datasets import mining_codes
from mining_platform.detection_rules import detection_rule
from mining_platform.layers import layer_name
from mining_platform.models.classifier import load_model
from mining_platform.monitoring_steps import monitored_regions, required_monitoring
from mining_platform.mosaic_arrays import MOSAIC_NAME
from mining_platform.pipeline import Platform, key_parts
from mining_platform.raster_files import opened_raster_file
from mining_platform.regions import Monitoring
from mining_platform.reviews.detection_publishing import DETECTION_REVIEWS
from mining_platform.reviews.detection_tables import confirmed_outlines, read_detection_reviews, rejected_outlines
from mining_platform.sources.protocol import LAND_COVER_FILE
from mining_platform.stacks import layers_of
from mining_platform.stages.files import PREVIEW_FILE, TERRITORIES_CSV
from mining_platform.store import durable
from mining_platform.territory_layers import layers_of_regions, territories_of_regions
from mining_platform.told_regions import told_regions


def find_mining(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`detected.tif`, `detections.parquet`, `.geojson` and `.json`, of a model also `probability.tif`; and a map.

    Where another model outlines what the first one found, also `squares.tif` and `pixel_probability.tif`.

    The mask and the polygons follow the region's rule of detection; `detections.json` is the facts.
    """
    region, year = platform.region_year(key)
    monitoring, simulated = required_monitoring(region), any(bool(each.facts.get("simulated")) for each in inputs.values())
    if monitoring.source == "model":
        facts = _score(platform, key, monitoring, inputs, out, simulated=simulated)
    else:
        codes = mining_codes(region.id)
        land_cover = inputs[Ref("land_cover", key)]
        facts = {"codes": list(codes), "collection": land_cover.facts.get("collection")}
        facts |= detection_maps.write_mapped(
            land_cover.path / LAND_COVER_FILE, codes, out / detection_maps.MASK_NAME, within=region.geometry
        )
    scores = out / (detection_maps.PIXELS_NAME if monitoring.outlined_by else detections.MAP_NAME)
    told = scores if monitoring.source == "model" else None
    table = detection_maps.mask_polygons(out / detection_maps.MASK_NAME, told, simulated=simulated)
    table.to_parquet(out / detections.PARQUET_NAME, index=False)
    (out / detections.GEOJSON_NAME).write_text(detections.geojson_of(table), encoding="utf-8")
    facts |= {
        "source": monitoring.source,
        "detections": len(table),
        "area_m2": float(table["area_m2"].sum()),
        "simulated": simulated,
    }
    (out / detections.FACTS_NAME).write_text(
        json.dumps(facts, sort_keys=True, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    title = f"Mining found, {region.name}, {year}"
    picture = change_figures.detection_picture(out / detection_maps.MASK_NAME, title=title, simulated=simulated)
    (out / PREVIEW_FILE).write_bytes(picture)
    return facts


def _score(
    platform: Platform, key: str, monitoring: Monitoring, inputs: Mapping[Ref, Artifact], out: Path, *, simulated: bool
) -> dict[str, Any]:
    model = inputs[Ref("model", monitoring.deployed_model)]
    classifier, rule = load_model(model.path), detection_rule(monitoring.rule)
    beside = {layer: inputs[Ref(layer, key)].path / layer_name(layer) for layer in layers_of(classifier.channels)}
    mosaic = inputs[Ref("mosaic", key)].path / MOSAIC_NAME
    facts = detections.detect(classifier, mosaic, beside, out, compute=platform.compute, model=model.path)
    told = detection_maps.write_scored(
        out / detections.MAP_NAME,
        rule,
        out / detection_maps.MASK_NAME,
        own=classifier.threshold,
        simulated=simulated,
        within=None if monitoring.outlined_by else _outline_of(platform, key),  # squares on the outline have pixels on both sides
    )
    facts |= told | {"deployed_model": monitoring.deployed_model, "model_digest": model.digest, "rule": rule.id}
    return facts | _outline(platform, key, monitoring, inputs, out, simulated=simulated) if monitoring.outlined_by else facts


def _outline(
    platform: Platform, key: str, monitoring: Monitoring, inputs: Mapping[Ref, Artifact], out: Path, *, simulated: bool
) -> dict[str, Any]:
    """Let the mask tell the pixels that the second model calls mining inside of the squares that the first one found."""
    model = inputs[Ref("model", monitoring.outlined_by)]
    classifier = load_model(model.path)
    beside = {layer: inputs[Ref(layer, key)].path / layer_name(layer) for layer in layers_of(classifier.channels)}
    mask, squares = out / detection_maps.MASK_NAME, out / detection_maps.SQUARES_NAME
    mask.rename(squares)
    with TemporaryDirectory(dir=out, prefix=durable.TEMPORARY_PREFIX) as work:
        pixels = Path(work)
        mosaic = inputs[Ref("mosaic", key)].path / MOSAIC_NAME
        scored = detections.detect(classifier, mosaic, beside, pixels, compute=platform.compute, model=model.path)
        told = detection_maps.write_outlined(
            squares,
            pixels / detections.MAP_NAME,
            classifier.threshold,
            mask,
            simulated=simulated,
            within=_outline_of(platform, key),
        )
        (pixels / detections.MAP_NAME).rename(out / detection_maps.PIXELS_NAME)
    named = {"outlined_by": monitoring.outlined_by, "outline_model_digest": model.digest}
    return told | named | {"cell_m": scored["cell_m"], "outline_threshold": scored["threshold"]}


def _outline_of(platform: Platform, key: str) -> BaseGeometry:
    """A region's outline, EPSG:4326."""
    return platform.region_year(key)[0].geometry


def compare_years(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`first_year.tif`, `new.parquet`, `cumulative.parquet`, `removed.parquet` and `changes.json` of the year; and a map.

    What people took for false alarms does not count, see `reviews.detection_tables`.
    """
    region, year = platform.region_year(key)
    found = {int(key_parts(ref.partition)[1]): each for ref, each in inputs.items() if ref.asset == "detections"}
    masks = {each: artifact.path / detection_maps.MASK_NAME for each, artifact in found.items()}
    simulated = any(bool(each.facts.get("simulated")) for each in found.values())
    reviews = read_detection_reviews(each for ref, each in inputs.items() if ref.asset == DETECTION_REVIEWS)
    with opened_raster_file(masks[year]) as mask:
        reviews = reviews.to_crs(mask.crs)
    facts = changes.write_changes(
        masks,
        year,
        out,
        min_area_ha=required_monitoring(region).min_area_ha,
        rejected=rejected_outlines(reviews, sorted(masks)),
        confirmed=confirmed_outlines(reviews, sorted(masks)),
        simulated=simulated,
    )
    title = f"New mining, {region.name}, {year}"
    picture = change_figures.change_picture(out / changes.FIRST_YEAR_NAME, year, title=title, simulated=simulated)
    (out / PREVIEW_FILE).write_bytes(picture)
    return facts


def sum_territories(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`territories.csv`: hectares of mining, and of new mining, in each territory of the people's layers and in each country.

    What is new is told of regions that were followed before, see `changes.followed`.
    """
    changed = {key_parts(ref.partition)[0]: each for ref, each in inputs.items() if ref.asset == "changes"}
    followed = changes.followed({region_id: each.facts for region_id, each in changed.items()})
    union = _of_all(changed, changes.CUMULATIVE_NAME)
    new = _of_all({region_id: changed[region_id] for region_id in followed}, changes.NEW_NAME)
    shown, told = (
        [platform.regions[each] for each in sorted(changed)],
        told_regions(monitored_regions(platform.regions), int(key)),
    )
    layers = layers_of_regions(shown)
    kinds, mining = [layer.kind for layer in layers], {"mining_ha": union, "new_ha": new}
    table = territories.hectares_by_territory(territories_of_regions(shown), mining, kinds=kinds)
    table.to_csv(out / TERRITORIES_CSV, index=False, lineterminator="\n", float_format="%.4f")
    simulated = any(bool(each.facts.get("simulated")) for each in changed.values()) or any(layer.simulated for layer in layers)
    return {
        "year": int(key),
        "regions": sorted(changed),
        "left_out": sorted({each.id for each in told.regions} - changed.keys()),
        "kinds": sorted(set(table["kind"])),
        "territories_with_new_mining": int(((table["new_ha"] > 0) & (table["territory_id"] != territories.OUTSIDE)).sum()),
        "mining_ha": float(sum(each.facts["cumulative_ha"] for each in changed.values())),
        "new_ha": float(sum(changed[region_id].facts["new_ha"] for region_id in followed)),
        "simulated": simulated,
    }


def _of_all(changed: Mapping[str, Artifact], name: str) -> gpd.GeoDataFrame:
    """Polygons of all regions, by region."""
    parts = [gpd.read_parquet(changed[region].path / name).assign(region=region) for region in sorted(changed)]
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=4326)
