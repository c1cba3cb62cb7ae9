"""The layout of the proportion-range dataset: RGB pictures and label clips in folders by range, with the patch table.

images/range_<range>/<patch_id>.png   true colour, fixed stretch, px x px
labels/range_<range>/<patch_id>.tif   land-cover classes on the map's native grid, covering the patch
manifest.csv  manifest.parquet  shortage.csv  README.md  checksums.txt
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from pyproj import Transformer
from rasterio.io import DatasetReader
from rasterio.windows import Window

from mining_platform import figures
from mining_platform.footprints import bounds_of
from mining_platform.grids import WindowGrid
from mining_platform.packages import dataset_card
from mining_platform.packages.checksums import write_checksums
from mining_platform.proportions import window_shares
from mining_platform.ranges import range_of

BATCH = 64  # patches read from a store at a time
CLIP_MARGIN_PX = 1  # native pixels around a window's outline, so that rounding never cuts one off

ImagesOf = Callable[[str, Sequence[int]], np.ndarray]
"""Region id and store rows -> (n, band, y, x) uint16 reflectance x 10000, in the order of the rows."""


def write_package(  # noqa: PLR0913 - what a package is made of
    out: Path,
    manifest: gpd.GeoDataFrame,
    images: ImagesOf,
    channels: tuple[str, ...],
    land_cover_of: Callable[[str], Path],
    *,
    shortage: pd.DataFrame,
    title: str,
    licence_lines: Sequence[str],
) -> dict[str, Any]:
    """Write the package of one year's patches into a directory and return its facts; equal input gives equal bytes.

    Only patches that are not dropped are published. `land_cover_of` gives each region's map; `shortage` is that of
    `sampling.shortage`. ValueError for a manifest of several years, images that do not fit their rows, or a map that does not
    cover a patch.
    """
    published = manifest[~manifest["dropped"]].sort_values("patch_id", ignore_index=True)
    if published["year"].nunique() > 1:
        raise ValueError(
            f"A package holds one year, the manifest has {sorted(published['year'].unique())}; write one package each."
        )
    out.mkdir(parents=True, exist_ok=True)
    for region, rows in published.groupby("region", sort=True):
        _write_images(out, rows, images, channels, str(region))
        _write_labels(out, rows, land_cover_of(str(region)))
    pd.DataFrame(published.drop(columns="geometry")).to_csv(out / "manifest.csv", index=False, lineterminator="\n")
    published.to_parquet(out / "manifest.parquet")
    shortage.to_csv(out / "shortage.csv", index=False, lineterminator="\n")
    card = dataset_card.dataset_card(published, shortage, title=title, licence_lines=licence_lines)
    (out / "README.md").write_text(card, encoding="utf-8")
    return _facts(manifest, published, write_checksums(out) + 1)


def _facts(manifest: pd.DataFrame, published: pd.DataFrame, files: int) -> dict[str, Any]:
    return {
        "patches": len(published),
        "dropped": int(manifest["dropped"].sum()),
        "by_range": {str(name): int(number) for name, number in published["range"].value_counts().sort_index().items()},
        "by_split": {str(name): int(number) for name, number in published["split"].value_counts().sort_index().items()},
        "files": files,
        "simulated": bool(manifest["simulated"].any()),
    }


def image_path(patch_id: str, range_id: str) -> str:
    """Path of a patch's picture in the package."""
    return f"images/range_{range_id}/{patch_id}.png"


def label_path(patch_id: str, range_id: str) -> str:
    """Path of a patch's label clip in the package."""
    return f"labels/range_{range_id}/{patch_id}.tif"


def _write_images(out: Path, rows: pd.DataFrame, images: ImagesOf, channels: tuple[str, ...], region: str) -> None:
    for start in range(0, len(rows), BATCH):
        batch = rows.iloc[start : start + BATCH]
        store_rows = [int(row) for row in batch["store_row"]]
        stack = images(region, store_rows)
        if stack.shape[:2] != (len(batch), len(channels)):
            raise ValueError(
                f"Region {region}: images of shape {stack.shape} for {len(batch)} patches of {len(channels)} channels."
            )
        for patch_id, range_id, image in zip(batch["patch_id"], batch["range"], stack, strict=True):
            _write(out / image_path(patch_id, range_id), figures.pixels_png(figures.rgb_uint8(image, channels)))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _write_labels(out: Path, rows: pd.DataFrame, land_cover: Path) -> None:
    """Clip the map for each patch: all native pixels that touch it, with the map's codes, colours and nodata."""
    with rasterio.open(land_cover, driver="GTiff") as raster:
        for patch_id, range_id, window_id, simulated in zip(
            rows["patch_id"], rows["range"], rows["window_id"], rows["simulated"], strict=True
        ):
            path = out / label_path(patch_id, range_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            _clip(raster, _native_window(raster, window_id), path, simulated=bool(simulated))


def _native_window(raster: DatasetReader, window_id: str) -> Window:
    """Native pixels that touch a window; ValueError where the map does not reach its outline."""
    bounds = bounds_of([window_id]).iloc[0]
    box = shapely.box(bounds["minx"], bounds["miny"], bounds["maxx"], bounds["maxy"]).segmentize(100)
    transformer = Transformer.from_crs(int(bounds["epsg"]), raster.crs, always_xy=True)
    columns, rows = ~raster.transform * np.asarray(transformer.transform(*np.asarray(box.exterior.coords).T))
    left, top = int(np.floor(columns.min())) - CLIP_MARGIN_PX, int(np.floor(rows.min())) - CLIP_MARGIN_PX
    right, bottom = int(np.ceil(columns.max())) + CLIP_MARGIN_PX, int(np.ceil(rows.max())) + CLIP_MARGIN_PX
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, raster.width), min(bottom, raster.height)
    if left >= right or top >= bottom:
        raise ValueError(f"{raster.name} does not reach window {window_id}; give the map that its shares were computed on.")
    return Window(left, top, right - left, bottom - top)


def _clip(raster: DatasetReader, window: Window, path: Path, *, simulated: bool) -> None:
    profile = {"driver": "GTiff", "count": 1, "dtype": raster.dtypes[0], "crs": raster.crs, "nodata": raster.nodata}
    shape = {"width": window.width, "height": window.height, "transform": raster.window_transform(window)}
    with rasterio.open(path, "w", **profile, **shape, compress="deflate") as clip:
        clip.write(raster.read(1, window=window), 1)
        if simulated:
            clip.update_tags(TIFFTAG_IMAGEDESCRIPTION="SIMULATED land cover or scenes")
        if rasterio.enums.ColorInterp.palette in raster.colorinterp[:1]:
            clip.write_colormap(1, raster.colormap(1))


def recompute_ranges(package: Path, codes: frozenset[int]) -> pd.DataFrame:
    """Each patch's share and range computed again from its label clip alone, by the class codes of the recipe.

    Columns patch_id, range (of its folder), share (of the manifest), recomputed_share, recomputed_range; sorted by patch_id.
    """
    table = pd.read_csv(package / "manifest.csv", dtype={"range": str})
    shares = np.array(list(_clip_shares(package, table, codes)), dtype=float)
    columns = {"recomputed_share": shares, "recomputed_range": range_of(shares)}
    return table[["patch_id", "range", "share"]].assign(**columns).sort_values("patch_id", ignore_index=True)


def _clip_shares(package: Path, table: pd.DataFrame, codes: frozenset[int]) -> Iterator[float]:
    bounds = bounds_of(table["window_id"].tolist())
    for row, (_, place) in zip(table.itertuples(), bounds.iterrows(), strict=True):
        grid = WindowGrid(int(place["epsg"]), int(place["px"]), int(place["minx"]), int(place["maxy"]), 1, 1)
        yield float(window_shares(package / label_path(str(row.patch_id), str(row.range)), grid, codes)["share"].iloc[0])
