"""How large the work of a partition is, told before it is made: pixels, windows, patches, scenes, or values of scenes.

One function tells it of what is planned and of what was made, so that seconds for a unit mean the same in both. What is
published says it exactly; before that it is what is expected: of a sampled region the chunks that the windows of its share of
each quota touch, of a service's scenes as many as fly over in a year.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from mining_platform.artifacts import ArtifactError, Ref, current_digest
from mining_platform.chunks import CHUNK_PX
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.experiments import EXPERIMENTS
from mining_platform.pipeline import Platform, Step, key_parts
from mining_platform.regions import Region, required_scenes
from mining_platform.scene_costs import scene_count
from mining_platform.staleness import UNTOLD
from mining_platform.store.versions import read_facts, version_directory
from mining_platform.window_counts import most_windows

MAP_PIXEL_M = 30  # of MapBiomas' maps, MapBiomas ATBD
TILE_KM2 = 109.8**2  # a scene of Sentinel-2: one tile of 109.8 km, Sentinel-2 Products Specification Document
DAYS_A_YEAR = 73
"""Days on which a place is seen from one orbit in a year: every 5 days, Sentinel-2 User Handbook."""

Count = Callable[[Platform, Step, str], float]


def size_of(platform: Platform, step: Step, key: str) -> tuple[float, str] | None:
    """How large a partition is, and in which unit; None for an asset whose time follows from nothing that is known before."""
    row = UNITS.get(stage_of(step.asset))
    if row is None:
        return None
    unit, count = row
    return float(count(platform, step, key)), unit


def stored_size_of(platform: Platform, step: Step, key: str) -> float:
    """What the bytes of a partition follow: of a mosaic its pixels x channels, whatever the number of scenes; else its size."""
    if step.asset == "mosaic":
        return _pixels(platform, step, key) * len(required_scenes(platform.region_year(key)[0]).channels)
    told = size_of(platform, step, key)
    return told[0] if told else 0.0


def stage_of(asset: str) -> str:
    """`sim_ranges/patches` -> `patches`; of other assets the name itself."""
    return asset.rpartition("/")[2]


def kind_of(step: Step, key: str) -> str:
    """Partitions whose times can be compared: of a stage of all datasets; of models and their evaluation by architecture."""
    if step.dimensions == "experiment|year":
        return f"{step.asset}/{EXPERIMENTS[key_parts(key)[0]].model}"
    return stage_of(step.asset)


def facts_of(platform: Platform, ref: Ref) -> Mapping[str, Any]:
    """Facts of the current version as they lie on the disk, not verified; empty where there are none."""
    try:
        digest = current_digest(platform.artifacts, ref)
        return read_facts(version_directory(platform.artifacts, ref, digest)) if digest else {}
    except (ArtifactError, OSError, ValueError):
        return {}


def expected_scenes(platform: Platform, key: str) -> int:
    """Scenes of a region and year: those listed, else those at hand, else as many as its tiles have in a year."""
    try:
        return scene_count(platform, key)
    except UNTOLD:
        region, _ = platform.region_year(key)
        return max(DAYS_A_YEAR, math.ceil(DAYS_A_YEAR * _area_km2(region) / TILE_KM2))


def scenes_over_a_place(platform: Platform, key: str) -> float:
    """Scenes that see a place of a region in a year on average: all, or their share where the region is larger than a tile."""
    return expected_scenes(platform, key) * min(1.0, TILE_KM2 / _area_km2(platform.region_year(key)[0]))


def windows_of_region(dataset: Dataset) -> float:
    """A region's share of the windows that a dataset wants, as if all regions gave alike."""
    return sum(dataset.strata.values()) / len(dataset.regions)


def chunks_of_window(px: int) -> float:
    """Chunks that a window anywhere on the grid touches on average."""
    return (1 + (px - 1) / CHUNK_PX) ** 2


def _area_km2(region: Region) -> float:
    height, width = region.geobox.shape
    return height * width / 1e4  # of 10 m pixels


def _map_pixels(platform: Platform, step: Step, key: str) -> float:
    told = facts_of(platform, Ref(step.asset, key)).get("pixels")
    return told or _area_km2(platform.region_year(key)[0]) * 1e6 / MAP_PIXEL_M**2


def _scenes(platform: Platform, _step: Step, key: str) -> float:
    return expected_scenes(platform, key)


def _pixels(platform: Platform, step: Step, key: str) -> float:
    """Pixels of the grid that are computed."""
    for asset in (step.asset, "mosaic", "label"):
        told = facts_of(platform, Ref(asset, key)).get("computed_pixels")
        if told:
            return float(told)
    return expected_pixels(platform, key)


def expected_pixels(platform: Platform, key: str) -> float:
    """Pixels of a region's grid that are computed: all, or of a sampled region those of the chunks that its windows touch."""
    region, year = platform.region_year(key)
    height, width = region.geobox.shape
    if region.coverage == "full":
        return height * width
    rows = [row for row in DATASETS.values() if row.sample_unit == "mosaic" and region.id in row.regions and year in row.years]
    chunks = sum(_windows_drawn(platform, row, key) * chunks_of_window(row.px) for row in rows)
    return min(chunks * CHUNK_PX**2, height * width)


def _windows_drawn(platform: Platform, dataset: Dataset, key: str) -> float:
    told = facts_of(platform, Ref(f"{dataset.id}/sample", key)).get("windows")
    return windows_of_region(dataset) if told is None else float(told)


def _values(platform: Platform, step: Step, key: str) -> float:
    """Values that a composite is made of: pixels x channels x scenes over each pixel."""
    channels = required_scenes(platform.region_year(key)[0]).channels
    return _pixels(platform, step, key) * len(channels) * scenes_over_a_place(platform, key)


def _windows(platform: Platform, step: Step, key: str) -> float:
    """Windows of the region's grid; of points as many as the dataset wants."""
    dataset = DATASETS[step.asset.partition("/")[0]]
    told = facts_of(platform, Ref(f"{dataset.id}/candidates", key)).get("windows")
    return told or _most_candidates(platform, dataset, key) or windows_of_region(dataset)


def _most_candidates(platform: Platform, dataset: Dataset, key: str) -> int | None:
    candidates = Step(f"{dataset.id}/candidates", "region|year", (), (), lambda _p, _k: (), lambda _p, _k: {}, "")
    return most_windows(platform, candidates, key)


def _patches(platform: Platform, step: Step, key: str) -> float:
    """Patches of a region, or of a whole release."""
    dataset = DATASETS[step.asset.partition("/")[0]]
    told = facts_of(platform, Ref(step.asset, key))
    made = told.get("patches", told.get("windows"))
    if made is not None:
        return float(made)
    if step.dimensions == "region|year":
        return _windows_drawn(platform, dataset, key)
    return sum(dataset.strata.values()) * len(dataset.years_of(int(key)))


def _patch_pixels(platform: Platform, step: Step, key: str) -> float:
    return _patches(platform, step, key) * DATASETS[step.asset.partition("/")[0]].px ** 2


def _training_pixels(platform: Platform, step: Step, key: str) -> float:
    """Pixels of all patches in all epochs; of an evaluation, in one."""
    row = EXPERIMENTS[key_parts(key)[0]]
    dataset = DATASETS[row.dataset]
    patches = sum(dataset.strata.values()) * len(dataset.years_of(int(key_parts(key)[1])))
    epochs = facts_of(platform, Ref(step.asset, key)).get("epochs", row.epochs) if step.asset == "model" else 1
    return patches * dataset.px**2 * float(epochs)


UNITS: Mapping[str, tuple[str, Count]] = {
    "land_cover": ("map pixels", _map_pixels),
    "scenes": ("scenes", _scenes),
    "mosaic": ("values", _values),
    **dict.fromkeys(("label", "mosaic_quality", "radar", "elevation", "osm_context"), ("pixels", _pixels)),
    **dict.fromkeys(("detections", "changes", "comparison"), ("pixels", _pixels)),
    **dict.fromkeys(("candidates", "sample"), ("windows", _windows)),
    **dict.fromkeys(("splits", "manifest"), ("patches", _patches)),
    **dict.fromkeys(("patches", "package"), ("patch pixels", _patch_pixels)),
    **dict.fromkeys(("model", "evaluation"), ("pixels x epochs", _training_pixels)),
}
"""By stage: the unit that its time follows, and how many there are."""
