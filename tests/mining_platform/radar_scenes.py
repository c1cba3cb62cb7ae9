"""Four scenes of Sentinel-1 of known power, as every kind of source holds them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from tests.earth_engine.archive import FakeArchive, FakeBand, FakeImage
from tests.mining_platform.layer_catalogues import SIDE_PX, LayerPixels, outline_of, write_layer_catalogue, write_raster
from tests.synthetic import EPSG, LEFT_M, TOP_M

NODATA = -32768.0


@dataclass(frozen=True)
class Made:
    """One scene's power by polarisation, with NaN beside a slanted edge of the swath."""

    name: str
    when: datetime
    orbit: str
    left_m: int
    pixels: dict[str, NDArray[np.float32]]

    @property
    def affine(self) -> Affine:
        return Affine(10, 0, self.left_m, 0, -10, TOP_M + 100)

    @property
    def outline(self) -> Any:
        return outline_of(self.affine, self.pixels["VV"].shape)


def made(seed: int, day: int, orbit: str, *, left_m: int = LEFT_M - 100, names: tuple[str, ...] = ("VV", "VH")) -> Made:
    rng, side = np.random.default_rng(seed), SIDE_PX + 20
    beside = np.add.outer(np.arange(side), np.arange(side)) < 20 * seed
    pixels = {name: rng.gamma(4, 0.02 / (1 + at), (side, side)).astype(np.float32) for at, name in enumerate(names)}
    for power in pixels.values():
        power[beside] = np.nan
    when = datetime(2024, 6, day, 9, 30, tzinfo=UTC)
    return Made(f"S1A_IW_GRDH_1SDV_{when:%Y%m%dT%H%M%S}_{seed:02d}", when, orbit, left_m, pixels)


SCENES = (
    made(1, 1, "descending"),
    made(2, 5, "ascending", left_m=LEFT_M - 200),
    made(3, 13, "descending", names=("VV",)),
    made(4, 25, "ascending"),
)


def write_catalogue(root: Path) -> Path:
    items = []
    for scene in SCENES:
        for name, power in scene.pixels.items():
            path = root / "sentinel-1-rtc" / scene.name / f"{name}.tif"
            write_raster(path, np.where(np.isnan(power), np.float32(NODATA), power), scene.affine, nodata=NODATA)
        properties = {"datetime": f"{scene.when:%Y-%m-%dT%H:%M:%SZ}", "sat:orbit_state": scene.orbit, "proj:epsg": EPSG}
        assets = {name.lower(): f"{name}.tif" for name in scene.pixels}
        items.append({"id": scene.name, "outline": scene.outline, "properties": properties, "assets": assets})
    return write_layer_catalogue(root, "sentinel-1-rtc", items)


def write_folder(root: Path) -> Path:
    """Two scenes in files of a polarisation, linear and dB, one with VV alone, and one in a file of two bands in dB."""
    first, second, third, fourth = SCENES
    for scene, unit in ((first, "linear"), (second, "dB"), (third, "linear")):
        for name, power in scene.pixels.items():
            values = power if unit == "linear" else 10 * np.log10(power)
            path = root / scene.orbit / f"{scene.name}_{name}.tif"
            tags = {"unit": unit, "orbit": scene.orbit}
            write_raster(path, np.where(np.isnan(values), -99, values).astype(np.float32), scene.affine, nodata=-99, **tags)
    both = np.stack([10 * np.log10(fourth.pixels[name]) for name in ("VH", "VV")])
    tags = {"datetime": fourth.when.isoformat(), "orbit": "ascending"}
    write_raster(root / f"{fourth.name}.tif", both, fourth.affine, nodata=np.nan, band_unit="dB", names=("VH", "VV"), **tags)
    write_raster(root / "unrelated.tif", np.ones((3, 3), np.uint8), fourth.affine)
    return root


def fake_archive() -> FakeArchive:
    def image(scene: Made, mode: str = "IW") -> FakeImage:
        where = tuple(scene.affine)[:6]
        bands = [
            FakeBand(name, np.nan_to_num(power), f"EPSG:{EPSG}", where, ~np.isnan(power)) for name, power in scene.pixels.items()
        ]
        angle = FakeBand("angle", np.full((4, 4), 35, np.float32), f"EPSG:{EPSG}", where)
        properties = {
            "system:time_start": scene.when.timestamp() * 1000,
            "instrumentMode": mode,
            "orbitProperties_pass": scene.orbit.upper(),
        }
        return FakeImage(scene.name if mode == "IW" else f"{scene.name}_EW", (*bands, angle), scene.outline, properties)

    return FakeArchive({"COPERNICUS/S1_GRD_FLOAT": [*map(image, SCENES), image(SCENES[0], "EW")]})


RADAR = LayerPixels("radar", "sentinel-1-rtc", "sentinel-1-grd", write_catalogue, write_folder, fake_archive)
