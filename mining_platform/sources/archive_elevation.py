"""Surface models on this disk: a GeoTIFF, or a folder of them, whatever its depth.

Heights are taken for metres only where something tells so: the unit of the band, a tag `unit`, the vertical axis of the CRS, or
the official name of a tile of the Copernicus DEM, whose product is in metres.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from mining_platform.raster_files import opened_raster_file
from mining_platform.regions import Region, expand, required_scenes
from mining_platform.sources.archive import ends_of_file
from mining_platform.sources.archives.folders import FolderError, files_within, is_half_made, outline_of, path_within, raster_box
from mining_platform.sources.archives.listing import remedy_of, root_of
from mining_platform.sources.protocol import Cost, SourceError
from mining_platform.sources.rasters import RasterError
from mining_platform.sources.stac_elevation import around_the_grid, none_found
from mining_platform.sources.stac_metadata.declared_source import refuse
from mining_platform.sources.stac_metadata.layers import declared_layer, layer_region
from mining_platform.sources.value_rasters import elevation_of
from mining_platform.terrain import ElevationFile, TerrainError, check_metres

LAYER = "elevation"
COPERNICUS = re.compile(r"Copernicus_DSM_(COG_)?\d{2}_[NS]\d{2}_00_[EW]\d{3}_00(_DEM)?\.tiff?")
"""Names of tiles, Copernicus DEM Product Handbook, version 4: 10 and 30 are seconds of arc, in tenths."""
_SUFFIXES = (".tif", ".tiff")


def list_elevation(region: Region, year: int) -> list[ElevationFile]:
    """See ElevationSource; SourceError naming a file in feet, of no told unit, or without a place on the ground."""
    asked = around_the_grid(layer_region(region, LAYER, year))
    root, places = _places(asked, year)
    found = []
    for place in places:
        try:
            footprint = outline_of(raster_box(root, place))
            if footprint.intersects(asked.geometry):
                _check(root, place)
                found.append(ElevationFile(place, place, footprint))
        except FolderError as error:
            raise _refused(asked, year, str(error)) from None
        except (TerrainError, RasterioError) as error:
            raise _refused(asked, year, f"{place} {str(error).rstrip('.')}") from None
    if not found:
        raise none_found(asked, year)
    return found


def fingerprint_elevation(region: Region, year: int) -> dict[str, Any]:
    """See ElevationSource: `blake3` is over places, sizes and ends of files; their times play no part."""
    root, _ = _places(layer_region(region, LAYER, year), year)
    found, hasher = list_elevation(region, year), blake3()
    for file in found:
        content = ends_of_file(root / file.place, stated=False)
        hasher.update(f"{file.place}\n{len(content)}\n".encode() + content)
    return {**declared_layer(region, LAYER, year).identity, "items": len(found), "blake3": hasher.hexdigest()}


def open_elevation(region: Region, year: int, files: Sequence[ElevationFile], geobox: GeoBox) -> NDArray[np.float32]:
    """See ElevationSource."""
    asked = layer_region(region, LAYER, year)
    root, _ = _places(asked, year)
    try:
        places = [str(path_within(root, file.place)) for file in files]
        metres = all(COPERNICUS.fullmatch(Path(place).name) for place in places)
        return elevation_of(places, geobox, in_metres=metres)
    except (RasterError, FolderError) as error:
        names = ", ".join(file.file_id for file in files)
        raise _refused(asked, year, f"one of the surface models {names} {str(error).rstrip('.')}") from None


def cost_elevation(region: Region, files: int, geobox: GeoBox) -> Cost:  # noqa: ARG001 - files at hand
    """Nothing."""
    return Cost()


def _places(asked: Region, year: int) -> tuple[Path, list[str]]:
    """The folder, resolved, and its GeoTIFFs relative to it; a file that is named itself is the only one."""
    named = Path(expand(required_scenes(asked).href))
    if named.is_file():
        return named.resolve().parent, [named.resolve().name]
    root = root_of(asked, year)
    try:
        within = files_within(root, root)
    except FolderError as error:
        raise _refused(asked, year, str(error)) from None
    return root, sorted(place for place in within if place.lower().endswith(_SUFFIXES) and not is_half_made(place))


def _check(root: Path, place: str) -> None:
    with opened_raster_file(root / place) as source:
        check_metres(source, known=bool(COPERNICUS.fullmatch(Path(place).name)))


def _refused(asked: Region, year: int, problem: str) -> SourceError:
    return refuse(asked, year, problem, remedy_of(asked))
