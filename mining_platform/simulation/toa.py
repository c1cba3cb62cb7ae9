"""Simulated Sentinel-2 L1C on disk: some dates of the L2A scenes seen at the top of the atmosphere, a static STAC catalogue.

Ground and sky are those of the L2A scene of the date; thirteen bands under the asset names of Earth Search's `sentinel-2-l1c`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.simulation import catalog, noise, sky
from mining_platform.simulation.atmosphere import whole_air
from mining_platform.simulation.calendar import SceneSpec
from mining_platform.simulation.painting import Ground
from mining_platform.simulation.places import Place
from mining_platform.simulation.scene_files import write_bands
from mining_platform.simulation.scenes import render_bands, seen_sky
from mining_platform.simulation.stac_documents import item_document
from mining_platform.simulation.static_catalogs import write_catalog, write_item

FOLDER, COLLECTION = "toa", "sentinel-2-l1c"
CLEAR_DATES, CLOUDY_DATES, CLOUDY_COVER = 4, 2, 0.3
"""Scenes a year, and the share of cloud that is looked for in the cloudy ones."""
CLOUD_OPACITY, CIRRUS_OPACITY = 0.3, 0.16
"""From which opacity on a pixel counts in the cloud cover of the metadata."""


def write_toa(out: Path, place: Place) -> Sequence[dict[str, Any]]:
    """Write the scenes of a place in all its years, and return their items."""
    items = []
    for year, seen in place.years.items():
        items += [write_toa_scene(out, spec, seen.ground, place.canvas, place.seed) for spec in toa_dates(place.scenes[year])]
    return items


def finish_toa(out: Path, items: Sequence[dict[str, Any]]) -> None:
    """Write the catalogue of the items."""
    title = "Sentinel-2 Level-1C scenes in the layout of Earth Search v1"
    write_catalog(out / FOLDER, COLLECTION, items, title=title, licence="Apache-2.0")


def toa_dates(scenes: Sequence[SceneSpec]) -> tuple[SceneSpec, ...]:
    """The L2A scenes of a year that are there at level 1C too, in order of time.

    They are the CLEAR_DATES with the least cloud among those that the swath does not cut, enough to see all ground, and of the
    others the CLOUDY_DATES whose cover is nearest to CLOUDY_COVER, to have clouds to mask.
    """
    by_cover = sorted(scenes, key=lambda spec: (spec.swath is not None, spec.cover, spec.sensed))
    clear, others = by_cover[:CLEAR_DATES], by_cover[CLEAR_DATES:]
    cloudy = sorted(others, key=lambda spec: (abs(spec.cover - CLOUDY_COVER), spec.sensed))[:CLOUDY_DATES]
    return tuple(sorted((*clear, *cloudy), key=lambda spec: spec.sensed))


def toa_id(spec: SceneSpec) -> str:
    """Id of the L1C scene of an L2A scene's date."""
    return f"{spec.id.removesuffix('_L2A')}_L1C"


def render_toa(spec: SceneSpec, ground: Ground, *, seed: int) -> tuple[dict[str, NDArray[np.uint16]], sky.Sky]:
    """(y, x) digital numbers by band id, each at its native pixel size, and the sky of the L2A scene of the date.

    The sides of the (y, x) 10 m ground are multiples of 6 px. Level 1C has the digital numbers added since the same baseline.
    """
    over, _ = seen_sky(spec, ground, seed)
    return render_bands(spec, ground, over, whole_air(spec.sun[1]), noise.generator(seed, toa_id(spec), "noise")), over


def write_toa_scene(out: Path, spec: SceneSpec, ground: Ground, geobox: GeoBox, seed: int) -> dict[str, Any]:
    """Make the L1C scene of an L2A scene's date, write its files and item into a new folder, and return the item."""
    bands, over = render_toa(spec, ground, seed=seed)
    own = replace(spec, id=toa_id(spec))
    folder = out / FOLDER / COLLECTION / own.id
    folder.mkdir(parents=True)
    cloudy = ((over.cloud > CLOUD_OPACITY) | (over.cirrus > CIRRUS_OPACITY))[over.seen]
    told = catalog.scene_properties(own, geobox, cloudy_share=float(cloudy.mean()), unseen_share=1 - float(over.seen.mean()))
    named = {"title": f"SIMULATED Sentinel-2 L1C scene {own.id}", "s2:product_type": "S2MSI1C"}
    assets, outline = write_bands(folder, own, bands, geobox), catalog.footprint(spec, geobox)
    return write_item(folder, item_document(own.id, COLLECTION, outline, named | told, assets, extensions=catalog.EXTENSIONS))
