"""Simulated OpenStreetMap extracts: by region and year what had been mapped by then, and all that was there."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from mining_platform.simulation.landscape import MARGIN_DEG
from mining_platform.simulation.osm_features import Feature, features_in, mapped
from mining_platform.simulation.osm_files import write_osm
from mining_platform.simulation.places import Place

FOLDER = "osm"
DAY = "07-01"
"""Of each year, as of which an extract is."""


def write_context(out: Path, place: Place) -> Sequence[dict[str, Any]]:
    """Write `<region>-<year>.osm.pbf` and, with what nobody had mapped too, `<region>-<year>-complete.osm.pbf`.

    A row a year: region, year, path, and by kind of feature how many there are and how many of them are mapped.
    """
    (out / FOLDER).mkdir(exist_ok=True)
    west, south, east, north = place.region.geometry.bounds
    margin = 0.8 * MARGIN_DEG
    box_deg = (west - margin, south - margin, east + margin, north + margin)
    rows = []
    for year in place.years:
        every = features_in(place, year)
        known = mapped(every, place, year)
        for features, ending in ((known, ""), (every, "-complete")):
            path = out / FOLDER / f"{place.region.id}-{year}{ending}.osm.pbf"
            places = in_degrees(features, place.canvas)
            write_osm(path, features, places, box_deg=box_deg, time=f"{year}-{DAY}T00:00:00Z")
        there, done = (Counter(feature.kind for feature in features) for features in (every, known))
        counts = {kind: [done[kind], there[kind]] for kind in sorted(there)}
        rows.append({"region": place.region.id, "year": year, "mapped_of": counts})
    return rows


def in_degrees(features: Sequence[Feature], canvas: GeoBox) -> list[list[NDArray[np.float64]]]:
    """(n, 2) longitude and latitude of each ring of each feature, all projected at once."""
    rings = [ring for feature in features for ring in feature.rings]
    x, y = canvas.affine * tuple(np.concatenate(rings).T)
    to_degrees = Transformer.from_crs(str(canvas.crs), 4326, always_xy=True)
    places = np.split(np.column_stack(to_degrees.transform(x, y)), np.cumsum([len(ring) for ring in rings])[:-1])
    following = iter(places)
    return [[next(following) for _ in feature.rings] for feature in features]
