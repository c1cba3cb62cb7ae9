"""Small packages by hand, in each of the layouts, with real files whose pixels tell which patch they are of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from PIL import Image
from pyproj import Transformer

from mining_platform.labels.recipes import MINING, RECIPES
from mining_platform.manifests import PATCH_TABLE
from mining_platform.packages.contents import MANIFEST_CSV, MANIFEST_PARQUET, SHORTAGE_CSV, Contents, FileKind, Release, TableFile
from mining_platform.packages.credits import Credit
from mining_platform.ranges import RANGES

PX, EPSG, YEAR = 16, 32721, 2024
CHANNELS = ("B02", "B03", "B04", "B08")
GEOTIFF = "image/tiff; application=geotiff"
MAP_STEP_DEG = 0.00026949458523585647  # pixels of MapBiomas maps
LAYOUTS = ("proportion-ranges", "smallmines", "sites")

CREDITS = (
    Credit("Land cover", "Project MapBiomas, Collection 10, CC BY 4.0.", "CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/",
           "https://brasil.mapbiomas.org"),
    Credit("Scenes", "contains modified Copernicus Sentinel data, free and open access.", "", "https://sentinels.copernicus.eu/notice",
           "https://dataspace.copernicus.eu"),
)  # fmt: skip
RELEASE = Release(
    dataset="tiny_ranges",
    title="Patches of a test",
    years=(YEAR,),
    layout="proportion-ranges",
    channels=CHANNELS,
    px=PX,
    recipe=RECIPES[MINING],
    profile="s2-12",
    credits=CREDITS,
    inputs=(
        ("land_cover", "here|2024", "b" * 64),
        ("tiny_ranges/manifest", "2024", "1f3a90c2" * 8),
        ("tiny_ranges/patches", "here|2024", "c" * 64),
    ),
    code_version="0.1.0",
    authors=("Silva, Ana", "Instituto do Ouro"),
    date="2026-02-03",
    simulated=False,
)


def patch_rows(count: int) -> gpd.GeoDataFrame:
    """Rows of the patch table: patch `n` has the share of the n-th range's middle, and lies n patches to the east."""
    numbers = np.arange(count)
    minx = 500_000 + numbers * PX * 10
    maxy = np.full(count, 9_300_000)
    window = [f"{EPSG}_{x // 10}_{y // 10}_{PX}" for x, y in zip(minx, maxy, strict=True)]
    ranks = numbers % len(RANGES)
    values = {
        "patch_id": [f"{each}_{YEAR}" for each in window], "window_id": window, "region": "here", "country": "BR", "year": YEAR,
        "epsg": EPSG, "minx": minx, "miny": maxy - PX * 10, "maxx": minx + PX * 10, "maxy": maxy,
        "x0": minx.astype(float), "y0": maxy.astype(float), "pixel_m": 10, "acquired": "",
        "share": np.where(ranks == 0, 0.0, ranks / 10 - 0.05), "share_nn": np.where(ranks == 0, 0.0, ranks / 10 - 0.05),
        "range": [RANGES[rank] for rank in ranks], "is_mining": ranks > 0, "negative": np.where(ranks == 0, "random", ""),
        "point_id": "", "mining_distance_m": np.where(numbers % 2 == 0, 12.5, np.nan), "dominant_class": 3, "dominant_share": 0.5,
        "around_class": 3, "around_share": 0.25, "class_px": 10, "valid_px": PX * PX, "class_area_m2": 1000.0,
        "valid_area_m2": 25_600.0, "valid_share": 1.0, "label_collection": "10", "recipe": MINING, "profile": "s2-12",
        "split": [("train", "val", "test")[number % 3] for number in numbers], "masked_share": 0.0, "clear_min": 3.0,
        "clear_median": 5.0, "scene_count": 2, "scene_ids": "S2A_x S2B_y", "store_row": numbers, "dropped": False,
        "drop_reason": "", "simulated": False,
    }  # fmt: skip
    boxes = shapely.box(values["minx"], values["miny"], values["maxx"], values["maxy"])
    moved = Transformer.from_crs(EPSG, 4326, always_xy=True).transform(*shapely.get_coordinates(boxes).T)
    footprints = shapely.set_coordinates(boxes, np.column_stack(moved))
    bounds = shapely.bounds(footprints).T
    values |= dict(zip(("west", "south", "east", "north"), bounds, strict=True))
    values |= {"lon": (bounds[0] + bounds[2]) / 2, "lat": (bounds[1] + bounds[3]) / 2}
    reviewed = {name: "" for name in PATCH_TABLE.columns if name.startswith("review")}
    frame = pd.DataFrame({**values, **reviewed})[[name for name in PATCH_TABLE.columns if name != "geometry"]]
    return gpd.GeoDataFrame(frame, geometry=list(footprints), crs=4326)


def small_package(out: Path, layout: str, count: int = 10, **changes: object) -> Contents:
    """Write the data files and tables of a package, and return what it holds."""
    release = replace(RELEASE, layout=layout, **changes)  # type: ignore[arg-type]
    table = patch_rows(count).assign(simulated=release.simulated)
    named, kinds, tables = {"proportion-ranges": _ranges, "smallmines": _smallmines, "sites": _sites}[layout](out, table)
    for number, row in enumerate(named.itertuples()):
        for kind in kinds:
            _write_file(out / getattr(row, kind.column), kind, number, row)
    pd.DataFrame(named.drop(columns="geometry")).to_csv(out / MANIFEST_CSV, index=False, lineterminator="\n")
    named.to_parquet(out / MANIFEST_PARQUET)
    manifest = TableFile(MANIFEST_CSV, "Patches", "One row a patch.", ("patch_id",))
    return Contents(release, named, kinds, (manifest, *tables))


Parts = tuple[gpd.GeoDataFrame, tuple[FileKind, ...], tuple[TableFile, ...]]


def _ranges(out: Path, table: gpd.GeoDataFrame) -> Parts:
    places = [f"range_{row.range}/{row.patch_id}" for row in table.itertuples()]
    files = (("image_path", "images/{}.png"), ("label_path", "labels/{}.tif"), ("bands_path", "bands/{}.tif"))
    paths = {column: [pattern.format(place) for place in places] for column, pattern in files}
    kinds = (
        _kind("image_path", "image/png", "overview", "images/*/*.png", ("B04", "B03", "B02"), "uint8"),
        _kind("label_path", GEOTIFF, "labels", "labels/*/*.tif", (), "uint8", nodata=0.0, on_patch_grid=False),
        _kind("bands_path", GEOTIFF, "data", "bands/*/*.tif", CHANNELS, "uint16", nodata=0.0, scale=1e-4),
    )
    shortage = {"range": list(RANGES), "negative": ["random", *[""] * 10], "wanted": 2, "found": 1, "taken": 1, "short": 1}
    _csv(out / SHORTAGE_CSV, pd.DataFrame(shortage))
    _csv(out / "splits.csv", table[["patch_id", "window_id", "split"]])
    tables = (
        TableFile(SHORTAGE_CSV, "Shortage", "Windows wanted, found and taken.", ("range", "negative")),
        TableFile("splits.csv", "Splits", "Side of each patch.", ("patch_id",)),
    )
    return table.assign(**paths), kinds, tables


def _smallmines(out: Path, table: gpd.GeoDataFrame) -> Parts:
    tiles = [f"{number:04d}" for number in range(len(table))]
    named = table.assign(
        tile=tiles,
        image_path=[f"{YEAR}/IMAGE/IMG_BR_{tile}_{YEAR}.tif" for tile in tiles],
        label_path=[f"{YEAR}/MASK/MASK_BR_{tile}_{YEAR}.tif" for tile in tiles],
    )
    kinds = (
        _kind("image_path", GEOTIFF, "data", "*/IMAGE/*.tif", CHANNELS, "float32", nodata=-9999.0, scale=1e-4),
        _kind("label_path", GEOTIFF, "labels", "*/MASK/*.tif", (), "uint8", nodata=255.0),
    )
    names = [Path(path).stem for path in named["image_path"]]
    splits = {"patch_name": names, "class_percentage": 100 * table["share_nn"], "bin": table["range"], "split": table["split"]}
    _csv(out / f"splits_{YEAR}.csv", pd.DataFrame(splits))
    return named, kinds, (TableFile(f"splits_{YEAR}.csv", "Splits", "Split of the year.", ("patch_name",)),)


def _sites(out: Path, table: gpd.GeoDataFrame) -> Parts:
    named = table.assign(site="here-1")
    named["index"] = named.groupby("split").cumcount()
    places = list(zip(named["split"], named["site"], named["index"], strict=True))
    for column, folder, suffix in (("image_path", "images", "tif"), ("label_path", "labels", "png"), ("rgb_path", "rgb", "png")):
        named[column] = [f"{split}/{folder}/{site}/{index:05d}.{suffix}" for split, site, index in places]
    kinds = (
        _kind("image_path", GEOTIFF, "data", "*/images/*/*.tif", CHANNELS, "uint16", nodata=0.0, scale=1e-4),
        _kind("label_path", "image/png", "labels", "*/labels/*/*.png", (), "uint8", nodata=255.0),
        _kind("rgb_path", "image/png", "overview", "*/rgb/*/*.png", ("B04", "B03", "B02"), "uint8"),
    )
    mapping = named[["split", "site"]].assign(original=named["patch_id"] + ".tif", new=[f"{n:05d}.tif" for n in named["index"]])
    _csv(out / "filename_mapping.csv", mapping.assign(index=named["index"]))
    return named, kinds, (TableFile("filename_mapping.csv", "File names", "First names.", ("split", "site", "index")),)


def _kind(  # noqa: PLR0913 - what a kind is made of
    column: str, media_type: str, role: str, pattern: str, channels: Sequence[str], dtype: str, *,
    nodata: float | None = None, scale: float | None = None, on_patch_grid: bool = True,
) -> FileKind:  # fmt: skip
    title = column.removesuffix("_path").capitalize()
    described = f"{title} files of a test"
    return FileKind(column, title, described, media_type, (role,), pattern, tuple(channels), dtype, nodata, scale, on_patch_grid)


def _csv(path: Path, table: pd.DataFrame) -> None:
    pd.DataFrame(table).to_csv(path, index=False, lineterminator="\n")


def _write_file(path: Path, kind: FileKind, number: int, row: object) -> None:
    """A file whose first pixel is the patch's number plus one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = max(len(kind.channels), 1)
    pixels = (np.arange(count * PX * PX).reshape(count, PX, PX) % 7 + number + 1).astype(kind.dtype)
    if kind.media_type == "image/png":
        picture = Image.fromarray(pixels.transpose(1, 2, 0) if count > 1 else pixels[0])
        if count == 1:
            picture.putpalette([value for value in range(256) for _ in range(3)])
        picture.save(path)
        return
    place = {"crs": f"EPSG:{EPSG}", "transform": Affine(10, 0, row.minx, 0, -10, row.maxy)}  # type: ignore[attr-defined]
    if not kind.on_patch_grid:
        pixels = pixels[:, :7, :9]
        corner = (row.west, row.north)  # type: ignore[attr-defined]
        place = {"crs": "EPSG:4326", "transform": Affine(MAP_STEP_DEG, 0, corner[0], 0, -MAP_STEP_DEG, corner[1])}
    shape = {"count": count, "height": pixels.shape[1], "width": pixels.shape[2], "dtype": kind.dtype, "nodata": kind.nodata}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as raster:
        raster.write(pixels)
