"""The rows of the graph that follow mining through the years: detections, changes, territories, report."""

from collections.abc import Iterable, Mapping
from typing import Any

from mining_platform.annual_reports.previous import previous_release
from mining_platform.area_publishing import AREA_ASSET, AREA_VERSION
from mining_platform.artifacts import Ref, current_digest
from mining_platform.comparisons.systems import systems_fingerprint
from mining_platform.datasets import DATASETS, mining_codes
from mining_platform.detection_rules import DETECTION_RULES
from mining_platform.experiments import EXPERIMENTS, Experiment
from mining_platform.grid_steps import region_years
from mining_platform.models.registry import MODELS
from mining_platform.pipeline import Platform, Reach, Step, key_parts, ref
from mining_platform.profiles import PROFILES
from mining_platform.regions import Monitoring, Region, RegionError
from mining_platform.reviews.detection_publishing import DETECTION_REVIEWS, DETECTION_REVIEWS_VERSION
from mining_platform.stacks import layers_of
from mining_platform.territory_layers import layers_fingerprint, layers_of_regions
from mining_platform.told_regions import told_regions


def monitoring_steps(regions: Mapping[str, Region]) -> list[Step]:
    """Detections and what rests on them, up to the yearly report; none where no region is monitored.

    There is a comparison where a monitored region has something to compare with.
    """
    monitored = monitored_regions(regions)
    if not monitored:
        return []
    compared = [_comparison(monitored)] if compared_regions(monitored) else []
    return [
        *(step(monitored) for step in (_detections, _reviews, _area, _changes)),
        *compared,
        _territories(monitored),
        _annual_report(monitored),
    ]


def monitored_regions(regions: Mapping[str, Region]) -> tuple[Region, ...]:
    """Regions whose mining is mapped year by year, sorted by id."""
    return tuple(sorted((each for each in regions.values() if each.monitoring), key=lambda each: each.id))


def compared_regions(monitored: Iterable[Region]) -> tuple[Region, ...]:
    """Those with another system to compare with, or with a map that is not itself the source of their detections."""
    return tuple(each for each in monitored if required_monitoring(each).compared_with or has_map_beside(each))


def has_map_beside(region: Region) -> bool:
    """Whether a model finds a region's mining, and it has a land-cover map as well."""
    return required_monitoring(region).source == "model" and region.land_cover is not None


def required_monitoring(region: Region) -> Monitoring:
    """How a region's mining is mapped; RegionError where it is not."""
    if region.monitoring is None:
        raise RegionError(f"Region {region.id} is not monitored. Add 'monitoring' to it in the region file.")
    return region.monitoring


def model_layers(monitoring: Monitoring) -> tuple[str, ...]:
    """Layers beside the mosaic that the channels of a region's models need; RegionError for models that cannot be used."""
    if monitoring.outlined_by and MODELS[_experiment(monitoring.outlined_by).model].task != "segmentation":
        raise RegionError(f"The model {monitoring.outlined_by!r} judges whole patches, and outlines nothing. Name one of pixels.")
    return tuple(sorted({layer for model in monitoring.models for layer in model_layers_of(model)}))


def model_layers_of(model: str) -> tuple[str, ...]:
    """Layers beside the mosaic that one model needs."""
    return layers_of(PROFILES[_experiment(model).profile].channels)


def _experiment(model: str) -> Experiment:
    experiment_id, year = key_parts(model)
    row = EXPERIMENTS.get(experiment_id)
    if row is None or int(year) not in DATASETS[row.dataset].releases:
        raise RegionError(
            f"The deployed model {model!r} is of no experiment and release. "
            "Name one of mining_platform/experiments.py, and a year of its dataset."
        )
    return row


def _detections(monitored: Iterable[Region]) -> Step:
    by_model = [each for each in monitored if required_monitoring(each).source == "model"]
    layers = sorted({layer for each in by_model for layer in model_layers(required_monitoring(each))})

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        monitoring = required_monitoring(platform.region_year(key)[0])
        if monitoring.source == "land-cover":
            return (Ref("land_cover", key),)
        beside = (Ref(layer, key) for layer in model_layers(monitoring))
        return (Ref("mosaic", key), *beside, *(Ref("model", each) for each in monitoring.models))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, _ = platform.region_year(key)
        monitoring = required_monitoring(region)
        told = {"source": monitoring.source, "outline": region.outline_digest}
        if monitoring.source == "land-cover":
            return {**told, "codes": list(mining_codes(region.id))}
        rule = {name: value for name, value in vars(DETECTION_RULES[monitoring.rule]).items() if name != "description"}
        outlined = {"outlined_by": monitoring.outlined_by} if monitoring.outlined_by else {}
        return {**told, "deployed_model": monitoring.deployed_model, "rule": rule, **outlined}

    scored: tuple[tuple[str, Reach], ...] = tuple((name, "scored") for name in ("mosaic", *layers)) if by_model else ()
    deployed: tuple[tuple[str, Reach], ...] = (("model", "deployed"),) if by_model else ()
    after: tuple[tuple[str, Reach], ...] = (("land_cover", "mapped"), *scored, *deployed)
    return Step("detections", "region|year", region_years(monitored), after, inputs, config, "3")


def _reviews(monitored: Iterable[Region]) -> Step:
    return _by_people(DETECTION_REVIEWS, DETECTION_REVIEWS_VERSION, monitored)


def _area(monitored: Iterable[Region]) -> Step:
    return _by_people(AREA_ASSET, AREA_VERSION, monitored)


def _by_people(asset: str, version: str, monitored: Iterable[Region]) -> Step:
    """Published by people who look at maps, and so no step of the plan."""

    def inputs(_platform: Platform, _key: str) -> tuple[Ref, ...]:
        return ()

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {}

    return Step(asset, "region|year", region_years(monitored), (), inputs, config, version, external=True)


def _changes(monitored: Iterable[Region]) -> Step:
    """Decisions of people count where there are some."""

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        region, year = platform.region_year(key)
        past = [each for each in sorted(region.years) if each <= year]
        decided = (ref(DETECTION_REVIEWS, region.id, each) for each in past)
        reviews = (each for each in decided if current_digest(platform.artifacts, each) is not None)
        return (*(ref("detections", region.id, each) for each in past), *reviews)

    def config(platform: Platform, key: str) -> dict[str, Any]:
        return {"min_area_ha": required_monitoring(platform.region_year(key)[0]).min_area_ha}

    after: tuple[tuple[str, Reach], ...] = (("detections", "past"), (DETECTION_REVIEWS, "past"))
    return Step("changes", "region|year", region_years(monitored), after, inputs, config, "2")


def _comparison(monitored: Iterable[Region]) -> Step:
    """Our maps beside those of others; systems whose files are not there, or tell nothing of the year, are left out and named."""
    compared = compared_regions(monitored)

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        beside = (Ref("land_cover", key),) if has_map_beside(platform.region_year(key)[0]) else ()
        return (Ref("detections", key), Ref("changes", key), *beside)

    def config(platform: Platform, key: str) -> dict[str, Any]:
        region, year = platform.region_year(key)
        monitoring = required_monitoring(region)
        codes = {"codes": list(mining_codes(region.id))} if has_map_beside(region) else {}
        outside = systems_fingerprint(monitoring.compared_with, year)
        return {"outside": outside, "min_area_ha": monitoring.min_area_ha, **codes}

    maps: tuple[tuple[str, Reach], ...] = (("land_cover", "compared"),) if any(map(has_map_beside, compared)) else ()
    after: tuple[tuple[str, Reach], ...] = (("detections", "same"), ("changes", "same"), *maps)
    return Step("comparison", "region|year", region_years(compared), after, inputs, config, "2")


def _territories(monitored: tuple[Region, ...]) -> Step:
    """Whichever regions have their changes; the others are named."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        return tuple(ref("changes", each.id, key) for each in told_regions(monitored, int(key)).regions)

    def config(_platform: Platform, key: str) -> dict[str, Any]:
        wanted = told_regions(monitored, int(key)).regions
        return {"regions": list(_ids(wanted)), "layers": layers_fingerprint(layers_of_regions(wanted))}

    keys = tuple(sorted({key_parts(key)[1] for key in region_years(monitored)}))
    return Step(
        "territories", "year", keys, (("changes", "year"),), inputs, config, "2", "published", regions=region_years(monitored)
    )


def _annual_report(monitored: tuple[Region, ...]) -> Step:
    """Whichever regions have their changes; the others are named. Pictures are of the year's mosaics and those before."""

    def inputs(_platform: Platform, key: str) -> tuple[Ref, ...]:
        of_year = told_regions(monitored, int(key)).regions
        scored = [each for each in of_year if required_monitoring(each).source == "model"]
        told = (ref(name, each.id, key) for each in of_year for name in ("changes", "detections", AREA_ASSET))
        compared = (ref("comparison", each.id, key) for each in compared_regions(of_year))
        mosaics = (ref("mosaic", each.id, year) for each in scored for year in (int(key) - 1, int(key)) if year in each.years)
        models = sorted({model for each in scored for model in required_monitoring(each).models})
        return (*told, *compared, Ref("territories", key), *mosaics, *(Ref("evaluation", each) for each in models))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        there = [each for each in inputs(platform, key) if current_digest(platform.artifacts, each) is not None]
        before = previous_release(platform.artifacts, Ref("annual_report", key), there)
        told = told_regions(monitored, int(key))
        layers = layers_fingerprint(layers_of_regions(told.regions))
        names = {each.id: each.name for each in told.regions}
        beside = {"ended": told.last_years(int(key)), "simulated": list(_ids(told.simulated))}
        return {"regions": names, **beside, "layers": layers, "previous": before.digest if before else None}

    keys = tuple(sorted({key_parts(key)[1] for key in region_years(monitored)}))
    scored = any(required_monitoring(each).source == "model" for each in monitored)
    pictured: tuple[tuple[str, Reach], ...] = (("mosaic", "pictured"), ("evaluation", "deployed")) if scored else ()
    yearly: tuple[tuple[str, Reach], ...] = tuple((name, "year") for name in ("changes", "detections", AREA_ASSET))
    compared: tuple[tuple[str, Reach], ...] = (("comparison", "year"),) if compared_regions(monitored) else ()
    after: tuple[tuple[str, Reach], ...] = (*yearly, *compared, ("territories", "same"), *pictured)
    of = region_years(monitored)
    return Step(
        "annual_report",
        "year",
        keys,
        after,
        inputs,
        config,
        "3",
        "published",
        regions=of,
        needed=("territories",),
        follows_last_year=True,
    )


def _ids(monitored: Iterable[Region]) -> tuple[str, ...]:
    return tuple(each.id for each in monitored)
