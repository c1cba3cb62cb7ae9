"""Parts worked on by threads, by one and by two worker processes of Dask: the same digests, and what a second worker saves.

`python -m benchmarks.cluster` in the root of the project; exit code 1 where digests differ, or the second worker saves less than
60 % of the aim. Wall-clock time, workers of one thread each that have worked before: two workers need two idle processors.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from blake3 import blake3

from benchmarks.comparison import Row, enough, print_table
from benchmarks.inference import drawn_classifier
from mining_platform import region_files, regions
from mining_platform.compositing.recipes import mosaic_recipe
from mining_platform.computing import HERE, Compute
from mining_platform.detections import detect
from mining_platform.grids import WindowGrid, window_grid
from mining_platform.homes import HOME_VARIABLE, archive_path
from mining_platform.models.classifier import write_classifier
from mining_platform.mosaics import compose
from mining_platform.patches import write_store
from mining_platform.proportions import iter_shares
from mining_platform.regions import Region, required_scenes
from mining_platform.simulation.archive import write_archive
from mining_platform.sources import router
from resources.compute import Named, opened
from resources.dask_compute import DaskCompute

YEAR = 2024
SPEED_AIM = 1.5  # of a mosaic by two workers over one
PATCH_PX = 128


@dataclass(frozen=True)
class Size:
    """How much is worked on."""

    side_deg: float
    """Of the simulated region."""
    dates: int
    map_px: tuple[int, int]
    """Rows and columns of the map whose shares are computed."""


FULL, QUICK = Size(0.3, 6, (16_000, 6_000)), Size(0.06, 4, (5_000, 400))


@dataclass(frozen=True)
class Place:
    """What all workers work on."""

    folder: Path
    region: Region
    scenes: Any
    land_cover: Path
    grid: WindowGrid
    model: Path


def prepared(folder: Path, size: Size) -> Place:
    """A simulated region, a map and a model in a folder that is the installation's home."""
    known = region_files.load_regions()
    west, south = -55.2, -6.4
    outline = shapely.box(west, south, west + size.side_deg, south + size.side_deg)
    place = replace(regions.region(known, "sim-igarape"), geometry=outline)
    write_archive(archive_path(), [place], [YEAR], seed=1, dates_per_year=size.dates, land_cover=None)
    model = folder / "model"
    model.mkdir()
    write_classifier(drawn_classifier(48), model, {})
    land_cover, grid = written_map(folder / "map.tif", size.map_px)
    return Place(folder, place, router.list_scenes(place, YEAR), land_cover, grid, model)


def written_map(path: Path, shape: tuple[int, int]) -> tuple[Path, WindowGrid]:
    """A map of 30 m pixels with blobs of mining and of no class, and windows over it."""
    rng = np.random.default_rng(0)
    field = np.kron(rng.random((shape[0] // 20 + 1, shape[1] // 20 + 1)), np.ones((20, 20)))[: shape[0], : shape[1]]
    classes = np.select([field > 0.97, field < 0.002], [30, 0], default=3).astype(np.uint8)
    profile = {"driver": "GTiff", "height": shape[0], "width": shape[1], "count": 1, "dtype": "uint8", "nodata": 0}
    left_m, top_m = 300_000, 9_600_000
    place = {"crs": "EPSG:32722", "transform": Affine(30, 0, left_m, 0, -30, top_m)}
    with rasterio.open(path, "w", **profile, **place, tiled=True, compress="DEFLATE") as out:
        out.write(classes, 1)
    size_m = PATCH_PX * 10
    return path, WindowGrid(32722, PATCH_PX, left_m, top_m, shape[0] * 30 // size_m, shape[1] * 30 // size_m)


def mosaic_of(place: Place, out: Path, compute: Compute) -> None:
    recipe, channels = mosaic_recipe(required_scenes(place.region).recipe), required_scenes(place.region).channels
    compose(place.region, place.scenes, channels, out, recipe=recipe, blocks=None, compute=compute)


def shares_of(place: Place, out: Path, compute: Compute) -> None:
    tables = list(iter_shares(place.land_cover, place.grid, {30}, compute=compute))
    pd.concat(tables, ignore_index=True).to_parquet(out / "shares.parquet", index=False)


def patches_of(place: Place, out: Path, compute: Compute) -> None:
    grid = window_grid(place.region.geobox, PATCH_PX)
    rows, columns = (each.ravel() for each in np.mgrid[: grid.rows, : grid.columns])
    left, top = grid.x0 + columns * grid.size_m, grid.y1 - rows * grid.size_m
    windows = pd.DataFrame({"minx": left, "miny": top - grid.size_m, "maxx": left + grid.size_m, "maxy": top})
    windows["window_id"] = [f"w{number:06d}" for number in range(len(windows))]
    channels, mosaic = required_scenes(place.region).channels, place.folder / "mosaic-here" / "mosaic.zarr"
    told = {"channels": channels, "recipe": "mapbiomas-mining", "px": PATCH_PX, "max_masked_share": 1.0}
    write_store(windows, YEAR, mosaic, None, out, **told, compute=compute)


def scores_of(place: Place, out: Path, compute: Compute) -> None:
    mosaic = place.folder / "mosaic-here" / "mosaic.zarr"
    detect(drawn_classifier(48), mosaic, {}, out, compute=compute, model=place.model)


WORK: dict[str, Callable[[Place, Path, Compute], None]] = {
    "mosaic": mosaic_of,
    "shares": shares_of,
    "patches": patches_of,
    "detections": scores_of,
}
WORKERS = {"here": 0, "1 worker": 1, "2 workers": 2}


def digest_of(folder: Path) -> str:
    """Of all files of a folder."""
    found = blake3()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest(8)


def cluster_of(workers: int) -> Compute:
    """Worker processes of one thread each; this process where there are none."""
    return DaskCompute(lambda: opened(Named(f"local:{workers}", {})), wait_s=120) if workers else HERE


def measured(place: Place) -> dict[tuple[str, str], tuple[float, str]]:
    """Seconds and digest of each kind of work by each number of workers; before it is timed each is done once."""
    found = {}
    for name, workers in WORKERS.items():
        compute = cluster_of(workers)
        with closing(compute) if isinstance(compute, DaskCompute) else nullcontext():
            for work, function in WORK.items():
                for again in (False, True):
                    out = place.folder / f"{work}-{name}{'' if again else '-before'}"
                    out.mkdir()
                    started = time.perf_counter()
                    function(place, out, compute)
                    found[work, name] = time.perf_counter() - started, digest_of(out)
    return found


def measure(quick: bool = False) -> list[Row]:
    """Rows of the table; AssertionError where digests differ, since then no time means anything."""
    with TemporaryDirectory() as folder:
        before = os.environ.get(HOME_VARIABLE)
        os.environ[HOME_VARIABLE] = folder
        try:
            found = measured(prepared(Path(folder), QUICK if quick else FULL))
        finally:
            os.environ.pop(HOME_VARIABLE) if before is None else os.environ.update({HOME_VARIABLE: before})
    rows = []
    for work in WORK:
        seconds = {name: found[work, name][0] for name in WORKERS}
        digests = {found[work, name][1] for name in WORKERS}
        assert len(digests) == 1, f"the digests of {work} differ: {[found[work, name] for name in WORKERS]}"
        told = ", ".join(f"{name} {each:.1f} s" for name, each in seconds.items())
        aim = SPEED_AIM if work == "mosaic" and not quick else None
        note = f"digest {digests.pop()} by all; {told}"
        rows.append(Row(f"{work} by 2 workers", "1 worker", seconds["1 worker"] / seconds["2 workers"], aim, note))
    return rows


def main() -> None:
    """Print the table; exit code 1 where the second worker saves less than 60 % of the aim."""
    rows = measure(quick="--quick" in sys.argv)
    print_table(rows)
    sys.exit(bool(enough(rows)))


if __name__ == "__main__":
    main()
