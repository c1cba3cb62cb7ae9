"""How many windows the partitions of a dataset's family look at or hold at most, known before anything is made."""

from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.grids import window_grid
from mining_platform.pipeline import Platform, Step, key_parts


def most_windows(platform: Platform, step: Step, key: str) -> int | None:
    """Windows of the region's grid for candidates, as many as the dataset wants for later stages; None for other assets.

    Candidates centred on points are not known before their file is read: None too.
    """
    dataset_id, _, stage = step.asset.partition("/")
    if not stage or dataset_id not in DATASETS:
        return None
    dataset = DATASETS[dataset_id]
    if stage == "candidates":
        return _in_grid(platform, dataset, key_parts(key)[0])
    return sum(dataset.strata.values())


def _in_grid(platform: Platform, dataset: Dataset, region_id: str) -> int | None:
    if dataset.points is not None:
        return None
    grid = window_grid(platform.regions[region_id].geobox, dataset.px)
    return grid.rows * grid.columns
