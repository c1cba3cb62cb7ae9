"""Scenes that a local source and the Earth Engine stand-in both hold, from the same pixels."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from mining_platform.bands import BANDS
from mining_platform.grids import project
from mining_platform.profiles import PROFILES
from mining_platform.regions import LandCover, Region, Scenes
from mining_platform.scenes import Scene
from mining_platform.sources.earth_engine_api import session as earth_engine_session
from mining_platform.sources.earth_engine_api import transport as earth_engine_transport
from tests.earth_engine.archive import FakeArchive, FakeBand, FakeImage
from tests.earth_engine.client import offline_client
from tests.earth_engine.server import Server, serve
from tests.synthetic import EPSG, LEFT_M, TOP_M, outline

S2, CLOUDS, SCORES = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY", "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
SIDE_PX = 96
NATIVE_M = {**{band_id: BANDS[band_id].gsd_m for band_id in PROFILES["s2-12"].channels}, "SCL": 20, "CLP": 10, "CSP": 10}


@dataclass(frozen=True)
class Made:
    """One scene's native pixels: stored digital numbers and layers by id, from the corner (left_m, top_m)."""

    index: str
    when: datetime
    cloud_pct: float
    pixels: Mapping[str, NDArray[Any]]
    left_m: int = LEFT_M
    top_m: int = TOP_M
    offset_dn: int = 0
    azimuth_deg: float = 40.0

    @property
    def footprint(self) -> BaseGeometry:
        height, width = self.pixels["B02"].shape
        return project(box(self.left_m, self.top_m - height * 10, self.left_m + width * 10, self.top_m), EPSG, 4326)

    def transform(self, band_id: str) -> Affine:
        return Affine(NATIVE_M[band_id], 0, self.left_m, 0, -NATIVE_M[band_id], self.top_m)


def made(seed: int, *, day: int = 1, hour: int = 14, **settings: Any) -> Made:
    """A scene of patchy ground, clouds and a diagonal swath edge, its dark water below the offset."""
    rng = np.random.default_rng(seed)
    side = SIDE_PX + 24
    edge = np.add.outer(np.arange(side), np.arange(side)) > (0.4 + rng.random()) * side
    cover = smooth(rng, side)
    cloudy = cover > 0.75
    offset = -1000 if seed % 2 else 0
    pixels: dict[str, NDArray[Any]] = {}
    for band_id in PROFILES["s2-12"].channels:
        step = NATIVE_M[band_id] // 10
        ground = (300 + 2500 * smooth(rng, side) + rng.integers(0, 200, (side, side)) - offset).astype(np.uint16)
        ground[smooth(rng, side) > 0.9] = 900 if offset else 1  # less than the offset takes away
        seen = np.where(edge, np.where(cloudy, 9000, ground), 0).astype(np.uint16)
        pixels[band_id] = seen[step // 2 :: step, step // 2 :: step]
    codes = np.where(cloudy, rng.choice([3, 8, 9, 10], (side, side)), rng.choice([2, 4, 5, 6], (side, side)))
    codes[rng.random((side, side)) > 0.995] = 9  # specks, which opening drops
    codes[rng.random((side, side)) > 0.999] = 1
    pixels["SCL"] = np.where(edge, codes, 0).astype(np.uint8)[1::2, 1::2]
    cloud_pct = np.where(cloudy, 41, np.where(cover > 0.65, 40, rng.integers(0, 40, (side, side))))
    pixels["CLP"] = np.where(edge, cloud_pct, 0).astype(np.uint8)
    pixels["CSP"] = np.where(edge, np.where(cloudy, 20, rng.integers(70, 101, (side, side))), 0).astype(np.uint8)
    when = datetime(2024, 6, day, hour, tzinfo=UTC)
    return Made(f"{when:%Y%m%dT%H%M%S}_{seed:03d}_T21MXN", when, float(seed % 7), pixels, offset_dn=offset, **settings)


def smooth(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Blobs, 0 to 1."""
    field = gaussian_filter(rng.random((side, side)), 4)
    return (field - field.min()) / (field.max() - field.min())


def archive_of(scenes: Sequence[Made], *, without: Sequence[str] = ()) -> FakeArchive:
    """The scenes as Earth Engine holds them: harmonised, masked where there are no data; `without` have no joined layers."""
    whole = [scene for scene in scenes if scene.index not in without]
    own = [(band_id, band_id.replace("B0", "B")) for band_id in (*PROFILES["s2-12"].channels, "SCL")]
    return FakeArchive(
        {
            S2: [fake(scene, own) for scene in scenes],
            CLOUDS: [fake(scene, [("CLP", "probability")]) for scene in whole],
            SCORES: [fake(scene, [("CSP", "cs_cdf")]) for scene in whole],
        }
    )


def fake(scene: Made, names: Sequence[tuple[str, str]]) -> FakeImage:
    bands = tuple(fake_band(scene, band_id, name) for band_id, name in names)
    properties = {
        "system:time_start": scene.when.timestamp() * 1000,
        "SPACECRAFT_NAME": "Sentinel-2A",
        "MGRS_TILE": "21MXN",
        "CLOUDY_PIXEL_PERCENTAGE": scene.cloud_pct,
        "PROCESSING_BASELINE": "05.10" if scene.offset_dn else "02.14",
        "MEAN_SOLAR_AZIMUTH_ANGLE": scene.azimuth_deg,
        "MEAN_SOLAR_ZENITH_ANGLE": 35.0,
    }
    return FakeImage(scene.index, bands, scene.footprint, properties)


def fake_band(scene: Made, band_id: str, name: str) -> FakeBand:
    stored = scene.pixels[band_id]
    where = tuple(scene.transform(band_id))[:6]
    if band_id == "CSP":
        return FakeBand(name, (stored / np.float32(100)).astype(np.float32), f"EPSG:{EPSG}", where, stored != 0)
    offset = scene.offset_dn if band_id in BANDS else 0
    values = np.maximum(stored.astype(np.int64) + offset, 0).astype(stored.dtype)
    valid = None if band_id == "SCL" else scene.pixels["B02" if band_id == "CLP" else band_id] != 0
    return FakeBand(name, values, f"EPSG:{EPSG}", where, valid)


class Local:
    """The scenes as a local source holds them: stored digital numbers, 0 where there are none."""

    def __init__(self, scenes: Sequence[Made]) -> None:
        self.scenes = {scene.index: scene for scene in scenes}

    def open_scene_band(self, region: Region, scene: Scene, band_id: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:  # noqa: ARG002
        assert nearest
        held = self.scenes[scene.scene_id]
        stored, native, grid = held.pixels[band_id], held.transform(band_id), geobox.affine
        (height, width), (rows, columns) = stored.shape, geobox.shape
        i = np.floor((grid.f + (np.arange(rows) + 0.5) * grid.e - native.f) / native.e).astype(int)
        j = np.floor((grid.c + (np.arange(columns) + 0.5) * grid.a - native.c) / native.a).astype(int)
        inside = np.outer((i >= 0) & (i < height), (j >= 0) & (j < width))
        return stored[np.ix_(i.clip(0, height - 1), j.clip(0, width - 1))] * inside

    def listed(self, scenes: Sequence[Scene]) -> list[Scene]:
        """The scenes with the offset that is still in these pixels."""
        return [replace(scene, offset_dn=self.scenes[scene.scene_id].offset_dn) for scene in scenes]


def year_of_scenes() -> list[Made]:
    """Four days, one of them with two tiles and one with two overpasses of the same tile; steps of 30 m between tiles."""
    return [
        made(1, day=1),
        made(2, day=1, left_m=LEFT_M + 480, top_m=TOP_M + 60, azimuth_deg=130.0),
        made(3, day=6, left_m=LEFT_M - 60),
        made(4, day=11, azimuth_deg=220.0),
        made(5, day=11, hour=15, left_m=LEFT_M - 240, top_m=TOP_M + 240, azimuth_deg=310.0),
        made(6, day=16),
    ]


def region_of(recipe: str = "scl-median", *, collection: str = "sentinel-2-l2a", land_cover: LandCover | None = None) -> Region:
    scenes = Scenes("earth_engine", collection, "earth-search", recipe, {}, True)
    return Region("tiny", "Tiny", "BR", (2023, 2024), EPSG, "full", land_cover, scenes, outline(SIDE_PX, SIDE_PX))


@contextmanager
def running(archive: FakeArchive, patch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Server]:
    """A stand-in that the platform is pointed at by the environment, without waits between attempts."""
    patch.setattr(earth_engine_transport, "FIRST_WAIT_S", 0.0)
    patch.setattr(earth_engine_session, "FAILURE_KEPT_S", 0.0)
    with serve(archive, **settings) as server, offline_client():
        patch.setenv(earth_engine_session.URL_VARIABLE, server.url)
        yield server
