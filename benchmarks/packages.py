"""The export of 2,600 patches in each layout, and its verification, against five minutes; its memory against that of a quarter.

`--quick` takes half of the patches, and half of the time.

`python -m benchmarks.packages` in the root of the project; exit code 1 where a ratio is below 60 % of its aim. Windows of 128 px
on a SIMULATED map, 1,300 of them without mining; images of 12 bands are cut from one clear scene of the simulation.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from benchmarks import class_maps
from benchmarks.comparison import Row, enough, peak_memory, print_table
from benchmarks.patches import CHANNELS, PX, cut_patches
from mining_platform.footprints import bounds_of
from mining_platform.grids import PIXEL_M, WindowGrid, project
from mining_platform.labels.recipes import MINING, RECIPES, label_of
from mining_platform.manifests import PartitionSources, build_manifest
from mining_platform.negatives import RANDOM
from mining_platform.packages.contents import Release
from mining_platform.packages.credits import LAND_COVER_CREDITS, SCENE_CREDITS
from mining_platform.packages.layouts import LAYOUTS
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.packages.verification import verify_package
from mining_platform.packages.writing import write_package
from mining_platform.patch_arrays import create_arrays, shard_patches, write_patches
from mining_platform.proportions import window_shares
from mining_platform.ranges import RANGES, range_of
from mining_platform.resampling import read_on_grid
from mining_platform.zarr_arrays import create_group, open_array, read_rows

PATCHES = 2_600
QUARTER = 0.25
MOST_SECONDS = 300  # for an export of PATCHES on two cores
MOST_GROWTH = 64 * 2**20  # bytes, from a QUARTER of PATCHES to all: a twelfth of the images that are read on the way
FOLDER_VARIABLE = "BENCHMARK_PACKAGES_FOLDER"
PICTURES = 256  # different images, taken in turn
REGION, YEAR, EPSG = "bench", 2024, 32721
GRID = WindowGrid(EPSG, PX, 550_400, 9_440_000, 110, 110)


@dataclass(frozen=True)
class Bench:
    """What is exported: a store and a map on the disk, and the patch table."""

    folder: Path
    manifest: gpd.GeoDataFrame

    def given(self) -> PackageInput:
        """The input of a package, reading the store a batch at a time."""
        image, label = (open_array(self.folder / "store" / name) for name in ("image", "label"))
        groups = {window: f"{place // 40}" for place, window in enumerate(self.manifest["window_id"])}
        shortage = pd.DataFrame(
            {"year": [YEAR], "range": ["000"], "negative": [RANDOM], "wanted": [0], "found": [0], "taken": [0], "short": [0]}
        )
        return PackageInput(
            self.manifest,
            lambda _region, _year, rows: read_rows(image, rows),
            lambda _region, _year, rows: read_rows(label, rows),
            lambda _region, _year: self.folder / "map.tif",
            groups,
            shortage,
        )


def measure(quick: bool = False) -> list[Row]:
    """Rows of the table; AssertionError where a package does not verify, since then no time means anything."""
    count = PATCHES // 2 if quick else PATCHES
    with tempfile.TemporaryDirectory() as name:
        bench = prepared(Path(name), count)
        rows = [row for layout_id in LAYOUTS for row in _layout_rows(bench, layout_id, count)]
        return [*rows, *(_memory_row(bench, layout_id) for layout_id in LAYOUTS)]


def _layout_rows(bench: Bench, layout_id: str, count: int) -> list[Row]:
    out = bench.folder / layout_id
    seconds = _seconds(partial(exported, bench, layout_id, out))
    checked = _seconds(lambda: _assert_whole(out))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    limit = MOST_SECONDS * count / PATCHES
    note = f"{seconds:.0f} s wall for {count} patches, {size / 2**20:.0f} MiB"
    return [
        Row(f"export, {layout_id}", f"{limit:.0f} s", limit / seconds, 1, note),
        Row(f"verify, {layout_id}", f"{limit:.0f} s", limit / checked, None, f"{checked:.0f} s wall"),
    ]


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _assert_whole(package: Path) -> None:
    found = verify_package(package)
    assert not found.problems, found.problems[:3]
    assert found.recomputed == found.patches


def exported(bench: Bench, layout_id: str, out: Path) -> None:
    """Write the package."""
    credits_ = (LAND_COVER_CREDITS["simulated"], SCENE_CREDITS["simulated"])
    release = Release(
        "ranges", "SIMULATED patches of a benchmark", (YEAR,), layout_id, CHANNELS, PX, RECIPES[MINING], "s2-12", credits_,
        (("ranges/manifest", str(YEAR), "0" * 64),), "0.1.0", ("Benchmark",), f"{YEAR + 1}-01-01", simulated=True,
    )  # fmt: skip
    write_package(out, release, bench.given(), {})


def _memory_row(bench: Bench, layout_id: str) -> Row:
    with _named_folder(bench.folder):
        growth = max(peak_memory(f"benchmarks.packages:{layout_id.replace('-', '_')}"), 1)
    note = f"{growth / 2**20:.0f} MiB more for {len(bench.manifest)} patches than for a quarter of them"
    return Row(f"memory, {layout_id}", f"{MOST_GROWTH / 2**20:.0f} MiB more", MOST_GROWTH / growth, 1, note)


@contextmanager
def _named_folder(folder: Path) -> Iterator[None]:
    """Tell the processes that measure memory where the store and the map lie."""
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        yield
    finally:
        del os.environ[FOLDER_VARIABLE]


def _measured(layout_id: str) -> Callable[[], object]:
    """What `peak_memory` measures; an export of a quarter before it takes the memory that every export takes."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    table = gpd.read_parquet(folder / "manifest.parquet")
    few, many = (Bench(folder, gpd.GeoDataFrame(table.head(number))) for number in (int(len(table) * QUARTER), len(table)))
    exported(few, layout_id, folder / f"few-{layout_id}")
    return partial(exported, many, layout_id, folder / f"many-{layout_id}")


def __getattr__(name: str) -> Callable[[], Callable[[], object]]:
    """The layouts as functions, which `peak_memory` asks for by name."""
    if name.replace("_", "-") in LAYOUTS:
        return partial(_measured, name.replace("_", "-"))
    raise AttributeError(name)


def prepared(folder: Path, count: int) -> Bench:
    """Map, store and table of so many patches, half of them without mining."""
    class_maps.write_map(folder / "map.tif", class_maps.QUICK)
    shares = window_shares(folder / "map.tif", GRID, RECIPES[MINING].mining_codes)
    windows = _chosen(shares[shares["valid_share"] == 1], count)
    labels = _labels(folder / "map.tif", windows["window_id"].tolist())
    valid = (labels != 255).sum((1, 2))
    windows["share_nn"] = (labels == 1).sum((1, 2)) / np.maximum(valid, 1)
    _write_store(folder / "store", labels)
    bench = Bench(folder, _manifest(windows))
    bench.manifest.to_parquet(folder / "manifest.parquet")
    return bench


def _chosen(shares: pd.DataFrame, count: int) -> pd.DataFrame:
    """Half of the windows at 0 %, the rest those with most mining of what there is; in order of window_id."""
    zero, mined = shares[shares["share"] == 0], shares[shares["share"] > 0]
    half = mined.sort_values(["share", "window_id"], ascending=False).head(count // 2)
    return pd.concat([zero.head(count - len(half)), half]).sort_values("window_id", ignore_index=True)


def _labels(land_cover: Path, window_ids: Sequence[str]) -> NDArray[np.uint8]:
    recipe, found = RECIPES[MINING], []
    with rasterio.open(land_cover) as raster:
        for place in bounds_of(window_ids).itertuples():
            affine = Affine(PIXEL_M, 0, place.minx, 0, -PIXEL_M, place.maxy)
            found.append(label_of(read_on_grid(raster, GeoBox((PX, PX), affine, f"EPSG:{EPSG}"), nearest=True), recipe))
    return np.stack(found)


def _write_store(store: Path, labels: NDArray[np.uint8]) -> None:
    pictures, _ = cut_patches(PICTURES)
    create_group(store, {})
    image, label = create_arrays(store, len(labels), CHANNELS, PX, shard=shard_patches(len(CHANNELS), PX))
    write_patches(image, (pictures[row % PICTURES] for row in range(len(labels))))
    write_patches(label, labels)


def _manifest(windows: pd.DataFrame) -> gpd.GeoDataFrame:
    count = len(windows)
    zero = (windows["share"] == 0).to_numpy()
    corners = windows[["minx", "miny", "maxx", "maxy"]].to_numpy()
    outlines = gpd.GeoSeries([project(box(*corner), EPSG, 4326) for corner in corners], crs=4326)
    lon, lat = ((outlines.bounds[low] + outlines.bounds[high]) / 2 for low, high in (("minx", "maxx"), ("miny", "maxy")))
    sample = windows.assign(
        region=REGION, year=YEAR, epsg=EPSG, lon=lon, lat=lat, range=range_of(windows["share"].to_numpy()),
        is_mining=~zero, negative=np.where(zero, RANDOM, ""), point_id="", mining_distance_m=0.0, dominant_class=3,
        dominant_share=0.5, around_class=3, around_share=0.5, geometry=outlines.to_numpy(),
    )  # fmt: skip
    ids = windows["window_id"]
    index = pd.DataFrame({"patch_id": ids + f"_{YEAR}", "window_id": ids, "year": YEAR, "row": range(count), "dropped": False})
    index = index.assign(drop_reason="", masked_share=0.0, clear_min=3, clear_median=5.0)
    splits = pd.DataFrame({"window_id": ids, "split": [("train", "test")[place // 40 % 5 == 0] for place in range(count)]})
    scenes = gpd.GeoDataFrame({"scene_id": ["bench"]}, geometry=[outlines.union_all().envelope], crs=4326)
    sources = {(REGION, YEAR): PartitionSources("BR", "SIMULATED", scenes, simulated=True)}
    assert set(sample["range"]) <= set(RANGES)
    return build_manifest(sample, index, splits, sources=sources, recipe=MINING, profile="s2-12")


if __name__ == "__main__":
    measured = measure("--quick" in sys.argv)
    print_table(measured)
    sys.exit(1 if enough(measured) else 0)
