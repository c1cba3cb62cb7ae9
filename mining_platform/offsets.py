"""Whether digital numbers still carry the 1,000 that Sentinel-2 adds since processing baseline 04.00, told by the pixels.

Somewhere in nearly every scene there is a dark object: water reflects next to nothing beyond the visible, shadow and dense
forest little in the visible (Bowker et al. 1985, Spectral Reflectances of Natural Targets for Use in Remote Sensing
Studies, NASA RP-1139; the use of dark objects is Chavez 1988, Remote Sensing of Environment 24, 459-479). So some band of
a scene goes below a reflectance of 0.1, unless 0.1 was added to all of them (Sentinel-2 Products Specification Document,
BOA_ADD_OFFSET and RADIO_ADD_OFFSET).

What it cannot tell: a scene of desert, snow or cloud alone, which is bright in every band without any offset; and one
with the offset whose darkest reflectance came out below 0, as happens over clear deep water, by more than a thousandth of
the pixels. Where the baseline is known it decides, and this does not.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands

DARK_QUANTILE = 0.001
"""Share of the pixels below the number that is taken as the darkest: single defective pixels do not decide."""


def dark_dn(numbers: NDArray[np.unsignedinteger], quantile: float = DARK_QUANTILE) -> int:
    """The digital number that a share of the valid pixels (above 0) does not exceed; ValueError where no pixel is valid."""
    if not 0 <= quantile <= 1:
        raise ValueError(f"{quantile} is no share of pixels. Give a number from 0 to 1.")
    valid = numbers[numbers > 0]
    if valid.size == 0:
        raise ValueError("No pixel has a digital number above 0, so none is the darkest. Leave the band out.")
    rank = min(int(quantile * valid.size), valid.size - 1)
    return int(np.partition(valid, rank)[rank])


def detected_offset(darkest: Mapping[str, int]) -> int:
    """`bands.S2_OFFSET_DN` where the darkest pixels of every band lie at or above its size, else 0; see the module's limits.

    `darkest` are digital numbers as stored, by band (`dark_dn`). ValueError without any band.
    """
    if not darkest:
        raise ValueError("No band was given, so nothing tells whether the offset is still in. Give dark_dn of every band.")
    return bands.S2_OFFSET_DN if min(darkest.values()) >= -bands.S2_OFFSET_DN else 0
