"""Who made what a package rests on, under which terms, and how they are to be named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mining_platform import scene_collections
from mining_platform.point_files import PointsFile
from mining_platform.regions import Region
from mining_platform.site_files import SitesFile


@dataclass(frozen=True, order=True)
class Credit:
    """One source of data."""

    kind: str
    """`Land cover`, `Labels`, `Points`, `Sites`, `Scenes`, `Radar`, `Heights` or `Context`."""
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


_ODBL = ("ODbL-1.0", "https://opendatacommons.org/licenses/odbl/1-0/")
_SENTINEL_1 = replace(SCENE_CREDITS["sentinel-2"], kind="Radar")
LAYER_CREDITS: dict[str, Credit] = {
    "sentinel-1-rtc": _SENTINEL_1,
    "sentinel-1-grd": _SENTINEL_1,
    "cop-dem-glo-30": Credit(
        "Heights",
        "produced using Copernicus WorldDEM-30 © DLR e.V. 2010-2014 and © Airbus Defence and Space GmbH 2014-2018, provided "
        "under COPERNICUS by the European Union and ESA; all rights reserved.",
        "",
        "https://dataspace.copernicus.eu/explore-data/data-collections/copernicus-contributing-missions",
        "https://dataspace.copernicus.eu",
        "European Union and ESA, Copernicus programme",
    ),
    "openstreetmap": Credit(
        "Context",
        "© OpenStreetMap contributors, ODbL 1.0.",
        *_ODBL,
        "https://www.openstreetmap.org/copyright",
        "OpenStreetMap contributors",
    ),
}
"""Credit of a layer beside the scenes by collection, as its source asks for it; `{years}` as of scenes."""

FILE_CREDITS: dict[type, Credit] = {
    PointsFile: Credit("Points", "points of the file {}, under the terms of their authors.", "", "", ""),
    SitesFile: Credit("Sites", "sites of the file {}, under the terms of their authors.", "", "", ""),
}
"""Credit of people's own files by kind; `{}` stands for the file's name."""
ASKED_KINDS = ("Labels", *(credit.kind for credit in FILE_CREDITS.values()))
"""Kinds of sources whose terms decide those of a package, where they are not known."""


def credits_of(
    regions: Iterable[Region], years: Sequence[int], named: PointsFile | SitesFile | None = None, layers: Iterable[str] = ()
) -> tuple[Credit, ...]:
    """Credits of the sources of regions in some years, each once, sorted.

    `named`: people's file of points or sites; `layers`: the layers beside the scenes that channels come from.
    """
    told, wanted = ", ".join(map(str, sorted(years))), tuple(layers)
    found = {_of_file(named)} if named else set()
    for region in regions:
        cover, scenes = region.land_cover, region.scenes
        if cover:
            row = LAND_COVER_CREDITS["simulated" if cover.simulated else cover.source]
            texts = {"text": row.text.format(cover.collection), "author": row.author.format(cover.collection)}
            found.add(replace(row, **texts))
        if scenes:
            row = SCENE_CREDITS["simulated" if scenes.simulated else scene_collections.COLLECTIONS[scenes.collection].sensor]
            found.add(replace(row, text=row.text.format(years=told)))
        for beside in (region.beside[layer] for layer in wanted if layer in region.beside):
            row = LAYER_CREDITS[beside.collection]
            made_up = replace(SCENE_CREDITS["simulated"], kind=row.kind, text=_SOFTWARE.format("nothing real is shown"))
            found.add(made_up if beside.simulated else replace(row, text=row.text.format(years=told)))
    return tuple(sorted(found))


def _of_file(named: PointsFile | SitesFile) -> Credit:
    """Credit of people's own file, by the terms that its row tells."""
    row, terms = FILE_CREDITS[type(named)], named.terms
    if terms.simulated:
        text = _SOFTWARE.format("no real place is named")
        return replace(row, text=text, licence=_CC0[0], licence_url=_CC0[1], author="mining-platform")
    known = {"licence": terms.licence, "licence_url": terms.licence_url}
    return replace(row, text=row.text.format(named.name), author=terms.author or named.name, **known)


def licence_of(credits_: Iterable[Credit]) -> tuple[str, str]:
    """SPDX identifier and address of the terms a package as a whole comes under.

    CC0 where all of it is simulated; ODbL 1.0, which databases derived from OpenStreetMap come under, where context is in it;
    otherwise CC BY 4.0, which the land-cover maps ask for and open scenes allow; empty where the terms of a source's labels are
    not known, so that its user has to ask.
    """
    rows = list(credits_)
    if rows and all((row.licence, row.licence_url) == _CC0 for row in rows):
        return _CC0
    if any(row.kind in ASKED_KINDS and not row.licence for row in rows):
        return "", ""
    return _ODBL if any(row.licence == _ODBL[0] for row in rows) else _CC_BY
