"""The command `context`: OpenStreetMap as channels on anyone's grid, without an installation."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import rasterio
import typer
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from rich.markup import escape
from shapely.geometry import box

from mining_platform.chunks import CHUNK_PX, all_blocks, block_slices
from mining_platform.consoles import CommandError, console, print_rows, progress_bar
from mining_platform.options import words
from mining_platform.osm_keys import OSM_KEYS

if TYPE_CHECKING:
    from mining_platform.context import Bounds
    from mining_platform.sources.openstreetmap import Extract

TIFF_SUFFIXES = (".tif", ".tiff")
NOT_KNOWN = 255
"""Nodata of a raster without distances."""
ATTRIBUTION = "© OpenStreetMap contributors, Open Database License, https://www.openstreetmap.org/copyright"
_BOUNDS_HINT = "Write west,south,east,north in degrees, such as -55.2,-6.4,-55.1,-6.3."
_SIDES = 4
MAX_GRID_PX = 2**32
"""Most pixels of a grid: 650 km a side at 10 m, more than any UTM zone is wide."""


def context(  # noqa: PLR0913 - the options of a command
    extract: Annotated[Path, typer.Argument(help=".osm.pbf, GeoJSON, GeoParquet, or an Overpass API's JSON (`out geom;`).")],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: 1 a feature, 0 none, 255 not known.")],
    bounds: Annotated[str, typer.Option(help="Grid of 10 m over west,south,east,north in degrees.")] = "",
    like: Annotated[Path | None, typer.Option(help="Instead: the grid of this GeoTIFF.")] = None,
    epsg: Annotated[int | None, typer.Option(help="CRS for --bounds, in metres; default the UTM zone.")] = None,
    keys: Annotated[str, typer.Option(help=f"Of {', '.join(OSM_KEYS)}; default all.")] = "",
    distance: Annotated[bool, typer.Option("--distance", help="Also metres to the nearest feature of each key.")] = False,
    extent: Annotated[str, typer.Option(help="What the extract covers, as --bounds; default as the file says.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Write where OpenStreetMap has roads, waterways, buildings, land use and airstrips, a band a key.

    Outside what the extract covers nothing is known. With --distance the numbers are float32, and not known is NaN.
    """
    from mining_platform.context import MAX_DISTANCE_M, bounds_touch, degrees_around
    from mining_platform.sources.openstreetmap import read_extract

    chosen = words(keys) or tuple(OSM_KEYS)
    _check(out, chosen)
    grid = _grid(bounds, like, epsg)
    covered = _bounds(extent) if extent else None
    found = read_extract(extract, [degrees_around(grid, MAX_DISTANCE_M)], extent=covered)
    if not bounds_touch(found.extent, degrees_around(grid)):
        told = ", ".join(f"{each:.4f}" for each in found.extent)
        raise CommandError(f"{extract} covers {told} (west, south, east, north), and the grid lies outside. Name another.")
    channels = [f"OSM-{key}" for key in chosen] + [f"OSM-{key}-distance" for key in chosen if distance]
    counts = _write(out, grid, found, channels, as_json=as_json)
    _print(out, grid, found, counts, as_json=as_json)


def _check(out: Path, keys: tuple[str, ...]) -> None:
    unknown = [key for key in keys if key not in OSM_KEYS]
    if unknown:
        raise CommandError(f"There is no key {', '.join(unknown)}. Choose of {', '.join(OSM_KEYS)}.")
    if len(set(keys)) < len(keys):
        raise CommandError("A key is named twice. Name each once.")
    if out.suffix.lower() not in TIFF_SUFFIXES:
        raise CommandError(f"{out} is no {' or '.join(TIFF_SUFFIXES)} file. Name the raster so.")
    if not out.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {out.parent} to write {out.name} in.")


def _grid(bounds: str, like: Path | None, epsg: int | None) -> GeoBox:
    from pyproj.exceptions import CRSError

    from mining_platform import grids
    from mining_platform.context import check_grid

    if bool(bounds) == (like is not None):
        raise CommandError("Name either --bounds or --like.")
    try:
        if like is not None:
            grid = _grid_of(like)
        else:
            west, south, east, north = _bounds(bounds)
            zone = epsg or grids.utm_epsg((west + east) / 2, (south + north) / 2)
            grid = grids.region_geobox(box(west, south, east, north), zone)
        check_grid(grid)
        if grid.shape[0] * grid.shape[1] > MAX_GRID_PX:
            raise CommandError(f"The grid has {grid.shape[1]} x {grid.shape[0]} pixels, more than {MAX_GRID_PX}. Cut it.")
    except CRSError:
        raise CommandError(f"There is no CRS EPSG:{epsg}. Name a UTM zone such as 32722.") from None
    except CommandError:
        raise
    except (ValueError, OverflowError) as error:
        raise CommandError(str(error)) from None
    return grid


def _grid_of(like: Path) -> GeoBox:
    from rasterio.errors import RasterioError

    from mining_platform.raster_files import opened_raster_file

    try:
        with opened_raster_file(like) as raster:
            if raster.crs is None:
                raise CommandError(f"{like} has no CRS. Write one with gdal_edit.py -a_srs.")
            return GeoBox(raster.shape, raster.transform, raster.crs.to_wkt())
    except RasterioError as error:
        raise CommandError(f"{like} gives no grid: {error}.") from None


def _bounds(text: str) -> "Bounds":
    try:
        sides = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CommandError(f"{text!r} are no bounds. {_BOUNDS_HINT}") from None
    ordered = len(sides) == _SIDES and -180 <= sides[0] < sides[2] <= 180 and -90 <= sides[1] < sides[3] <= 90  # noqa: PLR2004
    if not ordered:
        raise CommandError(f"{text!r} are no bounds of ground. {_BOUNDS_HINT}")
    return sides[0], sides[1], sides[2], sides[3]


def _write(out: Path, grid: GeoBox, found: "Extract", channels: list[str], *, as_json: bool) -> list[dict[str, Any]]:
    """The raster chunk by chunk, whole or not at all; pixels with a feature, without and not known of each key."""
    from mining_platform.context import context_channels

    beside = out.absolute().with_name(f".{out.name}.{secrets.token_hex(4)}.tif")
    flags = [channel for channel in channels if not channel.endswith("-distance")]
    counts = np.zeros((len(flags), 3), np.int64)
    blocks = all_blocks(grid)
    try:
        with rasterio.open(beside, "w", **_profile(grid, channels, is_float=len(flags) < len(channels))) as raster:
            raster.descriptions = channels
            raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=ATTRIBUTION, osm_date=found.date or "not known")
            with progress_bar(disable=as_json) as bar:
                for block in bar.track(blocks, description="context"):
                    rows, columns = block_slices(grid, block)
                    values = context_channels(found.features, grid[rows, columns], channels, extent=found.extent)
                    part = values[: len(flags)]
                    counts += np.stack([(part == 1).sum((1, 2)), (part == 0).sum((1, 2)), np.isnan(part).sum((1, 2))], axis=1)
                    raster.write(_numbers(values, raster.dtypes[0]), window=Window.from_slices(rows, columns))
        beside.replace(out)
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from None
    finally:
        beside.unlink(missing_ok=True)
    names = ("present_px", "absent_px", "not_known_px")
    return [{"band": flag, **dict(zip(names, row, strict=True))} for flag, row in zip(flags, counts.tolist(), strict=True)]


def _profile(grid: GeoBox, channels: list[str], *, is_float: bool) -> dict[str, Any]:
    height, width = grid.shape
    kind = {"dtype": "float32", "nodata": float("nan")} if is_float else {"dtype": "uint8", "nodata": NOT_KNOWN}
    tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
    place = {"crs": str(grid.crs), "transform": grid.affine, "height": height, "width": width, "count": len(channels)}
    return {"driver": "GTiff", **kind, **tiles, **place}


def _numbers(values: np.ndarray, dtype: str) -> np.ndarray:
    return values if dtype == "float32" else np.where(np.isnan(values), NOT_KNOWN, values).astype(np.uint8)


def _print(out: Path, grid: GeoBox, found: "Extract", counts: list[dict[str, Any]], *, as_json: bool) -> None:
    height, width = grid.shape
    if as_json:
        facts = {"width": width, "height": height, "crs": str(grid.crs), "pixels": counts}
        console.print_json(data={**facts, "extract": found.facts, "out": str(out)})
        return
    print_rows(counts, as_json=False)
    skipped = ", ".join(f"{number} {what}" for what, number in found.facts["skipped"].items() if number)
    if skipped:
        console.print(f"[yellow]note[/yellow] Features left out: {skipped}.")
    if found.facts["extent_from"] == "features":
        console.print(
            "[yellow]note[/yellow] The extract does not say what it covers: the box around its features counts. Use --extent."
        )
    console.print(f"{width} x {height} pixels, data of {found.date or 'a day that nobody says'}. Written to {escape(str(out))}.")
    console.print(ATTRIBUTION)
