"""The layout of the proportion-range dataset: pictures and clips of the land-cover map in folders by range.

images/range_<range>/<patch_id>.png   true colour, fixed stretch, px x px
labels/range_<range>/<patch_id>.tif   land-cover classes on the map's native grid, covering the patch
bands/range_<range>/<patch_id>.tif    all bands, uint16, if asked for
shortage.csv  splits.csv
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import DatasetReader
from rasterio.windows import Window

from mining_platform import bands
from mining_platform.figures import RGB_ROLES
from mining_platform.footprints import bounds_of
from mining_platform.grids import WindowGrid
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.packages.contents import SHORTAGE_CSV, FileKind, Release, TableFile
from mining_platform.packages.patch_files import GEOTIFF, PNG, new_geotiff, place_of, write_picture, write_stack
from mining_platform.packages.patch_pixels import PackageInput, write_patches
from mining_platform.packages.written import Written
from mining_platform.proportions import window_shares
from mining_platform.ranges import RANGES
from mining_platform.spreadsheets import write_csv

CLIP_MARGIN_PX = 1  # native pixels around a window's outline, so that rounding never cuts one off
VALID_SHARE_ERROR = 1e-7  # as proportions.FULL_TOLERANCE: the same arithmetic on the same pixels
SPLITS_CSV = "splits.csv"
PATHS = {"image_path": "images/range_{}/{}.png", "label_path": "labels/range_{}/{}.tif", "bands_path": "bands/range_{}/{}.tif"}
"""Path of a patch's files by column, of its range and id."""


def write(out: Path, release: Release, table: gpd.GeoDataFrame, given: PackageInput) -> Written:
    """Write the files of all patches; ValueError for several years, patches without a range, maps that do not cover a patch."""
    _check(release, table)
    columns = [name for name in PATHS if name != "bands_path" or given.with_bands]
    named = table.assign(
        **{
            column: [PATHS[column].format(*row) for row in zip(table["range"], table["patch_id"], strict=True)]
            for column in columns
        }
    )

    def write_patch(row: Any, image: NDArray[np.uint16], _label: NDArray[np.uint8]) -> None:
        write_picture(out / row.image_path, image, release.channels)
        if given.with_bands:
            target, place = out / row.bands_path, place_of(row)
            write_stack(target, image, release.channels, place, nodata=bands.S2_NODATA, simulated=bool(row.simulated))

    write_patches(named, given, release.channels, write_patch)
    for (region, year), rows in named.groupby(["region", "year"], sort=True):
        _write_clips(out, rows, _map_of(given, str(region), int(year)))
    write_csv(given.shortage, out / SHORTAGE_CSV)
    for name, rows in tables(named, {}).items():
        write_csv(rows, out / name)
    described = tuple(kind for kind in kinds(release.channels) if kind.column in columns)
    return Written(named, described, _tables())


def _check(release: Release, table: gpd.GeoDataFrame) -> None:
    if len(release.years) > 1:
        raise ValueError(f"The layout {release.layout} holds one year, asked for are {list(release.years)}; write one each.")
    if (without := ~table["range"].isin(RANGES)).any():
        named = table.loc[without, "patch_id"].tolist()[:5]
        raise ValueError(f"Patches {named} have no mining share; the layout smallmines holds patches without a land-cover map.")


def _map_of(given: PackageInput, region: str, year: int) -> Path:
    land_cover = given.land_cover(region, year)
    if land_cover is None:
        raise ValueError(f"Region {region} has no land-cover map to clip labels from; use the layout smallmines.")
    return land_cover


def tables(table: pd.DataFrame, _shares: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """Tables beside the manifest that follow from its rows, by path."""
    return {SPLITS_CSV: table[["patch_id", "window_id", "split"]]}


def kinds(channels: tuple[str, ...]) -> tuple[FileKind, ...]:
    """Kinds of files of patches with these bands, the optional one last; KeyError without red, green and blue among them."""
    rgb = tuple(bands.band_of_role(role, channels) for role in RGB_ROLES)
    return (
        FileKind(
            "image_path", "True-colour picture", "Red, green, blue; one stretch for all patches; black is no data",
            PNG, ("overview",), "images/*/*.png", rgb, "uint8", None, None,
        ),
        FileKind(
            "label_path", "Land cover", "Class codes on the map's own grid, all pixels that touch the patch",
            GEOTIFF, ("labels",), "labels/*/*.tif", (), "uint8", None, None, on_patch_grid=False,
        ),
        FileKind(
            "bands_path", "All bands", "Reflectance as digital numbers, on the patch's own pixels",
            GEOTIFF, ("data",), "bands/*/*.tif", channels, "uint16", float(bands.S2_NODATA), bands.S2_SCALE,
        ),
    )  # fmt: skip


def _tables() -> tuple[TableFile, ...]:
    return (
        TableFile(SHORTAGE_CSV, "Shortage", "Windows wanted, found and taken per range.", ("range", "negative")),
        TableFile(SPLITS_CSV, "Suggested split", "Side of each patch; whole blocks of ground go to one side.", ("patch_id",)),
    )


def _write_clips(out: Path, rows: pd.DataFrame, land_cover: Path) -> None:
    """Clip the map for each patch: all native pixels that touch it, with the map's codes, colours and nodata."""
    windows = rows["window_id"].tolist()
    with rasterio.open(land_cover, driver="GTiff") as raster:
        for window, label_path, simulated in zip(
            _native_windows(raster, windows), rows["label_path"], rows["simulated"], strict=True
        ):
            _clip(raster, window, out / label_path, simulated=bool(simulated))


def _native_windows(raster: DatasetReader, window_ids: Sequence[str]) -> Iterable[Window]:
    """Native pixels that touch each window; ValueError where the map does not reach its outline."""
    bounds = bounds_of(window_ids)
    to_map = {epsg: Transformer.from_crs(epsg, raster.crs, always_xy=True) for epsg in bounds["epsg"].unique().tolist()}
    for window_id, (_, place) in zip(window_ids, bounds.iterrows(), strict=True):
        box = shapely.box(place["minx"], place["miny"], place["maxx"], place["maxy"]).segmentize(100)
        x, y = np.asarray(box.exterior.coords).T
        columns, rows = ~raster.transform * np.asarray(to_map[int(place["epsg"])].transform(x, y))
        left, top = int(np.floor(columns.min())) - CLIP_MARGIN_PX, int(np.floor(rows.min())) - CLIP_MARGIN_PX
        right, bottom = int(np.ceil(columns.max())) + CLIP_MARGIN_PX, int(np.ceil(rows.max())) + CLIP_MARGIN_PX
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, raster.width), min(bottom, raster.height)
        if left >= right or top >= bottom:
            raise ValueError(f"{raster.name} does not reach window {window_id}; give the map that its shares were computed on.")
        yield Window(left, top, right - left, bottom - top)


def _clip(raster: DatasetReader, window: Window, path: Path, *, simulated: bool) -> None:
    profile = {"count": 1, "dtype": raster.dtypes[0], "crs": raster.crs, "nodata": raster.nodata}
    shape = {"width": window.width, "height": window.height, "transform": raster.window_transform(window)}
    with new_geotiff(path, **profile, **shape, compress="deflate") as clip:
        clip.write(raster.read(1, window=window), 1)
        if simulated:
            clip.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK} land cover or scenes")
        if rasterio.enums.ColorInterp.palette in raster.colorinterp[:1]:
            clip.write_colormap(1, raster.colormap(1))


def share_of(package: Path, row: Any, codes: frozenset[int]) -> float:
    """Exact mining share of a patch, computed again from its clip of the land-cover map alone; NaN without valid ground.

    `row` has window_id, valid_share and label_path; ValueError where the clip covers another part of the patch than the map
    did, and what rasterio raises for a file that is no raster.
    """
    place = bounds_of([row.window_id]).iloc[0]
    grid = WindowGrid(int(place["epsg"]), int(place["px"]), int(place["minx"]), int(place["maxy"]), 1, 1)
    found = window_shares(package / row.label_path, grid, codes).iloc[0]
    if abs(found["valid_share"] - row.valid_share) > VALID_SHARE_ERROR:
        raise ValueError(f"{found['valid_share']:.6f} of the patch have a class in it, the manifest says {row.valid_share:.6f}")
    return float(found["share"]) if found["valid_area_m2"] > 0 else float("nan")
