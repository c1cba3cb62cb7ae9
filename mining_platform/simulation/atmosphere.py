"""What the air adds to the ground's light and takes from it, band by band: none of it at level 2, all of it at level 1.

Form and spherical albedo: Vermote et al. 1997, IEEE Transactions on Geoscience and Remote Sensing 35(3), 675-686 (6S).
Rayleigh optical depth: Hansen and Travis 1974, Space Science Reviews 16, 527-610. Its diffuse transmittance: Gordon et al.
1983, Applied Optics 22(1), 20-36. Water vapour: the square-root law of strong lines, Goody and Yung 1989, Atmospheric
Radiation, chapter 4. The view is from the zenith.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining_platform.bands import BANDS
from mining_platform.profiles import PROFILES
from mining_platform.simulation import spectra
from mining_platform.simulation.noise import Floats

TOA_CHANNELS = PROFILES["s2-13"].channels
GAS_TRANSMITTANCE = {
    "B01": 0.99, "B02": 0.98, "B03": 0.94, "B04": 0.96, "B05": 0.95, "B06": 0.93, "B07": 0.97, "B08": 0.92, "B8A": 0.99,
    "B09": 0.25, "B10": 3e-4, "B11": 0.97, "B12": 0.94,
}  # fmt: skip
"""Share of the light that ozone, oxygen and water vapour leave on the way down and up, at sea level in the humid tropics.

Set by hand, rounded from the level that 6S gives for such air; B10 so that thick low cloud has the 0.002 of real scenes.
"""
VAPOUR_BANDS = frozenset({"B09", "B10"})
"""Bands that are dark for water vapour, which lies below high clouds; in the others gases lie above all clouds."""
VAPOUR_SCALE_M = 2000
"""Height over which water vapour falls to 1/e: Reitan 1963, Journal of Applied Meteorology 2, 776-779."""
LOW_TOP_M, CIRRUS_M = 1400, 12_000
"""Heights of the tops of low clouds and of cirrus."""
CIRRUS_BRIGHTNESS = np.float32(0.55)
"""Reflectance of opaque cirrus relative to thick water cloud."""
_DN = 10_000.0
_LIKE_IN_CLOUD = {"B09": "B8A"}  # the spectrum of a cloud at level 2 has some of the vapour above it left in this band


@dataclass(frozen=True)
class Air:
    """What a product's numbers have of the air: (band,) float32 in the order of `bands`, reflectance x 10000."""

    bands: tuple[str, ...]
    through: Floats
    """Share of the light that arrives from black surroundings' ground, 0 to 1."""
    returned: Floats
    """Spherical albedo: share of the ground's light that the air sends back to it, 0 to 1."""
    path: Floats
    """Light that never met the ground."""
    cloud: Floats
    """Thick low cloud, without the path's light."""
    cirrus: Floats
    """Opaque cirrus, without the path's light."""
    haze: Floats
    """Light that aerosol of full strength adds."""


def corrected_air() -> Air:
    """The air of level 2: as if all of it had been taken away, but for clouds and residual aerosol."""
    count = len(spectra.CHANNELS)
    none, cloud = np.zeros(count, np.float32), np.array(spectra.CLOUD, np.float32)
    whole, haze = np.ones(count, np.float32), np.array(spectra.HAZE, np.float32)
    return Air(spectra.CHANNELS, whole, none, none, cloud, CIRRUS_BRIGHTNESS * cloud, haze)


def whole_air(sun_elevation_deg: float) -> Air:
    """The air of level 1, clean and humid, under a sun above the horizon."""
    depth = np.array([rayleigh_depth(BANDS[name].wavelength_nm) for name in TOA_CHANNELS])
    mu = math.sin(math.radians(sun_elevation_deg))
    scattered = np.exp(-depth / 2 * (1 / mu + 1))
    ground, low, high = (scattered * gases_above(height_m) for height_m in (0, LOW_TOP_M, CIRRUS_M))
    returned = spherical_albedo(depth)
    cloud = _of_level_2(spectra.CLOUD, _LIKE_IN_CLOUD)
    rows = (
        ground,
        returned,
        _DN * rayleigh_path(depth, mu),
        low * cloud / (1 - returned * cloud / _DN),
        CIRRUS_BRIGHTNESS * high * cloud,
        gases_above(0) * _of_level_2(spectra.HAZE, {}),
    )
    return Air(TOA_CHANNELS, *(row.astype(np.float32) for row in rows))


def rayleigh_depth(wavelength_nm: float) -> float:
    """Optical depth of the molecules above sea level."""
    um = wavelength_nm / 1000
    return 0.008569 * um**-4 * (1 + 0.0113 * um**-2 + 0.00013 * um**-4)


def rayleigh_path(depth: NDArray[np.float64], mu_sun: float) -> NDArray[np.float64]:
    """Reflectance of the molecules alone, seen from the zenith, scattered once; `mu_sun`: cosine of the sun's zenith angle."""
    phase = 0.75 * (1 + mu_sun**2)
    return depth * phase / (4 * mu_sun)


def spherical_albedo(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of light from below that molecules of an optical depth send back."""
    from scipy.special import expn

    return np.asarray((3 * depth - expn(3, depth) * (4 + 2 * depth) + 2 * np.exp(-depth)) / (4 + 3 * depth))


def gases_above(height_m: float) -> NDArray[np.float64]:
    """GAS_TRANSMITTANCE of the air above a height, in the order of TOA_CHANNELS."""
    vapour = math.exp(-height_m / VAPOUR_SCALE_M)
    return np.array([GAS_TRANSMITTANCE[name] ** (vapour**0.5 if name in VAPOUR_BANDS else 1.0) for name in TOA_CHANNELS])


def _of_level_2(values: tuple[int, ...], like: dict[str, str]) -> NDArray[np.float64]:
    """Values by band of level 2 in the order of TOA_CHANNELS; `like` names the band whose value another one has."""
    return np.array([values[spectra.column(like.get(name, name))] for name in TOA_CHANNELS], dtype=np.float64)
