"""Pools: which assets may not be made many at once, whoever asks for them.

What belongs here: the pool of an asset. Its limit is in `pool_slots.py`.
"""

from assets_defs.partitions import REGIONS
from assets_defs.pool_slots import DISK, EARTH_ENGINE, TRAINING
from mining_platform.regions import LAYERS_BESIDE

_LEARNED = ("model", "evaluation")
_WRITTEN = ("mosaic", "label", *LAYERS_BESIDE)
_WRITTEN_STAGES = ("/patches", "/package")
_SOURCE_OF = {"land_cover": "land_cover", "scenes": "scenes", "mosaic": "scenes"}
"""Asset -> field of a region that names its source; layers beside the mosaic have one each."""


def pool_of(asset: str) -> str | None:
    """The pool of an asset; None for what is light. What asks Earth Engine for some region is in its pool, whatever it writes."""
    if asks_earth_engine(asset):
        return EARTH_ENGINE
    if asset in _LEARNED:
        return TRAINING
    return DISK if asset in _WRITTEN or asset.endswith(_WRITTEN_STAGES) else None


def asks_earth_engine(asset: str) -> bool:
    """Whether the asset's source is Earth Engine in some region."""
    field = _SOURCE_OF.get(asset)
    places = [getattr(each, field) if field else each.beside.get(asset) for each in REGIONS.values()]
    return any(place is not None and place.source == "earth_engine" for place in places)
