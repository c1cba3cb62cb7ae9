"""Maps of agreement as pictures."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mining_platform.change_figures import AXES, GROUND, UNSEEN, reduced_shades, shaded_map
from mining_platform.comparisons.agreement_maps import BOTH, NO_DATA, ONLY_OURS, ONLY_THEIRS
from mining_platform.raster_files import opened_raster_file

SHADES: Mapping[int, tuple[int, str]] = {
    NO_DATA: (1, UNSEEN),
    ONLY_THEIRS: (2, "#2f6db5"),
    ONLY_OURS: (3, "#c1121f"),
    BOTH: (4, "#3b2a4a"),
}
"""Value of a map of agreement -> shade, the higher one seen where cells share a pixel, and colour."""
WORDS: Mapping[int, str] = {BOTH: "both", ONLY_OURS: "only ours", ONLY_THEIRS: "only theirs", NO_DATA: "no data"}


def agreement_picture(
    agreement: Path, *, title: str, simulated: bool, words: Mapping[int, str] = WORDS, axes: tuple[str, str] = AXES
) -> bytes:
    """PNG of a map of agreement; `words` are the names of its values, in their order below the map, `axes` of the axes."""
    colours = (GROUND, *(colour for _, colour in sorted(SHADES.values())))
    keys = {word: SHADES[value][1] for value, word in words.items()}
    with opened_raster_file(agreement) as source:
        return shaded_map(source, reduced_shades(source, _shade), colours, keys, title=title, simulated=simulated, axes=axes)


def _shade(values: NDArray[np.integer]) -> NDArray[np.integer]:
    shades = np.zeros(values.shape, np.uint8)
    for value, (shade, _) in SHADES.items():
        shades[values == value] = shade
    return shades


def stacked(pictures: Sequence[bytes]) -> bytes:
    """PNG of some pictures one below the other."""
    from PIL import Image

    opened = [Image.open(io.BytesIO(each), formats=["PNG"]).convert("RGB") for each in pictures]
    whole = Image.new("RGB", (max(each.width for each in opened), sum(each.height for each in opened)), "white")
    top = 0
    for each in opened:
        whole.paste(each, (0, top))
        top += each.height
    buffer = io.BytesIO()
    whole.save(buffer, format="PNG")
    return buffer.getvalue()
