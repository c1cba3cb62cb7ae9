"""TABLE of surface materials and their surface reflectance in the twelve Sentinel-2 L2A bands.

The values are set by hand, rounded from the general level and shape of published spectra; they are no measurements:
vegetation, soils and built surfaces from the ECOSTRESS library (Meerdink et al. 2019, Remote Sensing of Environment 230, 111196)
and the USGS library version 7 (Kokaly et al. 2017, USGS Data Series 1035); waters with mine sediment from Lobo et al. 2015
(Remote Sensing of Environment 157, 170-184); tailings, ponds and their look in Sentinel-2 from Lobo et al. 2018
(Remote Sensing 10(8), 1178). Each material has a dry-season and a wet-season spectrum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining_platform.labels.mapbiomas import LEGEND, NO_CLASS_CODES
from mining_platform.profiles import PROFILES

CHANNELS = PROFILES["s2-12"].channels
"""Order of the twelve values of a spectrum."""
_STANDS_FOR = {"B10": "B11"}
"""A band of level 1 whose light from below hardly leaves the air, and the band beside it whose values stand for its own."""


@dataclass(frozen=True)
class Material:
    """What covers a pixel, seen by the sensor."""

    id: str
    dry: tuple[int, ...]
    """Reflectance x 10000 per band of CHANNELS at the end of the dry season."""
    wet: tuple[int, ...]
    """The same at the height of the rains."""
    fine: float
    """Relative deviation of brightness from pixel to pixel (crowns, tussocks, roofs)."""
    coarse: float
    """Relative deviation over hundreds of metres (soils, stand age, sediment)."""
    relief: float
    """Relative deviation by slope towards the sun."""
    scl: int
    """Class that Sen2Cor's scene classification gives it when clear: 4 vegetation, 5 not vegetated, 6 water."""


def _same(
    material_id: str, spectrum: tuple[int, ...], wet_factor: float, texture: tuple[float, float, float], scl: int
) -> Material:
    wet = tuple(round(value * wet_factor) for value in spectrum)
    return Material(material_id, spectrum, wet, *texture, scl)


# Order of the values:                 B01   B02   B03   B04   B05   B06   B07   B08   B8A   B09   B11   B12
MATERIALS: tuple[Material, ...] = (
    Material(
        "forest",
        (170, 190, 390, 215, 690, 2050, 2640, 2820, 2980, 3020, 1480, 610),
        (160, 180, 400, 200, 700, 2250, 2920, 3100, 3270, 3300, 1500, 600),
        *(0.095, 0.05, 0.15),
        scl=4,
    ),
    Material(
        "secondary_forest",
        (190, 220, 470, 270, 850, 2450, 3080, 3260, 3440, 3440, 1780, 790),
        (170, 200, 480, 230, 850, 2750, 3500, 3680, 3850, 3830, 1750, 740),
        *(0.09, 0.06, 0.13),
        scl=4,
    ),
    Material(
        "wetland",
        (260, 310, 560, 430, 900, 1900, 2300, 2460, 2580, 2540, 1500, 800),
        (230, 270, 490, 340, 740, 1650, 2050, 2180, 2270, 2150, 1100, 520),
        *(0.08, 0.14, 0.0),
        scl=4,
    ),
    Material(
        "grassland",
        (420, 520, 830, 980, 1480, 2150, 2480, 2680, 2860, 2880, 3150, 1960),
        (330, 400, 760, 640, 1250, 2500, 2950, 3150, 3300, 3300, 2500, 1350),
        *(0.06, 0.12, 0.06),
        scl=4,
    ),
    Material(
        "pasture",
        (390, 490, 830, 860, 1380, 2350, 2750, 2960, 3130, 3150, 2900, 1700),
        (300, 370, 760, 510, 1180, 2950, 3650, 3880, 4050, 4000, 2350, 1130),
        *(0.06, 0.12, 0.07),
        scl=4,
    ),
    Material(
        "dry_pasture",
        (520, 660, 1010, 1330, 1800, 2250, 2480, 2680, 2880, 2920, 3750, 2550),
        (390, 490, 860, 860, 1450, 2450, 2850, 3030, 3200, 3200, 3000, 1780),
        *(0.07, 0.13, 0.07),
        scl=5,
    ),
    Material(
        "bare_soil",
        (680, 860, 1270, 1900, 2250, 2460, 2640, 2780, 2960, 3000, 3950, 3150),
        (560, 700, 1060, 1580, 1920, 2170, 2360, 2500, 2660, 2680, 3150, 2350),
        *(0.07, 0.14, 0.07),
        scl=5,
    ),
    Material(
        "burnt",
        (420, 480, 640, 760, 920, 1120, 1260, 1380, 1520, 1600, 2200, 1900),
        (400, 470, 720, 760, 1120, 1800, 2080, 2240, 2380, 2400, 2400, 1700),
        *(0.10, 0.2, 0.06),
        scl=5,
    ),
    _same("sand", (1350, 1680, 2220, 2620, 2850, 2960, 3060, 3180, 3300, 3320, 3900, 3450), 0.86, (0.05, 0.10, 0.0), 5),
    _same("built", (900, 1050, 1290, 1520, 1700, 1830, 1950, 2080, 2200, 2250, 2480, 2150), 0.94, (0.26, 0.10, 0.0), 5),
    _same("road", (720, 900, 1320, 1930, 2230, 2400, 2540, 2680, 2830, 2870, 3600, 3000), 0.88, (0.05, 0.06, 0.0), 5),
    Material(
        "turbid_river",
        (560, 660, 960, 980, 900, 480, 460, 400, 340, 280, 110, 70),
        (640, 770, 1120, 1290, 1210, 690, 660, 570, 470, 380, 120, 80),
        *(0.02, 0.06, 0.0),
        scl=6,
    ),
    _same("clear_water", (300, 310, 380, 260, 230, 170, 160, 150, 130, 120, 60, 40), 1.1, (0.03, 0.10, 0.0), 6),
    _same(
        "bright_tailings", (1250, 1580, 2150, 2720, 2980, 3090, 3190, 3300, 3440, 3450, 4050, 3520), 0.86, (0.10, 0.13, 0.05), 5
    ),
    _same("clay_tailings", (800, 1010, 1480, 2170, 2480, 2620, 2760, 2900, 3050, 3080, 3700, 2980), 0.87, (0.10, 0.15, 0.06), 5),
    _same("turquoise_pond", (880, 1110, 1560, 1120, 880, 430, 390, 330, 270, 220, 90, 60), 1.05, (0.03, 0.14, 0.0), 6),
    _same("ochre_pond", (700, 880, 1440, 1930, 1930, 1190, 1130, 970, 780, 620, 190, 120), 1.05, (0.03, 0.14, 0.0), 6),
    Material(
        "mine_regrowth",
        (380, 470, 770, 800, 1250, 2100, 2480, 2650, 2800, 2800, 2550, 1530),
        (320, 390, 720, 600, 1150, 2350, 2850, 3020, 3180, 3150, 2250, 1220),
        *(0.15, 0.14, 0.05),
        scl=4,
    ),
    Material(
        "crop",
        (560, 690, 1010, 1380, 1750, 2080, 2280, 2420, 2580, 2600, 3400, 2450),
        (290, 350, 780, 450, 1150, 3500, 4500, 4750, 4900, 4850, 2200, 1000),
        *(0.03, 0.10, 0.05),
        scl=4,
    ),
    Material(
        "plantation",
        (200, 230, 460, 290, 820, 2250, 2800, 2980, 3150, 3150, 1750, 780),
        (180, 210, 460, 250, 820, 2450, 3080, 3260, 3430, 3420, 1700, 730),
        *(0.05, 0.05, 0.12),
        scl=4,
    ),
    _same("rock", (620, 730, 930, 1130, 1280, 1400, 1500, 1600, 1700, 1740, 2250, 1950), 0.92, (0.12, 0.15, 0.12), 5),
)

INDEX: dict[str, int] = {material.id: number for number, material in enumerate(MATERIALS)}
"""Number of a material in a material map, by id."""

CLOUD = (7200, 7300, 7250, 7350, 7450, 7550, 7600, 7650, 7700, 5600, 5400, 4200)
"""Reflectance x 10000 of thick water cloud: flat below 1 um, lower in the short-wave infrared, where droplets absorb."""

HAZE = (420, 330, 210, 140, 110, 80, 70, 60, 50, 50, 20, 10)
"""Additive reflectance x 10000 of residual aerosol at full strength: falls with wavelength as scattering does."""

CLASS_MATERIALS: dict[int, tuple[tuple[str, float], ...]] = {
    1: (("secondary_forest", 0.08), ("forest", 0.92)),
    4: (("grassland", 0.35), ("secondary_forest", 0.65)),
    9: (("plantation", 1.0),),
    10: (("grassland", 1.0),),
    11: (("clear_water", 0.07), ("wetland", 0.93)),
    14: (("bare_soil", 0.05), ("dry_pasture", 0.35), ("pasture", 0.55), ("secondary_forest", 0.05)),
    18: (("bare_soil", 0.15), ("crop", 0.85)),
    21: (("dry_pasture", 0.2), ("pasture", 0.5), ("secondary_forest", 0.3)),
    22: (("rock", 0.1), ("bare_soil", 0.8), ("dry_pasture", 0.1)),
    23: (("sand", 0.9), ("dry_pasture", 0.1)),
    24: (("built", 0.62), ("bare_soil", 0.14), ("pasture", 0.14), ("secondary_forest", 0.10)),
    26: (("turbid_river", 1.0),),
    29: (("rock", 0.8), ("grassland", 0.2)),
    35: (("plantation", 1.0),),
    36: (("plantation", 0.8), ("crop", 0.2)),
    19: (("bare_soil", 0.15), ("crop", 0.85)),
}
"""Materials of a land-cover class and their shares of its ground, in the order in which they lie next to each other;
a class that is missing takes its level-1 parent's row. Mining has its own rule in painting.py."""

CROPS = frozenset({18, 19, 20, 39, 40, 41, 62})


def class_row(code: int) -> tuple[tuple[str, float], ...]:
    """Materials and shares of a land-cover class code, by the class itself or its level-1 parent; no class is forest.

    ValueError for a code outside the legend.
    """
    if code in NO_CLASS_CODES:
        return CLASS_MATERIALS[1]
    if code not in LEGEND:
        raise ValueError(f"Class code {code} is not in the MapBiomas legend; add it in mining_platform/labels/mapbiomas.py.")
    key = 18 if code in CROPS else code
    return CLASS_MATERIALS.get(key) or CLASS_MATERIALS[LEGEND[code].parent]


def column(band_id: str) -> int:
    """Place of a band of level 1 or 2 in a spectrum; ValueError for a band of another instrument."""
    return CHANNELS.index(_STANDS_FOR.get(band_id, band_id))


def spectra(season: str) -> NDArray[np.float32]:
    """(material, band) reflectance x 10000 of the season `dry` or `wet`, bands in the order of CHANNELS."""
    return np.array([getattr(material, season) for material in MATERIALS], dtype=np.float32)


def textures() -> NDArray[np.float32]:
    """(material, 3) relative deviations: fine, coarse, relief."""
    return np.array([(m.fine, m.coarse, m.relief) for m in MATERIALS], dtype=np.float32)
