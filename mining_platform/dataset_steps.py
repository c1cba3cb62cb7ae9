"""The rows of the graph that draw a dataset's windows: `<dataset>/candidates` to `<dataset>/sample`, and people's reviews."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shapely.geometry import mapping as geojson_of

from mining_platform.artifacts import Ref
from mining_platform.dataset_keys import (
    in_release,
    jsonable,
    keys_of,
    keys_of_release,
    of_map,
    recipe_config,
    release_keys,
    release_reach,
    reviewed,
    with_map,
)
from mining_platform.dataset_rows import ALL_YEARS, Dataset
from mining_platform.negatives import NEGATIVES
from mining_platform.pipeline import Platform, Reach, Step, key_parts, ref
from mining_platform.point_files import PointsFile
from mining_platform.points import points_fingerprint
from mining_platform.regions import Region
from mining_platform.reviews.publishing import REVIEWS_VERSION
from mining_platform.site_files import SitesFile
from mining_platform.sites import sites_fingerprint
from mining_platform.territory_files import territory_fingerprints

DATASET_STAGES = ("candidates", "quotas", "sample", "patches", "splits", "manifest", "package")


def drawing_steps(dataset: Dataset, regions: Mapping[str, Region]) -> tuple[Step, ...]:
    """From the map or the points to the sample, with what people decide about its windows."""
    return _reviews(dataset), _candidates(dataset, regions), _quotas(dataset), _sample(dataset)


def outline_of(region: Region) -> dict[str, Any]:
    """The region's place, as part of a configuration."""
    return {"epsg": region.epsg, "outline": geojson_of(region.geometry)}


def _reviews(dataset: Dataset) -> Step:
    """Made by people who look at patches, and so no step of the plan: sample, patches and reviews would wait for each other."""

    def inputs(_platform: Platform, _key: str) -> tuple[Ref, ...]:
        return ()

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {}

    keys = keys_of(dataset, dataset.years)
    return Step(f"{dataset.id}/reviews", "region|year", keys, (), inputs, config, REVIEWS_VERSION, external=True)


def _candidates(dataset: Dataset, regions: Mapping[str, Region]) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        return tuple(each for k in in_release(dataset, key) for each in of_map(platform, k, "land_cover"))

    def config(platform: Platform, key: str) -> dict[str, Any]:
        told: dict[str, Any] = {"px": dataset.window_px, "recipe": recipe_config(dataset), "seed": dataset.seed}
        told["allow_overlap"] = dataset.allow_overlap
        told |= {"years": sorted(dataset.years)} if dataset.release == ALL_YEARS else {}
        told |= {"filter": jsonable(asdict(dataset.window_filter)), "territories": territory_fingerprints(dataset.window_filter)}
        if dataset.points is not None:
            told |= {"points": asdict(dataset.points), "outside": _fingerprint(dataset.points, int(key_parts(key)[1]))}
            told |= {"wanted": sorted(dataset.quotas), "negatives": _negatives(list(dataset.quotas))}
            return {**told, **outline_of(platform.region_year(key)[0])}
        negatives = {"shares": dict(dataset.negatives), "rules": _negatives(list(dataset.negatives))}
        sliding = {"step_px": dataset.sliding_px, "from": dataset.sliding_from} if dataset.sliding_px else None
        return {**told, "zero_candidates": dataset.zero_candidates, "negatives": negatives, "sliding": sliding}

    after = with_map(dataset, regions, "land_cover", release_reach(dataset, "same"))
    return Step(f"{dataset.id}/candidates", "region|year", keys_of(dataset, dataset.releases), after, inputs, config, "2")


def _fingerprint(named: PointsFile | SitesFile, year: int) -> dict[str, Any]:
    """What identifies the content of a file of points, or of sites in a year."""
    return sites_fingerprint(named, year) if isinstance(named, SitesFile) else points_fingerprint(named)


def _negatives(names: list[str]) -> list[dict[str, Any]]:
    """The rows of negative recipes, JSON-able, in order; what is no recipe is left out."""
    return [jsonable(vars(NEGATIVES[name])) for name in names if name in NEGATIVES]


def _quotas(dataset: Dataset) -> Step:
    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        found = (ref(f"{dataset.id}/candidates", region_id, key) for region_id in dataset.regions)
        return (*found, *reviewed(platform, dataset, keys_of_release(dataset, key)))

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        wanted = [[*stratum, number] for stratum, number in dataset.strata.items()]
        return {"wanted": wanted, "regions": list(dataset.regions)}

    after: tuple[tuple[str, Reach], ...] = (
        (f"{dataset.id}/candidates", "year"),
        (f"{dataset.id}/reviews", release_reach(dataset, "year")),
    )
    return Step(f"{dataset.id}/quotas", "year", release_keys(dataset), after, inputs, config, "2", "available")


def _sample(dataset: Dataset) -> Step:
    """The windows of a year, which the candidates and quotas of its release decide."""

    def inputs(platform: Platform, key: str) -> tuple[Ref, ...]:
        region_id, year = key_parts(key)
        release = dataset.release_of(int(year))
        own = (ref(f"{dataset.id}/candidates", region_id, release), Ref(f"{dataset.id}/quotas", str(release)))
        return (*own, *reviewed(platform, dataset, in_release(dataset, key)))

    def config(_platform: Platform, _key: str) -> dict[str, Any]:
        return {"block_m": dataset.split.block_m, "allow_overlap": dataset.allow_overlap}

    own = tuple((f"{dataset.id}/{stage}", release_reach(dataset, "same")) for stage in ("candidates", "reviews"))
    after = (*own, (f"{dataset.id}/quotas", release_reach(dataset, "year")))
    return Step(f"{dataset.id}/sample", "region|year", keys_of(dataset, dataset.years), after, inputs, config, "3")
