"""Collections: the kinds of products that scenes and the layers beside them come in. A new one is one row of `COLLECTIONS`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Collection:
    """A kind of satellite product, under the same name whichever source serves it."""

    id: str
    sensor: str
    profile: str
    """Channels of its mosaics unless the region says otherwise, a row of PROFILES."""
    recipe: str
    """How its mosaics are made unless the region says otherwise, a row of compositing.recipes.RECIPES."""
    first_year: int
    """First year with scenes."""
    product: str
    """Product type in official names: `MSIL2A`, `MSIL1C`, `L2SP`."""
    stac: Mapping[str, str] = field(default_factory=dict)
    """STAC collection id at each provider that serves it."""
    earth_engine: Mapping[str, str] = field(default_factory=dict)
    """Earth Engine image collections whose images it is there, each by whose names its bands have, one of bands.PROVIDERS."""


COLLECTIONS: dict[str, Collection] = {
    collection.id: collection
    for collection in (
        Collection(
            id="sentinel-2-l2a",
            sensor="sentinel-2",
            profile="s2-12",
            recipe="scl-median",
            first_year=2015,
            product="MSIL2A",
            stac={"earth-search": "sentinel-2-l2a", "planetary-computer": "sentinel-2-l2a"},
            earth_engine={"COPERNICUS/S2_SR_HARMONIZED": "earth-engine"},
        ),
        Collection(
            id="sentinel-2-c1-l2a",
            sensor="sentinel-2",
            profile="s2-12",
            recipe="scl-median",
            first_year=2015,
            product="MSIL2A",
            stac={"earth-search": "sentinel-2-c1-l2a"},
            earth_engine={"COPERNICUS/S2_SR_HARMONIZED": "earth-engine"},
        ),
        Collection(
            id="sentinel-2-l1c",
            sensor="sentinel-2",
            profile="s2-12",
            recipe="s2cloudless-median",
            first_year=2015,
            product="MSIL1C",
            stac={"earth-search": "sentinel-2-l1c"},
            earth_engine={"COPERNICUS/S2_HARMONIZED": "earth-engine"},
        ),
        Collection(
            id="landsat-c2-l2",
            sensor="landsat",
            profile="landsat-6",
            recipe="qa-median",
            first_year=1984,
            product="L2SP",
            stac={"planetary-computer": "landsat-c2-l2"},
            earth_engine={
                "LANDSAT/LT04/C02/T1_L2": "landsat-tm",
                "LANDSAT/LT05/C02/T1_L2": "landsat-tm",
                "LANDSAT/LE07/C02/T1_L2": "landsat-tm",
                "LANDSAT/LC08/C02/T1_L2": "landsat-oli",
                "LANDSAT/LC09/C02/T1_L2": "landsat-oli",
            },
        ),
    )
}


LACKED_BANDS: Mapping[str, frozenset[str]] = {"L2SR": frozenset({"L-thermal"})}
"""Bands that products of a processing level do not have. Landsat scenes without an emissivity to derive temperature with, and
those of night, are L2SR (Landsat Collection 2 Level 2 Science Product Guides); all others are L2SP."""

COLLECTIONS_BESIDE: Mapping[str, tuple[str, ...]] = {
    "radar": ("sentinel-1-rtc", "sentinel-1-grd"),
    "elevation": ("cop-dem-glo-30",),
    "osm_context": ("openstreetmap",),
}
"""Products of the layers beside the scenes, the usual one first; the names are those of the STAC collections."""


def has_bands(level: str, channels: Iterable[str]) -> bool:
    """Whether products of a processing level, as their names and metadata have it, have all of these bands."""
    return LACKED_BANDS.get(level, frozenset()).isdisjoint(channels)


def collection(collection_id: str) -> Collection:
    """The row of a collection; KeyError with the known ids and the remedy otherwise."""
    try:
        return COLLECTIONS[collection_id]
    except KeyError:
        raise KeyError(
            f"Unknown collection {collection_id!r}; known: {', '.join(COLLECTIONS)}. "
            "Add a row in mining_platform/scene_collections.py."
        ) from None
