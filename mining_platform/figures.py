"""How pictures look: the RGB stretch and the shared matplotlib style.

Pictures are bytes of PNG files without dates or software names, so that equal inputs give equal bytes.
Figures are made with `new_figure` inside `with styled():`, never through pyplot, which keeps global state.
"""

import io
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mining_platform import bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RGB_ROLES = ("red", "green", "blue")
RGB_MAX_REFLECTANCE = 0.3  # shown as 255; brighter pixels saturate. Bright tailings reach about 0.3 in the visible bands
RGB_GAMMA = 1.4  # output = (reflectance / RGB_MAX_REFLECTANCE) ** (1 / RGB_GAMMA): lifts dark forest, keeps tailings apart
FIGURE_DPI = 120
THUMBNAIL_PX, THUMBNAIL_QUALITY = 760, 82
TITLE_CHARACTERS = 84

INK, MUTED, GRID = "#1f2933", "#616e7c", "#e4e7eb"
SIMULATED_INK = "#b42318"
PALETTE = {
    "train": "#4c72b0",
    "val": "#dd9b3d",
    "test": "#b5446e",
    "buffer": "#c3c9d0",
    "mining": "#d1495b",
    "other": "#5b8c5a",
    "neutral": "#8a94a0",
}
"""Colours by meaning, told apart with deuteranopia as well."""

STYLE: Mapping[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # names of tables, regions and patches may hold dollar signs
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """The project's matplotlib style while a figure is made."""
    import matplotlib

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE, "backend": "agg"}):
        yield


def new_figure(width_in: float, height_in: float) -> "Figure":
    """An empty figure that fits its labels into its size (inches), independent of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=FIGURE_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def mark_title(title: str, *, simulated: bool) -> str:
    """The title, led by `SIMULATED` where the picture rests on simulated data."""
    return f"SIMULATED · {title}" if simulated and not title.upper().startswith("SIMULATED") else title


def title_lines(title: str, *, simulated: bool) -> str:
    """`mark_title` in lines that a figure of 7.5 inches holds in bold type of 11 points."""
    return textwrap.fill(mark_title(title, simulated=simulated), TITLE_CHARACTERS, break_on_hyphens=False)


def figure_png(fig: "Figure") -> bytes:
    """A matplotlib figure as PNG bytes without date and software name."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=FIGURE_DPI, metadata={"Software": None})
    return buffer.getvalue()


def pixels_png(pixels: np.ndarray) -> bytes:
    """(y, x, 3) or (y, x) uint8 as PNG bytes, one image pixel per array pixel."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def thumbnail_jpeg(png: bytes, width_px: int = THUMBNAIL_PX) -> bytes:
    """A PNG as JPEG bytes, at most `width_px` wide: about a tenth of the bytes, for event logs."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((width_px, width_px * 4))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def rgb_uint8(image: np.ndarray, channels: tuple[str, ...]) -> np.ndarray:
    """(band, y, x) uint16 reflectance x 10000 -> (y, x, 3) uint8 true colour; nodata stays black.

    Reflectance 0 to RGB_MAX_REFLECTANCE maps to 0 to 255 with gamma RGB_GAMMA, whatever the image holds.
    Raises ValueError when `channels` does not name each band, KeyError when red, green or blue is missing.
    """
    if image.ndim != 3 or image.shape[0] != len(channels):  # noqa: PLR2004 - band, y, x
        raise ValueError(f"Image of shape {image.shape} does not hold one band for each of {', '.join(channels)}.")
    rows = [channels.index(bands.band_of_role(role, channels)) for role in RGB_ROLES]
    return np.ascontiguousarray(_stretch_table()[image[rows]].transpose(1, 2, 0))


def _stretch_table() -> np.ndarray:
    """Display value of each possible uint16 pixel: (65536,) uint8."""
    reflectance = np.arange(65536) * bands.S2_SCALE
    stretched = np.clip(reflectance / RGB_MAX_REFLECTANCE, 0, 1) ** (1 / RGB_GAMMA)
    return np.round(255 * stretched).astype(np.uint8)
