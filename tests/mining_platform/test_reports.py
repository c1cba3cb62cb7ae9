"""Pictures of the report: drawings stay PNG, photographs become small."""

import base64
import io

import numpy as np
from PIL import Image

from mining_platform import figures, reports


def test_a_drawing_stays_as_it_is() -> None:
    png = figures.pixels_png(np.zeros((50, 80, 3), np.uint8))
    picture = reports.picture_of("splits", png)
    assert (picture.caption, picture.media_type) == ("splits", "image/png")
    assert base64.b64decode(picture.encoded) == png


def test_a_photograph_becomes_a_jpeg_no_wider_than_the_page() -> None:
    smooth = np.kron(np.random.default_rng(1).integers(0, 255, (150, 300, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    png = figures.pixels_png(smooth + np.random.default_rng(2).integers(0, 9, smooth.shape).astype(np.uint8))
    picture = reports.picture_of("patches", png)
    small = base64.b64decode(picture.encoded)
    assert (picture.media_type, Image.open(io.BytesIO(small)).format) == ("image/jpeg", "JPEG")
    assert Image.open(io.BytesIO(small)).size == (reports.PHOTO_PX, reports.PHOTO_PX // 2)
    assert len(small) < len(png) / 5
    assert reports.picture_of("patches", png) == picture


def test_every_kind_of_preview_has_one_section() -> None:
    kinds = [kind for kind, _, _ in reports.SECTIONS]
    assert len(set(kinds)) == len(kinds)
    assert {"package", "patches", "manifest", "splits"} <= set(kinds)
