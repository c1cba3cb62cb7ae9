"""Pictures: the stretch, deterministic bytes, small copies for event logs."""

import io

import numpy as np
import pytest
from PIL import Image

from mining_platform import figures


def test_the_stretch_maps_black_to_black_and_saturates_bright_ground() -> None:
    image = np.array([0, 1500, 3000, 9000], np.uint16)[None, None].repeat(3, axis=0)
    pixels = figures.rgb_uint8(image, ("B04", "B03", "B02"))
    assert pixels.shape == (1, 4, 3)
    assert pixels[0, :, 0].tolist() == [0, round(255 * 0.5 ** (1 / figures.RGB_GAMMA)), 255, 255]


def test_channels_are_found_by_role_and_not_by_position() -> None:
    image = np.array([100, 200, 300], np.uint16)[:, None, None]
    by_name = figures.rgb_uint8(image, ("B02", "B03", "B04"))
    np.testing.assert_array_equal(by_name[..., ::-1], figures.rgb_uint8(image, ("B04", "B03", "B02")))


def test_an_image_without_a_visible_band_is_refused() -> None:
    with pytest.raises(KeyError, match="role 'blue'"):
        figures.rgb_uint8(np.zeros((2, 1, 1), np.uint16), ("B04", "B03"))


def test_equal_figures_give_equal_bytes_that_name_no_software() -> None:
    def drawn() -> bytes:
        with figures.styled():
            figure = figures.new_figure(3, 2)
            figure.subplots().plot([0, 1])
            return figures.figure_png(figure)

    assert drawn() == drawn()
    assert b"atplotlib" not in drawn()


def test_a_thumbnail_is_narrow_and_keeps_the_proportions() -> None:
    noise = np.random.default_rng(7).integers(0, 255, (1000, 2000, 3), np.uint8)
    png = figures.pixels_png(noise)
    small = Image.open(io.BytesIO(figures.thumbnail_jpeg(png, 500)))
    assert small.size == (500, 250)
    assert len(figures.thumbnail_jpeg(png, 500)) < len(png) / 10


def test_simulated_titles_say_so_once() -> None:
    assert figures.mark_title("Mosaic", simulated=True) == "SIMULATED · Mosaic"
    assert figures.mark_title("SIMULATED patches", simulated=True) == "SIMULATED patches"
    assert figures.mark_title("Mosaic", simulated=False) == "Mosaic"
