"""Which ways of OpenStreetMap are areas: a closed way may be a lawn or a roundabout, and only its tags tell.

The rules are those of GDAL's reader (https://gdal.org/en/stable/drivers/vector/osm.html, `closed_ways_are_polygons` in its
osmconf.ini), so that counts are those of other tools: a closed way is a line where it says `area=no`, an area where it says
`area=yes` or has a tag that only areas have, and else a line. So a closed runway is an area, a closed road a line unless it
says otherwise. A relation of the type multipolygon or boundary is an area.
"""

from typing import Protocol

AREA_KEYS = (
    *("building", "landuse", "aeroway", "amenity", "boundary", "craft", "geological", "historic", "leisure", "military"),
    *("natural", "office", "place", "shop", "sport", "tourism"),
)
"""Tags that only areas have, the frequent ones first."""
AREA_TAGS = (("highway", "platform"), ("public_transport", "platform"))
AREA_RELATIONS = ("multipolygon", "boundary")
INNER_ROLE = "inner"
MIN_RING_NODES = 4  # the last is the first


class Tags(Protocol):
    """Tags of a way, a mapping or libosmium's list."""

    def get(self, key: str, default: str, /) -> str:
        """Value of a key."""
        ...

    def __contains__(self, key: str, /) -> bool: ...


def is_area(tags: Tags) -> bool:
    """Whether a closed way with these tags is an area."""
    told = tags.get("area", "")
    if told in ("yes", "no"):
        return told == "yes"
    return any(key in tags for key in AREA_KEYS) or any(tags.get(key, "") == value for key, value in AREA_TAGS)
