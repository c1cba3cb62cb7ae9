"""Small files of polygons and images with known pixels, for labels."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import Polygon, box
from shapely.geometry import mapping
from shapely.ops import transform

EPSG = 32722
LEFT_M, TOP_M, PIXEL_M = 600_000, 9_200_000, 30
NORTH_UP = Affine(PIXEL_M, 0, LEFT_M, 0, -PIXEL_M, TOP_M)
TURNED = Affine.translation(LEFT_M, TOP_M) @ Affine.rotation(-30) @ Affine.scale(PIXEL_M, -PIXEL_M)
SOUTH_UP = Affine(PIXEL_M, 0, LEFT_M, 0, PIXEL_M, TOP_M - 20 * PIXEL_M)


def grid(affine: Affine = NORTH_UP, shape: tuple[int, int] = (20, 20), epsg: int = EPSG) -> GeoBox:
    return GeoBox(shape, affine, f"EPSG:{epsg}")


def pixels(rows: slice, columns: slice, affine: Affine = NORTH_UP, *, hole: tuple[slice, slice] | None = None) -> Polygon:
    """The outline of a block of whole pixels of a grid, in EPSG:4326, perhaps with a block left out."""
    holes = [box(hole[1].start, hole[0].start, hole[1].stop, hole[0].stop).exterior.coords] if hole else []
    block = Polygon(box(columns.start, rows.start, columns.stop, rows.stop).exterior.coords, holes)
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
    return transform(to_degrees, transform(lambda x, y: _placed(affine, x, y), block))


def _placed(affine: Affine, x: Any, y: Any) -> tuple[Any, Any]:
    x, y = np.asarray(x), np.asarray(y)
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


def write_geojson(path: Path, rows: Sequence[tuple[Mapping[str, Any], Any]]) -> Path:
    features = [{"type": "Feature", "properties": dict(told), "geometry": mapping(shape)} for told, shape in rows]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def kml(marks: Sequence[str]) -> str:
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>Sites</name>{"".join(marks)}</Document></kml>'


def placemark(name: str, *shapes: Polygon, time: str = "", points: int = 0) -> str:
    """A placemark of one polygon, or of several and points as MultiGeometry."""
    parts = [_polygon(shape) for shape in shapes] + ["<Point><coordinates>-51,-7</coordinates></Point>"] * points
    whole = parts[0] if len(parts) == 1 else f"<MultiGeometry>{''.join(parts)}</MultiGeometry>"
    return f"<Placemark><name>{name}</name>{time}{whole}</Placemark>"


def _polygon(shape: Polygon) -> str:
    outer = f"<outerBoundaryIs>{_ring(shape.exterior.coords)}</outerBoundaryIs>"
    inner = "".join(f"<innerBoundaryIs>{_ring(ring.coords)}</innerBoundaryIs>" for ring in shape.interiors)
    return f"<Polygon>{outer}{inner}</Polygon>"


def _ring(coordinates: Any) -> str:
    text = " ".join(f"{lon:.9f},{lat:.9f},12" for lon, lat, *_ in coordinates)
    return f"<LinearRing><coordinates>{text}</coordinates></LinearRing>"


def write_kmz(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/north.png", b"no picture")
        archive.writestr("doc.kml", text)
    return path


def write_image(
    path: Path, values: NDArray[Any], affine: Affine = NORTH_UP, *, epsg: int | None = EPSG, nodata: float | None = None
) -> Path:
    """GeoTIFF of (band, y, x)."""
    count, height, width = values.shape
    frame = {"transform": affine, "crs": f"EPSG:{epsg}" if epsg else None, "nodata": nodata, "dtype": values.dtype}
    with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, **frame) as out:
        out.write(values)
    return path


def landsat_stack(shape: tuple[int, int] = (20, 20), cloud: NDArray[Any] | None = None) -> NDArray[np.uint16]:
    """Eight bands: bare ground with NDVI 1/3 everywhere but on the right half, which is forest with 0.8; band 8 is cloud."""
    stack = np.full((8, *shape), 1_000, np.uint16)
    stack[3] = 2_000
    stack[3, :, shape[1] // 2 :] = 9_000
    stack[7] = 0 if cloud is None else cloud
    return stack
