from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from scipy.ndimage import binary_dilation, binary_opening

from mining_platform.clouds.morphology import dilate, opened
from mining_platform.clouds.rules import (
    CLOUD_CODES,
    CLOUD_RULES,
    NEVER_CLEAR_CODES,
    cleaned,
    clear_and_observed,
    masking_geobox,
    on_grid,
)
from mining_platform.grids import lattice_geobox
from mining_platform.profiles import PROFILES
from mining_platform.scenes import Scene

CLEAR = 4
SCL_RULE = CLOUD_RULES["scl"]


def clear_mask(scl: np.ndarray) -> np.ndarray:
    return ~cleaned(np.isin(scl, CLOUD_CODES), SCL_RULE) & ~np.isin(scl, NEVER_CLEAR_CODES)


def disc(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


def scene(code: int, rows: slice, columns: slice) -> np.ndarray:
    scl = np.full((60, 60), CLEAR, np.uint8)
    scl[rows, columns] = code
    return scl


def test_a_scene_of_vegetation_soil_and_water_is_clear() -> None:
    for code in (2, 4, 5, 6, 7, 11):
        assert clear_mask(np.full((20, 20), code, np.uint8)).all()


@pytest.mark.parametrize("code", [3, 8, 9, 10])
def test_a_cloud_masks_itself_and_five_pixels_around(code: int) -> None:
    clear = clear_mask(scene(code, slice(25, 35), slice(25, 35)))
    assert not clear[30, 20:40].any()
    assert clear[30, [19, 40]].all()


def test_bright_bare_soil_taken_for_cloud_in_a_speck_stays_clear() -> None:
    assert clear_mask(scene(9, slice(30, 34), slice(30, 34))).all()


def test_pixels_without_data_or_defective_are_never_clear_and_do_not_grow() -> None:
    for code in (0, 1):
        scl = scene(code, slice(30, 31), slice(30, 31))
        assert not clear_mask(scl)[30, 30]
        assert clear_mask(scl).sum() == scl.size - 1


def test_a_cloud_at_the_edge_is_not_eroded_from_outside() -> None:
    clear = clear_mask(scene(9, slice(0, 3), slice(0, 60)))
    assert not clear[:8].any()
    assert clear[8:].all()


@pytest.mark.parametrize("seed", range(4))
def test_dilation_and_opening_agree_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for share in (0.02, 0.3, 0.7, 0.95):
        mask = rng.random((50, 63)) < share
        for radius in (1, 2, 5):
            np.testing.assert_array_equal(dilate(mask, radius), binary_dilation(mask, disc(radius)))
        padded = np.pad(mask, 4, constant_values=True)
        inside = (slice(6, -6), slice(6, -6))
        np.testing.assert_array_equal(opened(padded, 2)[inside], binary_opening(padded, disc(2))[inside])


@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_a_scene_is_masked_as_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scl = np.where(rng.random((80, 80)) < 0.75, 9, CLEAR).astype(np.uint8)
    margin = SCL_RULE.margin_px
    part = clear_mask(scl[20 - margin : 60 + margin, 20 - margin : 60 + margin])
    np.testing.assert_array_equal(part[margin:-margin, margin:-margin], clear_mask(scl)[20:60, 20:60])


def test_ten_metre_pixels_take_the_twenty_metre_pixel_they_lie_in() -> None:
    geobox = lattice_geobox(600_010, 9_299_900, 600_100, 9_299_990, 32721)
    coarse = masking_geobox(geobox, SCL_RULE)
    assert coarse.boundingbox[:4] == (599_820, 9_299_720, 600_280, 9_300_180)
    values = np.zeros(coarse.shape, np.uint8)
    values[SCL_RULE.margin_px, SCL_RULE.margin_px + 1] = 1
    assert np.argwhere(on_grid(values, coarse, geobox)).tolist() == [[0, 1], [0, 2]]


GRID = lattice_geobox(600_000, 9_299_000, 601_000, 9_300_000, 32721)  # 100 x 100 pixels
SCENE = Scene(
    "S2_X", datetime(2024, 6, 1, 14, tzinfo=UTC), "2024-06-01", "sentinel-2a", "21MXN", 10, 3.1, 0, 32721, False, {},
    sun_azimuth_deg=90.0, sun_elevation_deg=45.0,
)  # fmt: skip
CHANNELS = PROFILES["s2-12"].channels


def reader(**layers: np.ndarray) -> Callable[[str, GeoBox], np.ndarray]:
    """Layers of GRID, read on any grid of 10 m or 20 m; bands that are not given are 2000, layers 0, and 0 beyond the grid."""

    def read(band_id: str, geobox: GeoBox) -> np.ndarray:
        whole = layers.get(band_id, np.full(GRID.shape, 2000 if band_id.startswith("B") else 0))
        rows = np.floor((GRID.affine.f - geobox.coordinates["y"].values) / 10).astype(int)
        columns = np.floor((geobox.coordinates["x"].values - GRID.affine.c) / 10).astype(int)
        inside = ((rows >= 0) & (rows < 100))[:, None] & ((columns >= 0) & (columns < 100))[None]
        return np.where(inside, whole[np.clip(rows, 0, 99)[:, None], np.clip(columns, 0, 99)[None]], 0).astype(np.uint16)

    return read


def clear_by(rule: str, scene: Scene = SCENE, **layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return clear_and_observed(CLOUD_RULES[rule], scene, CHANNELS, reader(**layers), GRID)


def square(value: int, rows: slice, columns: slice, rest: int = 0) -> np.ndarray:
    array = np.full(GRID.shape, rest)
    array[rows, columns] = value
    return array


def test_scl_tells_observed_from_clear() -> None:
    scl = square(9, slice(40, 60), slice(40, 60), rest=4)
    scl[:10] = 0
    clear, observed = clear_by("scl", SCL=scl)
    assert not observed[:10].any()
    assert observed[10:].all()
    assert not clear[50, 30:70].any()
    assert clear[50, [29, 70]].all()


def test_a_likely_cloud_of_given_probabilities_is_opened_and_grown_by_100_m() -> None:
    probability = square(41, slice(40, 60), slice(40, 60))
    probability[5:8, 5:8] = 100  # a speck
    clear, observed = clear_by("cloud-probability", CLP=probability, B08=np.full(GRID.shape, 4000))
    assert observed.all()
    assert not clear[50, 30:70].any()
    assert clear[50, [29, 70]].all()
    assert clear[6, 6]
    assert clear_by("cloud-probability", CLP=square(40, slice(40, 60), slice(40, 60)), B08=np.full(GRID.shape, 4000))[0].all()


def test_shadows_lie_away_from_the_sun_on_dark_ground() -> None:
    near_infrared = square(500, slice(0, 100), slice(0, 30), rest=4000)
    near_infrared[:, 80:] = 500
    clear, _ = clear_by("cloud-probability", CLP=square(90, slice(40, 60), slice(40, 60)), B08=near_infrared)
    assert not clear[50, :30].any()  # the sun stands in the east: shadow falls west
    assert clear[50, 80:].all()
    assert clear[5, :30].all()


@pytest.mark.parametrize("rule", ["cloud-probability", "s2cloudless"])
@pytest.mark.parametrize("azimuth_deg", [10.0, 135.0, 222.0])
def test_shadows_of_clouds_beyond_a_part_fall_into_it_as_in_the_whole(
    rule: str, azimuth_deg: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_coastal(reflectance: np.ndarray) -> np.ndarray:
        return reflectance[0] / 10_000

    monkeypatch.setattr("mining_platform.clouds.s2cloudless.cloud_probability", by_coastal)
    rng = np.random.default_rng(int(azimuth_deg))
    spots = binary_dilation(rng.random(GRID.shape) < 0.001, disc(5))
    layers = {"CLP": spots * 90, "B01": spots * 6000 + 2000, "B08": rng.integers(500, 4000, GRID.shape)}
    scene = replace(SCENE, sun_azimuth_deg=azimuth_deg)
    whole, _ = clear_by(rule, scene, **layers)
    assert 0.2 < whole.mean() < 0.98
    for top, left, side in ((0, 0, 7), (40, 55, 1), (61, 13, 33), (80, 80, 20)):
        part = GRID[top : top + side, left : left + side]
        clear, _ = clear_and_observed(CLOUD_RULES[rule], scene, CHANNELS, reader(**layers), part)
        np.testing.assert_array_equal(clear, whole[top : top + side, left : left + side])


def test_a_scene_without_sun_angles_cannot_have_its_shadows_projected() -> None:
    with pytest.raises(ValueError, match=r"Scene S2_X has no usable sun angles .* Choose a mosaic recipe"):
        clear_by("cloud-probability", replace(SCENE, sun_azimuth_deg=None), CLP=np.zeros(GRID.shape))


def test_cloud_score_plus_keeps_scores_of_75_per_cent_and_more() -> None:
    clear, observed = clear_by("cloud-score-plus", CSP=square(74, slice(0, 50), slice(0, 100), rest=75))
    assert observed.all()
    assert not clear[:50].any()
    assert clear[50:].all()


@pytest.mark.parametrize(("bits", "is_clear", "is_observed"), [
    (0b0100_0000, True, True),  # clear
    (0b0000_0001, False, False),  # fill
    (0b0000_0010, False, True),  # dilated cloud
    (0b0000_0100, False, True),  # cirrus
    (0b0000_1000, False, True),  # cloud
    (0b0001_0000, False, True),  # shadow
    (0b1000_0000, True, True),  # water
])  # fmt: skip
def test_landsat_quality_bits(bits: int, is_clear: bool, is_observed: bool) -> None:
    clear, observed = clear_by("qa-pixel", QA=np.full(GRID.shape, bits))
    assert (clear == is_clear).all()
    assert (observed == is_observed).all()


def test_without_a_rule_what_has_data_is_clear() -> None:
    clear, observed = clear_by("none", B04=square(0, slice(0, 10), slice(0, 100), rest=500))
    np.testing.assert_array_equal(clear, observed)
    assert not clear[:10].any()
    assert clear[10:].all()
