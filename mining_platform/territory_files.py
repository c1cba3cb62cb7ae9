"""Windows against territories: places of people's files that a dataset's windows have to lie in, or may not touch."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from mining_platform.regions import expand
from mining_platform.sources.protocol import SourceError
from mining_platform.store.digests import file_digest
from mining_platform.vector_files import read_features
from mining_platform.window_filters import WindowFilter


def territory_reasons(window_filter: WindowFilter, polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    """Why each window, a polygon in EPSG:4326, is refused for its place, first reason first; empty text where it is not.

    Inside means that no part of the window lies beyond; outside, that no part lies within. SourceError for a territory's
    file that is missing or holds no valid polygons.
    """
    reasons = np.full(len(polygons), "", dtype=object)
    for territory in reversed(window_filter.territories):
        shape = territory_shape(territory.href)
        shapely.prepare(shape)
        kept = shapely.covers(shape, polygons) if territory.side == "inside" else ~_share_ground(shape, polygons)
        reasons[~kept] = territory.reason
    return reasons


def _share_ground(shape: BaseGeometry, polygons: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.asarray(shapely.intersects(shape, polygons) & ~shapely.touches(shape, polygons), dtype=bool)


def territory_fingerprints(window_filter: WindowFilter) -> dict[str, str]:
    """blake3 of each territory's file by href, so that a changed file makes candidates stale; SourceError where it is missing."""
    return {each.href: file_digest(_existing(each.href)) for each in window_filter.territories}


def territory_shape(href: str) -> BaseGeometry:
    """All polygons of a GeoJSON file as one shape in EPSG:4326; SourceError names the file and what is wrong with it."""
    path = _existing(href)
    return _shape_of(path, file_digest(path))


@lru_cache(maxsize=16)
def _shape_of(path: Path, _digest: str) -> BaseGeometry:
    try:
        table = read_features(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise SourceError(f"The territory file {path} cannot be read ({error}). Name a GeoJSON file of polygons.") from None
    if not len(table) or table.crs is None:
        raise SourceError(f"The territory file {path} holds no polygons. Name a GeoJSON file of polygons.")
    shapes = table.geometry.to_crs(4326)
    wrong = shapes.isna() | shapes.is_empty | ~shapes.geom_type.isin(["Polygon", "MultiPolygon"]) | ~shapes.is_valid
    if wrong.any():
        numbers = ", ".join(map(str, np.flatnonzero(wrong)[:5].tolist()))
        raise SourceError(f"{path}: features number {numbers} (from 0) are no valid polygons. Mend or remove them.")
    return shapely.union_all(shapes.to_numpy())


def _existing(href: str) -> Path:
    path = Path(expand(href))
    if not path.is_file():
        raise SourceError(f"There is no territory file {path}. Put it there, or mend the dataset's row.")
    return path
