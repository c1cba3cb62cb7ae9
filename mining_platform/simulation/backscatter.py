"""TABLE of what the surface materials send back to a C-band radar: gamma nought in dB, by polarisation and season.

The values are set by hand, rounded from the general level of published ones; they are no measurements, and leave out how slopes
and angles of incidence change them. Forest is as stable and bright as calibrations over the Amazon have it (Hawkins et al. 1999,
Proceedings of the CEOS SAR Workshop, Toulouse); soils, grass, crops and roads follow Ulaby and Dobson 1989 (Handbook of Radar
Scattering Statistics for Terrain); smooth water lies near the noise of Sentinel-1, at most -22 dB (Torres et al. 2012, Remote
Sensing of Environment 120, 9-24). Wet soil sends more back than dry soil. A mine is a patchwork: washed sand and ponds are dark,
regrowth is not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining_platform.simulation.spectra import MATERIALS

POLARISATIONS = ("VV", "VH")
"""Order of the values of a row."""


@dataclass(frozen=True)
class Backscatter:
    """How bright a material of spectra.MATERIALS is to the radar."""

    material: str
    dry_db: tuple[float, float]
    """Gamma nought by polarisation at the end of the dry season."""
    wet_db: tuple[float, float]
    """The same at the height of the rains."""
    coarse_db: float = 0.4
    """Deviation over hundreds of metres."""
    fine_db: float = 0.0
    """Deviation from pixel to pixel beside speckle: walls and roofs that face the radar or do not."""


ROWS: tuple[Backscatter, ...] = (
    Backscatter("forest", (-6.9, -12.9), (-6.7, -12.7), 0.15),
    Backscatter("secondary_forest", (-7.4, -13.3), (-7.1, -13.0), 0.25),
    Backscatter("wetland", (-8.0, -14.6), (-7.0, -14.0), 0.6),
    Backscatter("grassland", (-11.8, -18.6), (-10.2, -17.2)),
    Backscatter("pasture", (-10.8, -17.6), (-9.2, -16.2)),
    Backscatter("dry_pasture", (-11.8, -18.8), (-10.0, -17.2)),
    Backscatter("bare_soil", (-13.2, -21.4), (-10.8, -19.4), 0.7),
    Backscatter("burnt", (-10.6, -18.4), (-9.4, -17.2), 0.7),
    Backscatter("sand", (-16.0, -24.0), (-14.0, -22.6)),
    Backscatter("built", (-3.6, -11.4), (-3.4, -11.2), 0.5, 2.5),
    Backscatter("road", (-14.2, -22.4), (-12.2, -20.8)),
    Backscatter("turbid_river", (-19.0, -27.0), (-18.5, -26.6), 0.6),
    Backscatter("clear_water", (-20.5, -27.6), (-20.0, -27.4), 0.6),
    Backscatter("bright_tailings", (-14.8, -22.8), (-12.4, -21.0), 0.8),
    Backscatter("clay_tailings", (-13.6, -21.8), (-11.2, -19.8), 0.8),
    Backscatter("turquoise_pond", (-20.0, -27.4), (-19.5, -27.0), 0.5),
    Backscatter("ochre_pond", (-19.6, -27.2), (-19.2, -26.8), 0.5),
    Backscatter("mine_regrowth", (-9.8, -16.4), (-9.0, -15.6), 0.6),
    Backscatter("crop", (-11.4, -19.6), (-8.6, -14.8), 0.6),
    Backscatter("plantation", (-7.6, -13.6), (-7.3, -13.3), 0.2),
    Backscatter("rock", (-9.8, -18.0), (-9.4, -17.6), 0.8),
)

BY_MATERIAL: dict[str, Backscatter] = {row.material: row for row in ROWS}


def gamma_nought(wetness: float) -> NDArray[np.float32]:
    """(material, polarisation) gamma nought in linear power, in the order of MATERIALS; 0 is dry, 1 wet."""
    dry, wet = (np.array([getattr(BY_MATERIAL[m.id], season) for m in MATERIALS]) for season in ("dry_db", "wet_db"))
    return np.asarray(10 ** ((dry + wetness * (wet - dry)) / 10), dtype=np.float32)


def deviations_db() -> NDArray[np.float32]:
    """(material, 2) deviations in dB, coarse and fine, in the order of MATERIALS."""
    return np.array([(BY_MATERIAL[m.id].coarse_db, BY_MATERIAL[m.id].fine_db) for m in MATERIALS], dtype=np.float32)
