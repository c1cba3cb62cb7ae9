"""Class shares of windows against their peers: exactextract, gdalwarp, and the time GDAL takes to decode the map once.

`python -m benchmarks.proportions` in the root of the project; exit code 1 where a ratio is below 60 % of its aim. The map is
that of DESIGN: 20,000 x 20,000 pixels, 256 x 256 blocks, LZW, 9 % of the blocks with mining; SIMULATED. With
`--legal-amazon` also a map as large as the bounding box of the Legal Amazon, in the six regions of the region file.
"""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window

from benchmarks.class_maps import LEGAL_AMAZON, QUICK, TWENTY_THOUSAND, MapSize, write_map
from benchmarks.comparison import Row, enough, interleaved_cpu, peak_memory, print_table
from mining_platform import grids, proportions, region_files

EPSG = 32721
PX = 128
MINING_CODE = 30
CODES = frozenset({MINING_CODE})
EXACTEXTRACT_AIM, GDALWARP_AIM = 100, 10
MOST_DECODES = 3
MOST_BYTES = 300 * 2**20
MOST_SECONDS = 60  # wall, for 5.6 billion pixels with a class
SHARE_TOLERANCE = 2e-7
MUCH = 0.3  # a share that some window of the compared rows has, or they would prove little
WEIGHT = "area_spherical_km2"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    map: MapSize
    peer_rows: int
    """Rows of windows that the slow peers are given; their time is scaled by windows."""
    rounds: int


FULL = Size(TWENTY_THOUSAND, peer_rows=3, rounds=3)
ONCE = Size(TWENTY_THOUSAND, peer_rows=3, rounds=1)  # the map cannot be smaller: arrays that fit the cache are warped faster


def measure(quick: bool = False) -> list[Row]:
    """Rows of the table; AssertionError where the results differ, since then no ratio means anything."""
    size = ONCE if quick else FULL
    with TemporaryDirectory() as folder:
        path = write_map(Path(folder) / "map.tif", size.map)
        rows = _rows(path, size)
    return [*rows, memory_row()]


def grid_within(path: Path, epsg: int = EPSG) -> grids.WindowGrid:
    """Windows in the bounds of a map."""
    with rasterio.open(path) as raster:
        bounds = transform_bounds(raster.crs, f"EPSG:{epsg}", *raster.bounds, densify_pts=101)
    return grids.window_grid(grids.lattice_geobox(*bounds, epsg), PX)


def _rows(path: Path, size: Size) -> list[Row]:
    whole = grid_within(path)
    table = proportions.window_shares(path, whole, CODES)
    first = min(int(table.loc[table["share"].idxmax(), "row"]), whole.rows - size.peer_rows)
    part = grids.WindowGrid(whole.epsg, PX, whole.x0, whole.y1 - first * whole.size_m, whole.columns, size.peer_rows)
    scale = whole.rows / size.peer_rows
    exact = with_exactextract(path, part)
    functions = {
        "ours": lambda: shares_of(path, whole),
        "decode": lambda: decode(path),
        "exactextract": exact,
        "gdalwarp average": lambda: with_gdalwarp(path, whole),
    }
    _check(path, part, functions["exactextract"]())
    seconds = interleaved_cpu(functions, size.rounds)
    decodes = seconds["ours"] / seconds["decode"]
    what = f"shares of {whole.rows * whole.columns} windows of 1,280 m, {size.map.rows}² px"
    note = f"{size.peer_rows} of {whole.rows} rows of windows, scaled"
    told = f"{decodes:.1f} decodes, {seconds['ours']:.2f} CPU s"
    return [
        Row(what, "exactextract", seconds["exactextract"] * scale / seconds["ours"], EXACTEXTRACT_AIM, note),
        Row(
            what,
            "gdalwarp average",
            seconds["gdalwarp average"] / seconds["ours"],
            GDALWARP_AIM,
            "the whole map: averages of classes and of valid ground",
        ),
        Row(what, f"{MOST_DECODES} x GDAL decoding the map (limit)", MOST_DECODES / decodes, 1, told),
    ]


def shares_of(path: Path, grid: grids.WindowGrid) -> float:
    """Mining area of all windows (m2), table by table."""
    return sum(float(table["class_area_m2"].sum()) for table in proportions.iter_shares(path, grid, CODES))


def decode(path: Path) -> None:
    """Read the map once by rows of blocks, on one thread."""
    with rasterio.Env(GDAL_CACHEMAX=48, GDAL_NUM_THREADS="1"), rasterio.open(path) as raster:
        for row in range(0, raster.height, 256):
            raster.read(1, window=Window(0, row, raster.width, min(256, raster.height - row)))


def with_exactextract(path: Path, grid: grids.WindowGrid) -> Callable[[], NDArray[np.float64]]:
    """Shares by exactextract, cells weighted by spherical area; windows are projected to the map's degrees beforehand."""
    from exactextract import exact_extract
    from exactextract.feature import JSONFeatureSource

    project = Transformer.from_crs(grid.epsg, 4326, always_xy=True).transform
    outlines = [shapely.transform(shapely.box(*grid.bounds(i, j)).segmentize(20), project, interleaved=False) for i, j in grid]
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)} for each in outlines]
    wkt, wanted = (
        rasterio.crs.CRS.from_epsg(4326).to_wkt(),
        [f"frac(coverage_weight={WEIGHT})", f"unique(coverage_weight={WEIGHT})"],
    )

    def run() -> NDArray[np.float64]:
        found = exact_extract(str(path), JSONFeatureSource(features, srs_wkt=wkt), wanted, output="pandas")
        pairs = zip(found["frac"], found["unique"], strict=True)
        return np.array([np.asarray(shares)[np.isin(classes, sorted(CODES))].sum() for shares, classes in pairs])

    return run


def with_gdalwarp(path: Path, grid: grids.WindowGrid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shares and valid shares by GDAL's warper on one thread: averages of the classes over valid ground, and of valid ground."""
    to = Affine(grid.size_m, 0, grid.x0, 0, -grid.size_m, grid.y1)
    with rasterio.open(path) as raster:
        classes, nodata = raster.read(1), raster.nodata
        frames = {"src_crs": raster.crs, "dst_crs": f"EPSG:{grid.epsg}", "src_transform": raster.transform, "dst_transform": to}
    valid, nothing = classes != nodata, np.float32("nan")
    is_class = np.where(valid, classes == MINING_CODE, nothing).astype(np.float32)
    shares, valid_shares = (np.zeros((grid.rows, grid.columns), np.float32) for _ in range(2))
    how = {"resampling": Resampling.average, "num_threads": 1, **frames}
    reproject(is_class, shares, src_nodata=nothing, dst_nodata=nothing, **how)
    reproject(valid.view(np.uint8), valid_shares, **how)
    return shares, valid_shares


def _check(path: Path, grid: grids.WindowGrid, theirs: NDArray[np.float64]) -> None:
    """AssertionError where a window's share differs from exactextract's by more than 2e-7."""
    table = proportions.window_shares(path, grid, CODES)
    inside = (table["valid_share"] == 1).to_numpy()
    worst = np.abs(table["share"].to_numpy() - theirs)[inside].max()
    assert inside.sum() > grid.columns, "hardly a window lies within the map"
    assert theirs.max() > MUCH, "no window has much of the classes"
    assert worst <= SHARE_TOLERANCE, f"shares differ from exactextract's by {worst:.1e}"


def memory_row() -> Row:
    """What the shares of a map of 400 million pixels take beside what the process has."""
    used = peak_memory(f"{__spec__.name}:prepare_shares")
    note = f"{used / 2**20:.0f} MiB; resident peak of a fresh process above its imports"
    return Row("memory of shares, 20,000² px", "300 MiB (limit)", MOST_BYTES / used, 1, note)


def prepare_shares() -> Callable[[], object]:
    """Shares of a whole map, compiled."""
    folder = Path(mkdtemp())
    small, large = write_map(folder / "small.tif", QUICK), write_map(folder / "large.tif", TWENTY_THOUSAND)
    shares_of(small, grid_within(small))
    grid = grid_within(large)

    def run() -> None:
        shares_of(large, grid)
        shutil.rmtree(folder)

    return run


def legal_amazon_row(path: Path | None = None) -> Row:
    """Seconds for the six regions of the Legal Amazon on a map of its bounding box."""
    regions = region_files.load_regions()
    with TemporaryDirectory() as folder:
        where = path or write_map(Path(folder) / "map.tif", LEGAL_AMAZON)
        started, windows = time.monotonic(), 0
        for zone in range(18, 24):
            grid = grids.window_grid(regions[f"legal-amazon-{zone}"].geobox, PX)
            windows += sum(len(table) for table in proportions.iter_shares(where, grid, CODES))
        seconds = time.monotonic() - started
    what = f"shares of {windows} windows, the six regions of the Legal Amazon, {LEGAL_AMAZON.rows} x {LEGAL_AMAZON.columns} px"
    return Row(what, f"{MOST_SECONDS} s of wall time (limit)", MOST_SECONDS / seconds, 1, f"{seconds:.1f} s")


def main() -> None:
    """Print the table; exit code 1 where a ratio is below 60 % of its aim."""
    rows = measure()
    if "--legal-amazon" in sys.argv[1:]:
        rows.append(legal_amazon_row())
    print_table(rows)
    sys.exit(bool(enough(rows)))


if __name__ == "__main__":
    main()
