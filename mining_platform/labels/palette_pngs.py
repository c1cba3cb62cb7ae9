"""Labels as pictures of one channel with a palette: numbers for programs, colours for people."""

import io

import numpy as np
from numpy.typing import NDArray

from mining_platform.packages.patch_files import DEFLATE_LEVEL, SITE_PALETTE


def palette_png(label: NDArray[np.uint8], told: str) -> bytes:
    """PNG of a label (y, x) with the values of SITE_PALETTE, 0, 1, 2 and 255, in its colours; `told` becomes its description.

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
    text.add_text("Description", told)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=DEFLATE_LEVEL, pnginfo=text)
    return buffer.getvalue()
