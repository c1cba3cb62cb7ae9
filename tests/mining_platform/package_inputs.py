"""What a package is made of, small: a map, a manifest of every range, and images and labels with known pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from mining_platform import figures, manifests, sampling
from mining_platform.candidates import candidates
from mining_platform.grids import WindowGrid
from mining_platform.labels.recipes import RECIPES, label_of
from mining_platform.packages.contents import Release
from mining_platform.packages.credits import Credit
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.packages.writing import write_package
from mining_platform.profiles import PROFILES
from mining_platform.resampling import read_on_grid
from tests.mining_platform.class_maps import small_row

CHANNELS = PROFILES["s2-12"].channels
STEP = 0.00026949458523585647
YEARS = (2023, 2024)
PX = 48
CREDITS = (
    Credit(
        "Land cover",
        "Project MapBiomas, Collection 10, CC BY 4.0.",
        "CC-BY-4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        "",
    ),
    Credit("Scenes", "contains modified Copernicus Sentinel data 2024.", "", "", ""),
)


def write_land_cover(path: Path) -> Path:
    """A map whose mining gathers in blocks of all shares."""
    rng = np.random.default_rng(3)
    field = np.kron(rng.random((10, 10)), np.ones((20, 20))) + 0.2 * rng.random((200, 200))
    classes = np.where(field > 0.7, 30, 3).astype(np.uint8)
    profile = {"driver": "GTiff", "height": 200, "width": 200, "count": 1, "dtype": "uint8", "crs": "EPSG:4326", "nodata": 0}
    with rasterio.open(path, "w", **profile, transform=Affine(STEP, 0, -57.02, 0, -STEP, -6.98)) as raster:
        raster.write(classes, 1)
        raster.write_colormap(1, {3: (31, 141, 73, 255), 30: (156, 0, 39, 255)})
    return path


def manifest_of(land_cover: Path, year: int) -> gpd.GeoDataFrame:
    """A patch table of 48 px windows, the first of them dropped, blocks on alternating sides, the last in the buffer."""
    grid = WindowGrid(32721, PX, 498_240, 9_227_520, 10, 10)
    table, _ = candidates(land_cover, grid, small_row(), region_id="here", year=year)
    chosen = table[table["eligible"]].reset_index(drop=True)
    assert chosen["range"].nunique() >= 9
    count = len(chosen)
    index = pd.DataFrame({"patch_id": chosen["window_id"] + f"_{year}", "window_id": chosen["window_id"], "year": year})
    index = index.assign(row=[-1, *range(count - 1)], dropped=[True, *[False] * (count - 1)])
    index = index.assign(drop_reason=["too cloudy", *[""] * (count - 1)], masked_share=0.0, clear_min=3, clear_median=5.0)
    sides = [("train", "test")[k % 2] for k in range(count)]
    splits = pd.DataFrame({"window_id": chosen["window_id"], "split": [*sides[:-1], "buffer"]})
    scenes = gpd.GeoDataFrame({"scene_id": ["S2A_x"]}, geometry=[shapely.box(-58, -8, -56, -6)], crs=4326)
    sources = {("here", year): manifests.PartitionSources("BR", "10", scenes, simulated=True)}
    return manifests.build_manifest(chosen, index, splits, sources=sources, recipe="mapbiomas-mining", profile="s2-12")


def images(_region: str, year: int, rows: Sequence[int]) -> np.ndarray:
    """Each pixel tells band, year, row and place; a corner is nodata."""
    bands, y, x = np.ogrid[: len(CHANNELS), :PX, :PX]
    stack = np.stack([100 + 50 * bands + 7 * row + (year - 2000) + y + x for row in rows]).astype(np.uint16)
    stack[:, :, :2, :2] = 0
    return stack


def given_of(land_cover: Path, years: Sequence[int] = (2024,), **changes: Any) -> PackageInput:
    table = pd.concat([manifest_of(land_cover, year) for year in years], ignore_index=True)
    kept = table[~table["dropped"]].set_index(["year", "store_row"])

    def labels(_region: str, year: int, rows: Sequence[int]) -> np.ndarray:
        out = []
        with rasterio.open(land_cover) as raster:
            for row in rows:
                place = kept.loc[(year, row)]
                box = GeoBox((PX, PX), Affine(10, 0, place["minx"], 0, -10, place["maxy"]), f"EPSG:{place['epsg']}")
                out.append(label_of(read_on_grid(raster, box, nearest=True), RECIPES["mapbiomas-mining"]))
        return np.stack(out)

    counts = sampling.count_table(table.assign(eligible=True), strata := list(small_row().strata))
    wanted = dict.fromkeys(strata, 2)
    shortage = sampling.shortage(sampling.quotas(counts, wanted, ["here"]))
    shortage.insert(0, "year", years[-1])
    groups = {window: f"32721_{place // 3}_-{place % 3}" for place, window in enumerate(sorted(set(table["window_id"])))}
    sides = dict(zip(table["window_id"], table["split"], strict=True))
    groups = {window: f"{group}_{sides[window]}" for window, group in groups.items()}
    manifest = gpd.GeoDataFrame(table, geometry="geometry", crs=4326)
    return replace(PackageInput(manifest, images, labels, lambda _r, _y: land_cover, groups, shortage), **changes)


def release_of(layout_id: str, years: Sequence[int] = (2024,)) -> Release:
    inputs = tuple((f"sim_ranges/{stage}", "2024", "ab" * 32) for stage in ("manifest", "patches"))
    return Release(
        "sim_ranges", "Patches of a test", tuple(years), layout_id, CHANNELS, PX, RECIPES["mapbiomas-mining"], "s2-12",
        CREDITS, inputs, "0.1.0", ("Silva, Ana",), "2025-01-01", simulated=True,
    )  # fmt: skip


PICTURES: Mapping[str, tuple[str, bytes]] = {
    "figures/patches.png": ("Patches", figures.pixels_png(np.zeros((2, 2, 3), np.uint8)))
}


def write(out: Path, layout_id: str, given: PackageInput, years: Sequence[int] = (2024,)) -> dict[str, Any]:
    return write_package(out, release_of(layout_id, years), given, PICTURES)
