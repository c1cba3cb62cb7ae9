"""Pixels of one Sentinel-2 scene: bands at 10, 20 and 60 m through any air, and the masks of an L2A scene.

Ground reflectance is looked up per material and season, varied by texture, mixed over neighbouring pixels as a sensor's
optics do, lit, shaded, veiled by cloud, and given noise, all on integers and single precision in a fixed order.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining_platform.bands import BANDS
from mining_platform.simulation import noise, sky, spectra
from mining_platform.simulation.atmosphere import Air, corrected_air
from mining_platform.simulation.calendar import SceneSpec
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.painting import TEXTURE_SCALE, Ground

Bytes = NDArray[np.uint8]
Deviations = NDArray[np.int8]
NOISE_DN = 9.0
"""Deviation of sensor noise in digital numbers at mid reflectance."""
FINE_M, MIDDLE_M, COARSE_M = 10, 20, 60
"""Native pixel sizes of the instrument in metres."""


@dataclass(frozen=True)
class Scene:
    """One L2A scene as it goes to disk."""

    bands: Mapping[str, NDArray[np.uint16]]
    """(y, x) digital numbers by band id, each at its native pixel size; 0 outside the swath."""
    scl: NDArray[np.uint8]
    """(y, x) scene classification at 20 m."""
    cloud_probability: NDArray[np.uint8]
    """(y, x) per cent at 20 m."""


@njit(nogil=True, cache=True)
def mean_reflectance(  # noqa: PLR0913 - a compiled kernel takes plain arrays
    materials: Bytes, fine: Deviations, coarse: Deviations, relief: Deviations,
    dry: Floats, wet: Floats, textures: Floats, season: np.float32, step: int,
) -> Floats:  # fmt: skip
    """Mean ground reflectance of step x step pixels: (band, y/step, x/step) float32."""
    count = dry.shape[1]
    rows, columns = materials.shape[0] // step, materials.shape[1] // step
    out = np.empty((count, rows, columns), dtype=np.float32)
    total = np.empty(count, dtype=np.float32)
    share = np.float32(1.0 / (step * step))
    for i in range(rows):
        for j in range(columns):
            total[:] = 0
            for y in range(i * step, i * step + step):
                for x in range(j * step, j * step + step):
                    m = materials[y, x]
                    c = np.float32(coarse[y, x]) / np.float32(TEXTURE_SCALE)
                    gain = np.float32(1.0) + textures[m, 0] * (np.float32(fine[y, x]) / np.float32(TEXTURE_SCALE))
                    gain += textures[m, 1] * c + textures[m, 2] * (np.float32(relief[y, x]) / np.float32(TEXTURE_SCALE))
                    gain = min(max(gain, np.float32(0.35)), np.float32(1.8))
                    w = min(max(season - np.float32(0.14) * c, np.float32(0.0)), np.float32(1.0))
                    for b in range(count):
                        total[b] += gain * (dry[m, b] + w * (wet[m, b] - dry[m, b]))
            for b in range(count):
                out[b, i, j] = total[b] * share
    return out


@njit(nogil=True, cache=True)
def _blurred(ground: Floats) -> Floats:
    """(band, y, x) with each pixel mixed with its eight neighbours (36, 12 and 4 per cent), as optics do; edges kept."""
    count, rows, columns = ground.shape
    out = ground.copy()
    for b in range(count):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                near = ground[b, i - 1, j] + ground[b, i + 1, j] + ground[b, i, j - 1] + ground[b, i, j + 1]
                far = ground[b, i - 1, j - 1] + ground[b, i - 1, j + 1] + ground[b, i + 1, j - 1] + ground[b, i + 1, j + 1]
                out[b, i, j] = np.float32(0.36) * ground[b, i, j] + np.float32(0.12) * near + np.float32(0.04) * far
    return out


@njit(nogil=True, cache=True)
def _through_air(ground: Floats, through: Floats, returned: Floats) -> Floats:
    """Ground reflectance x 10000 (band, y, x) as it arrives, changed in place: through x ground / (1 - returned x ground)."""
    count, rows, columns = ground.shape
    for b in range(count):
        for i in range(rows):
            for j in range(columns):
                value = ground[b, i, j]
                ground[b, i, j] = through[b] * value / (np.float32(1.0) - returned[b] * value * np.float32(1e-4))
    return ground


@njit(nogil=True, cache=True)
def observed_dn(  # noqa: PLR0913 - a compiled kernel takes plain arrays
    ground: Floats, cloud: Floats, shadow: Floats, cirrus: Floats, seen: NDArray[np.bool_],
    bright: Floats, veil: Floats, haze: Floats, light: np.float32, added_dn: Floats, key: np.uint64,
) -> NDArray[np.uint16]:  # fmt: skip
    """Digital numbers of ground seen through a sky on the same grid: (band, y, x) uint16, 0 where not seen.

    By band, `bright` is thick cloud, `veil` opaque cirrus and `haze` aerosol; `added_dn` lies over all of them. Noise is a hash
    of pixel, band and scene, so that it does not depend on the order of work.
    """
    count, rows, columns = ground.shape
    out = np.zeros((count, rows, columns), dtype=np.uint16)
    for b in range(count):
        for i in range(rows):
            for j in range(columns):
                if not seen[i, j]:
                    continue
                c, s, t = cloud[i, j], shadow[i, j], cirrus[i, j]
                value = ground[b, i, j] * light * (np.float32(1.0) - np.float32(0.68) * s) + haze[b] * (np.float32(1.0) - s)
                value = value * (np.float32(1.0) - t) + veil[b] * t
                top = bright[b] * (np.float32(0.72) + np.float32(0.28) * c)
                value = value * (np.float32(1.0) - c) + top * c
                h = np.uint64(key) + np.uint64((b * rows + i) * columns + j) * np.uint64(0x9E3779B97F4A7C15)
                h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                h = h ^ (h >> np.uint64(31))
                bits = np.int64(h & np.uint64(255)) + np.int64((h >> np.uint64(8)) & np.uint64(255))
                bits += np.int64((h >> np.uint64(16)) & np.uint64(255)) + np.int64((h >> np.uint64(24)) & np.uint64(255))
                grain = (np.float32(bits) - np.float32(510.0)) / np.float32(147.8)
                value += grain * np.float32(NOISE_DN) * (np.float32(0.6) + value / np.float32(5000.0))
                out[b, i, j] = np.uint16(min(max(value + added_dn[b] + np.float32(0.5), np.float32(1.0)), np.float32(65535.0)))
    return out


def _at_60_m(field: Floats) -> Floats:
    rows, columns = field.shape[0] // 3, field.shape[1] // 3
    return np.asarray(field.reshape(rows, 3, columns, 3).mean(axis=(1, 3)), dtype=np.float32)


def _sky_at(over: sky.Sky, gsd_m: int) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """The 20 m sky on a band's own grid; a pixel is seen where all (60 m) or the one (10 m) 20 m pixel is."""
    fields = (over.cloud, over.shadow, over.cirrus)
    if gsd_m == FINE_M:
        shape = (2 * over.cloud.shape[0], 2 * over.cloud.shape[1])
        cloud, shadow, cirrus = (np.clip(noise.enlarge(field, shape), 0, 1) for field in fields)
        return cloud, shadow, cirrus, over.seen.repeat(2, axis=0).repeat(2, axis=1)
    if gsd_m == COARSE_M:
        cloud, shadow, cirrus = map(_at_60_m, fields)
        return cloud, shadow, cirrus, _at_60_m(over.seen.astype(np.float32)) == 1
    return *fields, over.seen


def _light(spec: SceneSpec) -> float:
    """Brightness left by sun angle after atmospheric correction: a few per cent between scenes."""
    return 1.0 + 0.10 * (float(np.sin(np.radians(spec.sun[1]))) - 0.85)


def seen_sky(spec: SceneSpec, ground: Ground, seed: int) -> tuple[sky.Sky, np.random.Generator]:
    """The sky of a date over (y, x) 10 m ground, the same at every level, and the generator that goes on from there."""
    rows, columns = ground.materials.shape
    grid_20 = (rows // 2, columns // 2)
    rng = noise.generator(seed, spec.id, "sky")
    swath = None if spec.swath is None else sky.swath_half_plane(grid_20, *spec.swath)
    return sky.make_sky(grid_20, rng, cover=spec.cover, sun=spec.sun, swath=swath), rng


def render(spec: SceneSpec, ground: Ground, *, seed: int) -> Scene:
    """The pixels of an L2A scene over (y, x) 10 m ground whose sides are multiples of 6 px."""
    over, rng = seen_sky(spec, ground, seed)
    bands = render_bands(spec, ground, over, corrected_air(), rng)
    centre = ground.materials[::2, ::2]
    scl_of = np.array([material.scl for material in spectra.MATERIALS], dtype=np.uint8)
    blue = spectra.spectra("dry")[:, spectra.CHANNELS.index("B02")]
    return Scene(
        bands=bands,
        scl=sky.classify(over, scl_of[centre], blue[centre], rng),
        cloud_probability=sky.cloud_probability(over, blue[centre], rng),
    )


def render_bands(
    spec: SceneSpec, ground: Ground, over: sky.Sky, air: Air, rng: np.random.Generator
) -> dict[str, NDArray[np.uint16]]:
    """(y, x) digital numbers by band id, each band of the air at its native pixel size; 0 outside the swath."""
    found: dict[str, NDArray[np.uint16]] = {}
    for gsd_m in (FINE_M, MIDDLE_M, COARSE_M):
        places = [place for place, name in enumerate(air.bands) if BANDS[name].gsd_m == gsd_m]
        numbers = _render_at(spec, ground, over, air, places, int(rng.integers(2**62)))
        found |= {air.bands[place]: layer for place, layer in zip(places, numbers, strict=True)}
    return found


def _render_at(spec: SceneSpec, ground: Ground, over: sky.Sky, air: Air, places: list[int], key: int) -> NDArray[np.uint16]:
    """(band, y, x) digital numbers of the bands at these places of the air's, all of one pixel size."""
    gsd_m = BANDS[air.bands[places[0]]].gsd_m
    columns = [spectra.column(air.bands[place]) for place in places]
    dry, wet = (np.ascontiguousarray(spectra.spectra(season)[:, columns]) for season in ("dry", "wet"))
    texture = ground.textures
    surface = mean_reflectance(
        ground.materials, texture.fine, texture.coarse, texture.relief,
        dry, wet, spectra.textures(), np.float32(spec.wetness), gsd_m // FINE_M,
    )  # fmt: skip
    if gsd_m == FINE_M:
        surface = _blurred(surface)
    return observed_dn(
        _through_air(surface, air.through[places], air.returned[places]), *_sky_at(over, gsd_m),
        air.cloud[places], air.cirrus[places], air.haze[places] * np.float32(spec.haze),
        np.float32(_light(spec)), air.path[places] + np.float32(spec.added_dn), np.uint64(key),
    )  # fmt: skip
