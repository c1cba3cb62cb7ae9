"""Folders of scenes on disk: what is looked at, what is passed over, and what a reader of one kind of folder hands back.

Folders are read with one look each, and nothing outside the archive is: a link that leads out is refused, since it
would let an archive of others name any file of this machine.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from mining_platform import grids
from mining_platform.raster_files import opened_raster_file
from mining_platform.scenes import Scene
from mining_platform.sources.rasters import DRIVERS

HALF_MADE_STARTS = (".", "tmp-", "unfinished-")
HALF_MADE_ENDS = (".part", ".partial", ".crdownload", ".download", ".incomplete", ".tmp")
MAX_METADATA_BYTES = 2**24
"""Longest metadata file that is read: the longest of Sentinel-2, MTD_TL.xml, has about 0.7 MB."""
_EDGE_PARTS = 16  # edges that curve in degrees are cut so finely

Files = Mapping[str, int]
"""Place of a file relative to the archive, `/` between parts -> its bytes."""


class FolderError(ValueError):
    """A folder does not hold what its name promises; the message names the file and says how to mend it."""


@dataclass(frozen=True)
class Found:
    """A scene of an archive that touches the outline asked for."""

    scene: Scene
    footprint: BaseGeometry
    """EPSG:4326."""
    place: str
    """Its folder, relative to the archive."""
    metadata: tuple[str, ...]
    """Places of the files that were read to list it."""
    acquisition: tuple[str, ...]
    """What all processings of one acquisition share."""
    version: tuple[float | str, ...]
    """Of these, the greatest is kept."""
    clouds_known: bool = True
    """Whether the metadata state the cloud share; else `scene.cloud_pct` is 0."""


Touches = Callable[[BaseGeometry], bool]
"""Whether a footprint (EPSG:4326) is of use: scenes elsewhere are not read further."""


@dataclass(frozen=True)
class Candidate:
    """A scene as its name, or its item, tells."""

    collections: frozenset[str]
    """Ids of scene_collections.COLLECTIONS that it can be asked for as."""
    year: int | None
    """Calendar year (UTC); None where it is not known, of an item of a collection that is not asked for."""
    read: Callable[[Touches], Found | None]
    """The whole of it, None where it does not touch; FolderError names the file that is wrong."""
    level: str = ""
    """Processing level by its name, where products of its kind have several: see scene_collections.LACKED_BANDS."""


@dataclass(frozen=True)
class SceneFolder:
    """A folder that may hold a scene."""

    path: Path
    item: bool
    """Whether it holds a STAC item of its own name; else its name is that of an official product."""


def scene_folders(root: Path, is_product: Callable[[str], bool]) -> Iterator[SceneFolder]:
    """Folders of products and of STAC items below a resolved folder, in no order; FolderError for a link that leads out.

    A product's folder is not looked into. Hidden and half-made folders are passed over, as are links within the archive,
    whose targets are found where they lie.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        for entry in entries(root, folder):
            if entry.is_dir(follow_symlinks=False):
                path = Path(entry.path)
                if is_product(entry.name):
                    yield SceneFolder(path, item=False)
                else:
                    waiting.append(path)
            elif entry.name == f"{folder.name}.json":
                yield SceneFolder(folder, item=True)


def unread(root: Path, kinds: Sequence[tuple[re.Pattern[str], str]]) -> list[str]:
    """The kinds (pattern of a whole name, what it is) that any file or folder below has the name of, each with a name."""
    found: dict[str, str] = {}
    waiting = [root]
    while waiting:
        for entry in entries(root, waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            for pattern, kind in kinds:
                if kind not in found and pattern.fullmatch(entry.name):
                    found[kind] = entry.name
    return [f"{kind} (such as {found[kind]})" for kind in sorted(found)]


def files_within(root: Path, folder: Path) -> dict[str, int]:
    """All files of a folder and the folders in it, with their bytes; FolderError for a link that leads out."""
    found: dict[str, int] = {}
    waiting = [folder]
    while waiting:
        for entry in entries(root, waiting.pop()):
            if entry.is_dir():
                waiting.append(Path(entry.path))
            else:
                found[_place(root, Path(entry.path))] = entry.stat().st_size
    return found


def entries(root: Path, folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds besides the hidden and the half-made, by name; FolderError for a link that leads out."""
    with os.scandir(folder) as listed:
        found = sorted((entry for entry in listed if not is_half_made(entry.name)), key=lambda entry: entry.name)
    for entry in found:
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
            where = _place(root, Path(entry.path))
            raise FolderError(f"{where} is a link that leads out of the archive. Put what it names into the archive itself.")
    return [entry for entry in found if not (entry.is_symlink() and entry.is_dir())]


def is_half_made(name: str) -> bool:
    """Whether a file or folder is hidden, or still being written, by its name."""
    return name.startswith(HALF_MADE_STARTS) or name.endswith(HALF_MADE_ENDS) or ".tmp-" in name


def path_within(root: Path, place: str) -> Path:
    """The file of a place; FolderError where it is outside the archive."""
    path = (root / place).resolve()
    if not place or "://" in place or PurePosixPath(place).is_absolute() or not path.is_relative_to(root):
        raise FolderError(f"{place!r} lies outside the archive. Use places relative to the archive's folder.")
    return path


def metadata_bytes(root: Path, place: str) -> bytes:
    """Content of a metadata file; FolderError where it is absent or too long."""
    path = path_within(root, place)
    try:
        if path.stat().st_size > MAX_METADATA_BYTES:
            raise FolderError(f"{place} has more than {MAX_METADATA_BYTES} bytes, too many for metadata. Fetch it anew.")
        return path.read_bytes()
    except OSError as error:
        raise FolderError(f"{place} cannot be read ({error.strerror}). Fetch the scene anew.") from None


def raster_box(root: Path, place: str) -> GeoBox:
    """The grid of a raster, by its header; FolderError where it has none, or a CRS without EPSG code."""
    path = path_within(root, place)
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise FolderError(f"{place} is no {' or '.join(sorted(DRIVERS))} file. Convert it with gdal_translate.")
    try:
        with opened_raster_file(path, driver) as raster:
            epsg, shape, affine = (raster.crs.to_epsg() if raster.crs else None), raster.shape, raster.transform
    except RasterioError as error:
        raise FolderError(f"{place} cannot be read ({error}). Fetch it anew.") from None
    if epsg is None:
        raise FolderError(f"{place} has no CRS with an EPSG code. Write one with gdal_edit.py -a_srs.")
    return GeoBox(shape, affine, f"EPSG:{epsg}")


def epsg_of(grid: GeoBox) -> int:
    """EPSG code of a raster's grid."""
    if grid.crs is None or grid.crs.epsg is None:
        raise FolderError("A grid has no CRS with an EPSG code. Read it with raster_box.")
    return int(grid.crs.epsg)


def outline_of(grid: GeoBox) -> BaseGeometry:
    """Outline of a raster's grid, EPSG:4326."""
    bounds = grid.boundingbox
    outline = box(bounds.left, bounds.bottom, bounds.right, bounds.top)
    return grids.project(outline.segmentize(outline.length / 4 / _EDGE_PARTS), epsg_of(grid), 4326)


def _place(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
