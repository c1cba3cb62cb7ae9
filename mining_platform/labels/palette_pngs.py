"""Labels as pictures of one channel with a palette: numbers for programs, colours for people."""

import io

import numpy as np
from numpy.typing import NDArray

from mining_platform.labels.recipes import NO_LABEL

DEFLATE_LEVEL = 6
SITE_BACKGROUND, SITE_CLOUD, SITE_MINING = 0, 1, 2
SITE_PALETTE = {
    SITE_BACKGROUND: (68, 1, 84),
    SITE_CLOUD: (32, 144, 140),
    SITE_MINING: (253, 231, 36),
    NO_LABEL: (255, 255, 255),
}
"""Colours of site labels: viridis at 0, 0.5 and 1, as the layout's authors drew them; white where there is no class."""


def palette_png(label: NDArray[np.uint8], told: str = "") -> bytes:
    """PNG of a label (y, x) with the values of SITE_PALETTE, 0, 1, 2 and 255, in its colours; `told`, if any, describes it.

    Equal labels give equal bytes. ValueError for other values.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    if unknown := sorted(set(np.unique(label).tolist()) - set(SITE_PALETTE)):
        raise ValueError(f"A label has the values {unknown}, not only {sorted(SITE_PALETTE)}. Write it as GeoTIFF.")
    picture, text = Image.fromarray(label), PngInfo()
    colours = np.zeros((256, 3), np.uint8)
    colours[list(SITE_PALETTE)] = list(SITE_PALETTE.values())
    picture.putpalette(colours.ravel().tolist())
    if told:
        text.add_text("Description", told)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=DEFLATE_LEVEL, pnginfo=text)
    return buffer.getvalue()
