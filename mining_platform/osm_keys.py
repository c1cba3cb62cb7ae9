"""Keys of OpenStreetMap that become channels, and how each is drawn on a grid.

The five keys and their order are those of Dissing and Kalo, Artisanal and Small-scale Gold Mining Detection in the Amazon
Forest Using Contextual Data; what the keys mean is told at https://wiki.openstreetmap.org/wiki/Map_features. A key is a row;
its value does not matter, save `no`, which says that the thing is not there.
"""

from dataclasses import dataclass

ABSENT_VALUE = "no"
LINES, POLYGONS = "lines", "polygons"


@dataclass(frozen=True)
class OsmKey:
    """One key, and how its features are drawn."""

    id: str
    kinds: tuple[str, ...]
    """Geometries that count, of LINES and POLYGONS; points never do."""
    line_width_m: float
    """A pixel has a line where its centre lies within half of this, or of its own side if that is larger; 0: no lines."""
    all_touched: bool
    """Whether a pixel has a polygon as soon as it touches it; else where its centre lies in it."""
    description: str


OSM_KEYS: dict[str, OsmKey] = {
    row.id: row
    for row in (
        OsmKey(
            "highway",
            (LINES, POLYGONS),
            10.0,  # two lanes with their verges; a track is narrower, and would have gaps in pixels of 10 m
            True,
            "Roads, tracks and footpaths; squares drawn as areas",
        ),
        OsmKey(
            "waterway",
            (LINES, POLYGONS),
            10.0,  # of streams; the surface of a wide river has other keys, natural=water, and is no feature of this one
            True,
            "Rivers, streams and canals by their middle lines; docks and banks drawn as areas",
        ),
        OsmKey(
            "building",
            (POLYGONS,),
            0.0,
            True,  # a hut of 4 m has no pixel's centre in it
            "Outlines of buildings",
        ),
        OsmKey(
            "landuse",
            (POLYGONS,),
            0.0,
            False,  # parcels are larger than pixels and side by side: touching would widen each at the cost of its neighbour
            "Areas by use, such as forest, farmland, quarry",
        ),
        OsmKey(
            "aeroway",
            (LINES, POLYGONS),
            20.0,  # an airstrip: runways of code number 1 are 18 m wide, ICAO Annex 14, volume I, 3.1.10
            True,
            "Runways and taxiways by their middle lines or as areas, aprons, hangars",
        ),
    )
}


def osm_key(key_id: str) -> OsmKey:
    """The row of a key; KeyError with the known ids and the remedy otherwise."""
    try:
        return OSM_KEYS[key_id]
    except KeyError:
        remedy = "Add a row in mining_platform/osm_keys.py."
        raise KeyError(f"Unknown key {key_id!r}; known: {', '.join(OSM_KEYS)}. {remedy}") from None
