"""The rows of the graph that follow mining through the years: detections, changes, territories, report."""

from collections.abc import Iterable, Mapping
from typing import Any

from mining_platform.annual_reports.previous import previous_release
from mining_platform.artifacts import Ref, current_digest
from mining_platform.datasets import DATASETS, mining_codes
from mining_platform.detection_rules import DETECTION_RULES
from mining_platform.experiments import EXPERIMENTS
from mining_platform.grid_steps import region_years
from mining_platform.pipeline import Platform, Reach, Step, key_parts, ref
from mining_platform.profiles import PROFILES
from mining_platform.regions import Monitoring, Region, RegionError
from mining_platform.stacks import layers_of
from mining_platform.territory_layers import layers_fingerprint, layers_of_regions


def monitoring_steps(regions: Mapping[str, Region]) -> list[Step]:
    """Detections, changes, territories and the yearly report; none where no region is monitored."""
    monitored = monitored_regions(regions)
    return [_detections(monitored), _changes(monitored), _territories(monitored), _annual_report(monitored)] if monitored else []


def monitored_regions(regions: Mapping[str, Region]) -> tuple[Region, ...]:
    """Regions whose mining is mapped year by year, sorted by id."""
    return tuple(sorted((each for each in regions.values() if each.monitoring), key=lambda each: each.id))


def required_monitoring(region: Region) -> Monitoring:
    """How a region's mining is mapped; RegionError where it is not."""
    if region.monitoring is None:
        raise RegionError(f"Region {region.id} is not monitored. Add 'monitoring' to it in the region file.")
    return region.monitoring


def model_layers(monitoring: Monitoring) -> tuple[str, ...]:
    """Layers beside the mosaic that a deployed model's channels need; RegionError for a model that no experiment makes."""
    experiment_id, year = key_parts(monitoring.deployed_model)
    row = EXPERIMENTS.get(experiment_id)
    if row is None or int(year) not in DATASETS[row.dataset].releases:
        raise RegionError(
            f"The deployed model {monitoring.deployed_model!r} is of no experiment and release. "
            "Name one of mining_platform/experiments.py, and a year of its dataset."
        )
    return layers_of(PROFILES[row.profile].channels)


def _detections(monitored: Iterable[Region]) -> Step:
    by_model = [each for each in monitored if required_monitoring(each).source == "model"]
    layers = sorted({layer for each in by_model for layer in model_layers(required_monitoring(each))})

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        monitoring = required_monitoring(platform.region_year(key)[0])
        if monitoring.source == "land-cover":
            return (Ref("land_cover", key),)
        beside = (Ref(layer, key) for layer in model_layers(monitoring))
        return (Ref("mosaic", key), *beside, Ref("model", monitoring.deployed_model))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, _ = platform.region_year(key)
        monitoring = required_monitoring(region)
        if monitoring.source == "land-cover":
            return {"source": monitoring.source, "codes": list(mining_codes(region.id))}
        rule = {name: value for name, value in vars(DETECTION_RULES[monitoring.rule]).items() if name != "description"}
        return {"source": monitoring.source, "deployed_model": monitoring.deployed_model, "rule": rule}

    scored: tuple[tuple[str, Reach], ...] = tuple((name, "scored") for name in ("mosaic", *layers)) if by_model else ()
    deployed: tuple[tuple[str, Reach], ...] = (("model", "deployed"),) if by_model else ()
    after: tuple[tuple[str, Reach], ...] = (("land_cover", "mapped"), *scored, *deployed)
    return Step("detections", "region|year", region_years(monitored), after, inputs, config, "1")


def _changes(monitored: Iterable[Region]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        region, year = platform.region_year(key)
        return tuple(ref("detections", region.id, each) for each in sorted(region.years) if each <= year)

    def config(platform: Platform, key: str) -> dict[str, Any]:
        return {"min_area_ha": required_monitoring(platform.region_year(key)[0]).min_area_ha}

    return Step("changes", "region|year", region_years(monitored), (("detections", "past"),), inputs, config, "1")


def _territories(monitored: tuple[Region, ...]) -> Step:
    """Whichever regions have their changes; the others are named."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        return tuple(ref("changes", each.id, key) for each in monitored if int(key) in each.years)

    def config(_platform: Platform, key: str) -> dict[str, Any]:
        wanted = [each for each in monitored if int(key) in each.years]
        return {"regions": list(_ids(wanted)), "layers": layers_fingerprint(layers_of_regions(wanted))}

    keys = tuple(sorted({key_parts(key)[1] for key in region_years(monitored)}))
    return Step("territories", "year", keys, (("changes", "year"),), inputs, config, "1", "published", regions=_ids(monitored))


def _annual_report(monitored: tuple[Region, ...]) -> Step:
    """Whichever regions have their changes; the others are named. Pictures are of the year's mosaics and those before."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        of_year = [each for each in monitored if int(key) in each.years]
        scored = [each for each in of_year if required_monitoring(each).source == "model"]
        told = (ref(name, each.id, key) for each in of_year for name in ("changes", "detections"))
        mosaics = (ref("mosaic", each.id, year) for each in scored for year in (int(key) - 1, int(key)) if year in each.years)
        models = sorted({required_monitoring(each).deployed_model for each in scored})
        return (*told, Ref("territories", key), *mosaics, *(Ref("evaluation", each) for each in models))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        there = [each for each in inputs(platform, key) if current_digest(platform.artifacts, each) is not None]
        before = previous_release(platform.artifacts, Ref("annual_report", key), there)
        wanted = [each for each in monitored if int(key) in each.years]
        layers = layers_fingerprint(layers_of_regions(wanted))
        names = {each.id: each.name for each in wanted}
        return {"regions": names, "layers": layers, "previous": before.digest if before else None}

    keys = tuple(sorted({key_parts(key)[1] for key in region_years(monitored)}))
    scored = any(required_monitoring(each).source == "model" for each in monitored)
    pictured: tuple[tuple[str, Reach], ...] = (("mosaic", "pictured"), ("evaluation", "deployed")) if scored else ()
    after: tuple[tuple[str, Reach], ...] = (("changes", "year"), ("detections", "year"), ("territories", "same"), *pictured)
    return Step("annual_report", "year", keys, after, inputs, config, "1", "published", regions=_ids(monitored))


def _ids(monitored: Iterable[Region]) -> tuple[str, ...]:
    return tuple(each.id for each in monitored)
