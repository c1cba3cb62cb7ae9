"""Landsat products that an archive and the Earth Engine stand-in both hold, from the same pixels."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from shapely.geometry import box

from mining_platform.bands import BANDS, LAYERS
from mining_platform.grids import project
from mining_platform.regions import Region, Scenes
from mining_platform.scene_collections import COLLECTIONS
from tests.earth_engine.archive import FakeArchive, FakeBand, FakeImage
from tests.mining_platform.official_products import SIDE_M, Landsat
from tests.synthetic import EPSG, LEFT_M, TOP_M, outline

COLLECTION = "landsat-c2-l2"
SIDE_PX = SIDE_M // 30
ROW = "227065"
CLEAR, FILL = 21_824, 1
CLOUDY = (22_280, 21_762, 23_888, 54_596)  # cloud, dilated cloud, shadow, cirrus
NORTH_M = 10_000_000  # between the zones of both hemispheres
PROVIDERS = {"LT04": "landsat-tm", "LT05": "landsat-tm", "LE07": "landsat-tm", "LC08": "landsat-oli", "LC09": "landsat-oli"}


def collection_of(sensor: str) -> str:
    """Earth Engine's collection of a satellite's images."""
    return f"LANDSAT/{sensor}/C02/T1_L2"


def names_of(provider: str) -> list[str]:
    """Names of all bands and layers of an instrument's products."""
    return [row.providers[provider] for row in (*BANDS.values(), *LAYERS.values()) if provider in row.providers]  # type: ignore[attr-defined]


def product(sensor: str, date: str, seed: int) -> Landsat:
    """A product of any digital numbers, clouds in blobs, a fifth beyond its edge, and no temperature in places."""
    rng, names = np.random.default_rng(seed), names_of(PROVIDERS[sensor])
    shape = (SIDE_PX, SIDE_PX)
    beyond = np.broadcast_to(np.arange(SIDE_PX) < SIDE_PX // 5, shape)
    blobs = gaussian_filter(rng.random(shape), 3)
    cloudy = blobs > np.quantile(blobs, 0.7)
    values = {name: np.where(beyond, 0, rng.integers(1, 65_536, shape)) for name in names if name != "QA_PIXEL"}
    values["ST_B6" if "ST_B6" in values else "ST_B10"][rng.random(shape) > 0.95] = 0
    quality = np.where(beyond, FILL, np.where(cloudy, rng.choice(CLOUDY, shape), CLEAR))
    return Landsat(name=f"{sensor}_L2SP_{ROW}_{date}_{date}_02_T1", values=values, quality=quality)


def image_of(product: Landsat, *, level: str = "L2SP", without: Sequence[str] = (), **changes: Any) -> FakeImage:
    """The product as Earth Engine holds it: its own numbers, masked where there are no data; of L2SR temperature is empty."""
    sensor, _, tile, date, *_ = product.name.split("_")
    provider = PROVIDERS[sensor]
    bands = tuple(_band(product, name, level) for name in names_of(provider) if name not in without)
    told = {
        "system:time_start": datetime.strptime(f"{date}T133102", "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp() * 1000,
        "SPACECRAFT_ID": f"LANDSAT_{int(sensor[2:])}",
        "WRS_PATH": int(tile[:3]),
        "WRS_ROW": int(tile[3:]),
        "CLOUD_COVER": 21.12,
        "SUN_AZIMUTH": 44.5,
        "SUN_ELEVATION": 50.25,
        "PROCESSING_LEVEL": level,
        **changes,
    }
    footprint = project(box(LEFT_M, TOP_M - SIDE_M, LEFT_M + SIDE_M, TOP_M), EPSG, 4326)
    known = {name: value for name, value in told.items() if value is not None}
    return FakeImage(f"{sensor}_{tile}_{date}", bands, footprint, known)


def _band(product: Landsat, name: str, level: str) -> FakeBand:
    stored = product.quality if name == "QA_PIXEL" else product.values.get(name, 10_000)
    native = np.broadcast_to(np.asarray(stored, np.uint16), (SIDE_PX, SIDE_PX))
    valid = native != (FILL if name == "QA_PIXEL" else 0)
    if level == "L2SR" and name.startswith("ST_"):
        valid = np.zeros_like(valid)
    return FakeBand(name, native, f"EPSG:{EPSG - 100}", (30, 0, LEFT_M, 0, -30, TOP_M - NORTH_M), valid)


def archive_of(*images: FakeImage) -> FakeArchive:
    """Each image in its satellite's collection; the others are there and empty."""
    names = COLLECTIONS[COLLECTION].earth_engine
    return FakeArchive({name: [each for each in images if name == collection_of(each.index[:4])] for name in names})


def region_of(recipe: str = "qa-median", *, source: str = "earth_engine", place: str = "", profile: str = "") -> Region:
    """The ground of the products, with scenes of either source."""
    scenes = Scenes(source, COLLECTION, "planetary-computer", recipe, {source: place}, True, profile=profile)
    side_px = SIDE_M // 10
    return Region("tiny", "Tiny", "BR", (1998, 2024), EPSG, "full", None, scenes, outline(side_px, side_px))
