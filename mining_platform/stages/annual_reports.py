"""The stage of the yearly report: published artifacts in, pages and downloads out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform import changes
from mining_platform.annual_reports.contents import Accuracy, Contents, RegionYear
from mining_platform.annual_reports.downloads import write_downloads
from mining_platform.annual_reports.pages import write_pages
from mining_platform.annual_reports.previous import previous_release, since_previous
from mining_platform.area_publishing import AREA_FILE, area_ref
from mining_platform.artifacts import Artifact, Ref
from mining_platform.audits.changes import CAUSES
from mining_platform.grids import PIXEL_M
from mining_platform.monitoring_steps import model_layers, monitored_regions, required_monitoring
from mining_platform.mosaic_arrays import MOSAIC_NAME
from mining_platform.packages.credits import Credit, credits_of, licence_of
from mining_platform.pipeline import Platform
from mining_platform.regions import OtherSystem, Region, TerritoryLayer
from mining_platform.stages.comparisons import compared_systems
from mining_platform.stages.files import PREVIEW_FILE, TERRITORIES_CSV
from mining_platform.territory_layers import layers_of_regions, territories_of_regions
from mining_platform.told_regions import told_regions


def write_report(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`report.<language>.html` and `downloads/`, of the regions whose changes are among the inputs; the others are named."""
    contents = report_contents(platform, key, inputs)
    write_pages(contents, write_downloads(contents, out), out)
    picture = inputs[Ref("changes", f"{contents.regions[0].id}|{key}")].path / PREVIEW_FILE
    (out / PREVIEW_FILE).write_bytes(picture.read_bytes())
    return {
        "year": contents.year,
        "regions": [region.id for region in contents.regions],
        "left_out": list(contents.left_out),
        "ended": [name for name, _ in contents.ended],
        "first_maps": [region.id for region in contents.regions if region.is_first_map],
        "new_ha": contents.new_ha,
        "cumulative_ha": contents.total("cumulative_ha"),
        "new_places": contents.new_places,
        "restated": [
            {
                **vars(each),
                "causes": "; ".join(CAUSES[cause] for cause in each.causes),
                "before_ha": each.before_ha or 0.0,
                "after_ha": each.after_ha or 0.0,
            }
            for each in contents.restated or ()
        ],
        "simulated": contents.simulated,
        **contents.kept,
    }


def report_contents(platform: Platform, key: str, inputs: Mapping[Ref, Artifact]) -> Contents:
    """What a year's report tells."""
    year = int(key)
    told = told_regions(monitored_regions(platform.regions), year)
    changed = {each.id: inputs[ref] for each in told.regions if (ref := Ref("changes", f"{each.id}|{key}")) in inputs}
    shown = [each for each in told.regions if each.id in changed]
    followed = changes.followed({region_id: each.facts for region_id, each in changed.items()})
    before = previous_release(platform.artifacts, Ref("annual_report", key), list(inputs))
    digests = {ref: artifact.digest for ref, artifact in inputs.items()}
    since = None if before is None else since_previous(platform.artifacts, Ref("annual_report", key), before, digests)
    layers_beside = sorted({layer for each in shown for layer in _layers(platform, each.id)})
    credits_ = data_credits(shown, year, layers_beside)
    beside = {each.id: inputs[ref] for each in shown if (ref := Ref("comparison", f"{each.id}|{key}")) in inputs}
    return Contents(
        year,
        tuple(_region_year(platform, each.id, year, inputs, is_first_map=each.id not in followed) for each in shown),
        tuple(each.name for each in told.regions if each.id not in changed),
        pd.read_csv(inputs[Ref("territories", key)].path / TERRITORIES_CSV, keep_default_na=False, na_values={"area_ha": [""]}),
        territories_of_regions(shown),
        tuple(_accuracy(ref, artifact) for ref, artifact in sorted(inputs.items()) if ref.asset == "evaluation"),
        None if since is None else since.restated,
        (
            *(each.line for each in credits_),
            *(_territory_credit(layer) for layer in layers_of_regions(shown)),
            *dict.fromkeys(_other_credit(system) for each in shown for system in _told_of(each, beside)),
        ),
        licence_of(credits_),
        tuple(each for region, made in beside.items() for each in compared_systems(region, made)),
        tuple((region, row["name"], row["reason"]) for region, made in beside.items() for row in made.facts["left_out"]),
        tuple((platform.regions[each].name, last) for each, last in told.last_years(year).items()),
        tuple(each.name for each in told.simulated),
        unknown_before=since.unknown if since else (),
        kept=since.kept if since else {},
    )


def _used(region: Region) -> Region:
    """The region without scenes where its mining is told by its map alone."""
    return region if required_monitoring(region).source == "model" else replace(region, scenes=None)


def data_credits(shown: Iterable[Region], year: int, layers: Iterable[str]) -> tuple[Credit, ...]:
    """Credits of what a year's report rests on; scenes and layers are of all years up to it, of regions that a model looks at."""
    used = [_used(each) for each in shown]
    years = {past for each in used if each.scenes for past in each.years if past <= year}
    return credits_of(used, sorted(years), None, layers)


def _layers(platform: Platform, region_id: str) -> tuple[str, ...]:
    monitoring = required_monitoring(platform.regions[region_id])
    return model_layers(monitoring) if monitoring.source == "model" else ()


def _territory_credit(layer: TerritoryLayer) -> str:
    terms = f", {layer.licence}" if layer.licence else ""
    return f"Territories ({layer.kind}): {layer.credit or Path(layer.href).name}{terms}."


def _told_of(region: Region, beside: Mapping[str, Artifact]) -> list[OtherSystem]:
    """Other systems that a region's comparison tells of."""
    told = {row["id"] for row in beside[region.id].facts["systems"]} if region.id in beside else set()
    return [each for each in required_monitoring(region).compared_with if each.id in told]


def _other_credit(system: OtherSystem) -> str:
    made_up = ", SIMULATED by this software" if system.simulated else ""
    terms = f", {system.licence}" if system.licence else ""
    return f"Compared with: {system.credit or system.name}{made_up}{terms}. Its terms hold for what is only theirs as well."


def _region_year(
    platform: Platform, region_id: str, year: int, inputs: Mapping[Ref, Artifact], *, is_first_map: bool
) -> RegionYear:
    region = platform.regions[region_id]
    monitoring, changed = required_monitoring(region), inputs[Ref("changes", f"{region_id}|{year}")]
    found = inputs[Ref("detections", f"{region_id}|{year}")].facts
    new, cumulative = (gpd.read_parquet(changed.path / name) for name in (changes.NEW_NAME, changes.CUMULATIVE_NAME))
    by_model = monitoring.source == "model"
    mosaics = {each: Ref("mosaic", f"{region_id}|{each}") for each in (year - 1, year)}
    return RegionYear(
        region_id,
        region.name,
        int(changed.facts["epsg"]),
        bool(changed.facts["simulated"]),
        monitoring.source,
        monitoring.deployed_model if by_model else str(found["collection"]),
        float(found["cell_m"]) if by_model else PIXEL_M,
        region.geometry.bounds,
        changed.facts,
        new.iloc[:0] if is_first_map else new,
        cumulative,
        changed.path / changes.FIRST_YEAR_NAME,
        {each: inputs[ref].path / MOSAIC_NAME for each, ref in mosaics.items() if ref in inputs},
        _area(inputs.get(area_ref(region_id, year))),
        monitoring.outlined_by,
        int(found.get("squares_without_outline", 0)),
        is_first_map,
    )


def _f1_interval(facts: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """95 % interval of the F1 of the class mining: that of its IoU, of which F1 = 2 IoU / (1 + IoU) is a rising function."""
    drawn = facts["bootstrap"].get("by_cluster") or facts["bootstrap"]["by_patch"]
    interval = drawn["iou"]["mining"]
    if interval is None or interval["low"] is None:
        return None, None
    low, high = (2 * each / (1 + each) for each in (interval["low"], interval["high"]))
    return low, high


def _area(published: Artifact | None) -> dict[str, Any] | None:
    return None if published is None else json.loads((published.path / AREA_FILE).read_text(encoding="utf-8"))


def _accuracy(ref: Ref, evaluated: Artifact) -> Accuracy:
    """Scores of a deployed model; of one that outlines, those of its class mining by pixel."""
    facts, name = evaluated.facts, ref.partition
    if "f1_bootstrap" not in facts:
        row = facts["classes"]["mining"]
        scores = {score: row.get(score) for score in ("precision", "recall", "specificity", "f1")}
        low, high = _f1_interval(facts)
        return Accuracy(name, None, None, **scores, f1_low=low, f1_high=high, curve_png=b"", pixels=facts["pixels"])
    interval, scores = facts["f1_bootstrap"], {score: facts[score] for score in ("precision", "recall", "specificity", "f1")}
    curve = (evaluated.path / PREVIEW_FILE).read_bytes()
    ends = {"f1_low": interval["low"], "f1_high": interval["high"]}
    return Accuracy(name, facts["positives"], facts["negatives"], **scores, **ends, curve_png=curve)
