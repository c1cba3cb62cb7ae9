"""Layers beside the scenes as every kind of source holds them: the same rasters of known values."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import box, mapping
from shapely.geometry.base import BaseGeometry

from mining_platform.grids import project
from mining_platform.regions import Beside, Region
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from tests.earth_engine.archive import FakeArchive
from tests.stac_api import stac_api
from tests.synthetic import EPSG, region, write_json
from tests.twin_scenes import running

KINDS = ("catalogue", "api", "archive", "earth_engine")
SIDE_PX = 60
"""Side of the region's grid."""


@dataclass(frozen=True)
class LayerPixels:
    """A layer's pixels, and what writes them for each kind of source."""

    layer: str
    """One of regions.LAYERS_BESIDE."""
    collection: str
    earth_engine_collection: str
    write_catalogue: Callable[[Path], Path]
    write_folder: Callable[[Path], Path]
    archive: Callable[[], FakeArchive]

    def region(self, source: str, href: str, collection: str = "", **named: Any) -> Region:
        """A region whose layer comes from a source."""
        beside = Beside(source, collection or self.collection, href, False, **named)
        return replace(region(SIDE_PX, SIDE_PX), beside={self.layer: beside})


@dataclass(frozen=True)
class Held:
    """A layer at one kind of source."""

    region: Region
    asked: Callable[[], int]
    """How often a service was asked for pixels so far."""


def hold(pixels: LayerPixels, kind: str, root: Path, stack: ExitStack, patch: pytest.MonkeyPatch) -> Held:
    """The layer at one of KINDS until the stack ends."""
    if kind == "earth_engine":
        server = stack.enter_context(running(pixels.archive(), patch))
        return Held(pixels.region(kind, "", pixels.earth_engine_collection), lambda: len(server.of("computePixels")))
    if kind == "archive":
        return Held(pixels.region(kind, str(pixels.write_folder(root))), lambda: 0)
    catalogue = pixels.write_catalogue(root)
    if kind == "catalogue":
        return Held(pixels.region("stac", str(catalogue)), lambda: 0)
    api = stack.enter_context(stac_api(catalogue))
    patch.setenv(HOSTS_VARIABLE, api.host)
    return Held(pixels.region("stac", api.url), lambda: len(api.files_asked()))


def write_raster(
    path: Path,
    values: NDArray[Any],
    affine: Affine,
    *,
    crs: str | None = f"EPSG:{EPSG}",
    nodata: float | None = None,
    band_unit: str | None = None,
    names: Sequence[str] = (),
    **tags: str,
) -> Path:
    """GeoTIFF of values (y, x) or (band, y, x)."""
    stack = values[None] if values.ndim == 2 else values
    count, height, width = stack.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"count": count, "height": height, "width": width, "dtype": stack.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=affine, nodata=nodata, **shape) as out:
        out.write(stack)
        out.update_tags(**tags)
        if band_unit:
            out.units = [band_unit] * count
        for number, name in enumerate(names, start=1):
            out.set_band_description(number, name)
    return path


def outline_of(affine: Affine, shape: tuple[int, int], epsg: int = EPSG) -> BaseGeometry:
    """Outline of a raster's pixels, EPSG:4326."""
    right, bottom = affine * (shape[1], shape[0])
    return project(box(affine.c, bottom, right, affine.f), epsg, 4326)


def write_layer_catalogue(root: Path, collection: str, items: Sequence[Mapping[str, Any]]) -> Path:
    """`catalog.json` of items: id, outline, properties, and assets (name -> file beside the item)."""
    for item in items:
        document = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": item["id"],
            "collection": collection,
            "geometry": mapping(item["outline"]),
            "bbox": list(item["outline"].bounds),
            "properties": item["properties"],
            "assets": {name: {"href": f"./{file}"} for name, file in item["assets"].items()},
            "links": [],
        }
        write_json(root / collection / item["id"] / f"{item['id']}.json", document)
    links = [{"rel": "item", "href": f"./{item['id']}/{item['id']}.json"} for item in items]
    collected = {"type": "Collection", "id": collection, "stac_version": "1.0.0", "links": links}
    write_json(root / collection / "collection.json", collected)
    child = {"rel": "child", "href": f"./{collection}/collection.json"}
    return write_json(
        root / "catalog.json", {"type": "Catalog", "id": "layers", "stac_version": "1.0.0", "description": "x", "links": [child]}
    )


def linear_ramp(shape: tuple[int, int], down: float, right: float, start: float = 0.0) -> NDArray[np.float32]:
    """Values that rise by so much a row and a column."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    return (start + down * rows + right * columns).astype(np.float32)
