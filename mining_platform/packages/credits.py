"""Who made what a package rests on, under which terms, and how they are to be named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mining_platform import scene_collections
from mining_platform.regions import Region


@dataclass(frozen=True, order=True)
class Credit:
    """One source of data."""

    kind: str
    """`Land cover`, `Labels`, `Points` or `Scenes`."""
    text: str
    """Attribution as the source asks for it."""
    licence: str
    """SPDX identifier; empty where the terms are not known by one."""
    licence_url: str
    url: str
    """Home of the data."""
    author: str = ""
    """Who made it, as a citation names them."""

    @property
    def line(self) -> str:
        """`Scenes: contains modified …`."""
        return f"{self.kind}: {self.text}"


_CC_BY = ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/")
_CC0 = ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/")
_SOFTWARE = "SIMULATED by this software, {}."
_MAPBIOMAS = Credit(
    "Land cover", "Project MapBiomas, Collection {}, CC BY 4.0.", *_CC_BY, "https://brasil.mapbiomas.org", "Project MapBiomas"
)

LAND_COVER_CREDITS: dict[str, Credit] = {
    "simulated": Credit("Land cover", _SOFTWARE.format("no real place is shown"), *_CC0, "", "mining-platform"),
    "mapbiomas": _MAPBIOMAS,
    "earth_engine": _MAPBIOMAS,
    "polygons": Credit("Labels", "polygons of {}, under the terms of their authors.", "", "", "", "{}"),
}
"""Credit of a region's labels by source; `{}` stands for the collection."""

SCENE_CREDITS: dict[str, Credit] = {
    "simulated": Credit("Scenes", _SOFTWARE.format("no satellite image is shown"), *_CC0, "", "mining-platform"),
    "sentinel-2": Credit(
        "Scenes",
        "contains modified Copernicus Sentinel data {years}, free and open access.",
        "",
        "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
        "https://dataspace.copernicus.eu",
        "European Union, Copernicus programme",
    ),
    "landsat": Credit(
        "Scenes",
        "Landsat data courtesy of the U.S. Geological Survey, public domain.",
        "",
        "https://www.usgs.gov/faqs/are-there-any-restrictions-use-or-redistribution-landsat-data",
        "https://www.usgs.gov/landsat-missions",
        "U.S. Geological Survey",
    ),
}
"""Credit of a region's scenes by sensor; `{years}` stands for the years of the scenes, as the Copernicus notice asks for."""


POINTS_CREDIT = Credit("Points", "points of the file {}, under the terms of their authors.", "", "", "")
"""Credit of people's points; `{}` stands for the file's name."""


def credits_of(regions: Iterable[Region], years: Sequence[int], points: str | None = None) -> tuple[Credit, ...]:
    """Credits of the sources of regions in some years, each once, sorted; `points` names a file of people's points."""
    told = ", ".join(map(str, sorted(years)))
    found = {replace(POINTS_CREDIT, text=POINTS_CREDIT.text.format(points), author=points)} if points else set()
    for region in regions:
        cover, scenes = region.land_cover, region.scenes
        if cover:
            row = LAND_COVER_CREDITS["simulated" if cover.simulated else cover.source]
            named = {"text": row.text.format(cover.collection), "author": row.author.format(cover.collection)}
            found.add(replace(row, **named))
        if scenes:
            row = SCENE_CREDITS["simulated" if scenes.simulated else scene_collections.COLLECTIONS[scenes.collection].sensor]
            found.add(replace(row, text=row.text.format(years=told)))
    return tuple(sorted(found))


def licence_of(credits_: Iterable[Credit]) -> tuple[str, str]:
    """SPDX identifier and address of the terms a package as a whole comes under.

    CC0 where all of it is simulated; otherwise CC BY 4.0, which the land-cover maps ask for and open scenes allow; empty
    where the terms of a source's labels are not known, so that its user has to ask.
    """
    rows = list(credits_)
    if rows and all((row.licence, row.licence_url) == _CC0 for row in rows):
        return _CC0
    return ("", "") if any(row.kind in ("Labels", "Points") and not row.licence for row in rows) else _CC_BY
