"""Evidence about mosaics: clouds stand out and mines do not, offsets left in or taken twice show, masks that eat mines show."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_opening

from mining_platform.compositing.recipes import RECIPES
from mining_platform.labels.mapbiomas import label_on_grid
from mining_platform.mosaic_quality import bright_soil_loss, evidence, hot, remnant_map
from mining_platform.mosaics import compose
from mining_platform.sources import stac
from tests.synthetic import CLOUD, NODATA, TinyScene, region, write_catalogue, write_land_cover

RGB = ("B04", "B03", "B02")
FOREST, SOIL, WHITE = (300, 500, 250), (2600, 2100, 1600), (5000, 5000, 5200)
"""Red, green and blue of forest, bright bare soil and cloud."""


def mosaic_of(tmp_path: Path, scenes: list[TinyScene], blocks: Any = None, px: int = 120) -> Path:
    place = region(px, px, catalogue=write_catalogue(tmp_path / "stac", scenes))
    table = stac.list_scenes(place, 2024)
    compose(place, table, RGB, tmp_path / "out", recipe=RECIPES["scl-median"], blocks=blocks)
    return tmp_path / "out" / "mosaic.zarr"


def painted(rng: np.random.Generator, *patches: Any, px: int = 120) -> dict[str, Any]:
    """Bands of forest with some noise, and squares of another colour."""
    bands = {name: value + rng.integers(-30, 31, (px, px)) for name, value in zip(RGB, FOREST, strict=True)}
    for where, colours in patches:
        for name, value in zip(RGB, colours, strict=True):
            bands[name][where] = value
    return bands


def disc(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


def on_day(day: int, **fields: Any) -> TinyScene:
    return TinyScene(f"S2_{day:02d}", when=f"2024-06-{day:02d}T14:00:00Z", **fields)


MINE, LEFT = np.s_[20:60, 20:60], np.s_[90:102, 90:110]


def test_hot_is_high_on_clouds_and_low_on_soil() -> None:
    assert hot(np.array(WHITE[2]), np.array(WHITE[0])) == 2700
    assert hot(np.array(SOIL[2]), np.array(SOIL[0])) == 300
    assert hot(np.array(7), np.array(5)) == 4


def test_a_cloud_that_is_left_is_scored_and_a_bright_mine_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ground = painted(rng, (MINE, SOIL))
    missed = painted(rng, (MINE, SOIL), (LEFT, WHITE))
    clean = evidence(mosaic_of(tmp_path / "a", [on_day(1, values=ground), on_day(6, values=ground), on_day(11, values=ground)]))
    assert clean["remnant_score"] == 0
    dirty = mosaic_of(tmp_path / "b", [on_day(1, values=ground), on_day(6, values=missed), on_day(11, values=missed)])
    found = evidence(dirty)
    assert found["remnant_score"] == pytest.approx(240 / 14_400)
    shown = remnant_map(dirty, found["remnant_fences"], 2)
    assert shown[45:51, 45:55].all()
    assert shown.sum() == 60


def test_the_same_evidence_comes_from_chunks_as_from_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    left = np.s_[500:530, 500:530]
    scene = on_day(1, values=painted(rng, (left, WHITE), px=600), width_px=600, height_px=600)
    whole = mosaic_of(tmp_path / "a", [scene], px=600)
    assert evidence(whole)["remnant_score"] == pytest.approx(900 / 360_000)
    part = mosaic_of(tmp_path / "b", [scene], blocks=[(0, 0)], px=600)
    assert evidence(part)["remnant_score"] == pytest.approx(144 / 512**2)


def test_a_mosaic_without_any_value_has_no_score(tmp_path: Path) -> None:
    found = evidence(mosaic_of(tmp_path, [on_day(1, scl=CLOUD)]))
    assert found == dict.fromkeys(["remnant_score", "remnant_fences", "ground_hot_dn", "dark_dn", "floor_share"])


def test_a_mosaic_that_is_all_cloud_has_no_ground_to_be_compared_with(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    everywhere = np.s_[:, :]
    cloudy = evidence(mosaic_of(tmp_path / "a", [on_day(1, values=painted(rng, (everywhere, WHITE)))]))
    assert cloudy["remnant_score"] == 0
    assert cloudy["ground_hot_dn"] == 2700
    clear = evidence(mosaic_of(tmp_path / "b", [on_day(1, values=painted(rng))]))
    assert clear["ground_hot_dn"] == pytest.approx(100, abs=5)


def test_bright_sand_is_no_cloud_and_a_single_pixel_has_a_score(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    sand = (4200, 3400, 2800)
    found = evidence(mosaic_of(tmp_path / "a", [on_day(1, values=painted(rng, (MINE, sand)))]))
    assert found["remnant_score"] == 0
    scl = np.full((60, 60), NODATA)
    scl[30, 30] = 4
    one = evidence(mosaic_of(tmp_path / "b", [on_day(1, values=painted(rng), scl=scl)]))
    assert one["remnant_score"] == 0
    assert 200 < one["dark_dn"]["B02"] < 300


def test_a_label_of_another_grid_is_refused(tmp_path: Path) -> None:
    path = mosaic_of(tmp_path, [on_day(1)])
    cover = write_land_cover(tmp_path / "cover.tif", np.full((40, 40), 3, np.uint8))
    box = region(120, 120).geobox
    label_on_grid(cover, box.translate_pix(1, 0), tmp_path, blocks=None)
    with pytest.raises(ValueError, match=r"Label and mosaic have different grids, .* Make both anew"):
        bright_soil_loss(path, tmp_path / "label.zarr", [30])


def test_dark_pixels_tell_an_offset_left_in_from_one_taken_twice(tmp_path: Path) -> None:
    forest = painted(np.random.default_rng(3))
    with_offset = {name: values + 1000 for name, values in forest.items()}
    right = evidence(mosaic_of(tmp_path / "a", [on_day(1, values=with_offset, baseline="05.10")]))
    left_in = evidence(mosaic_of(tmp_path / "b", [on_day(1, values=with_offset, baseline="03.01")]))
    twice = evidence(mosaic_of(tmp_path / "c", [on_day(1, values=forest, baseline="05.10")]))
    assert right["dark_dn"]["B02"] == pytest.approx(220, abs=1)
    assert left_in["dark_dn"]["B02"] == pytest.approx(1220, abs=1)
    assert right["floor_share"] == {"B04": 0, "B03": 0, "B02": 0}
    assert twice["floor_share"] == {"B04": 1, "B03": 1, "B02": 1}


def test_a_mask_that_eats_the_mine_is_seen(tmp_path: Path) -> None:
    classes = np.full((40, 40), 3, np.uint8)  # 30 m pixels
    classes[10:20, 10:20] = 30
    cover = write_land_cover(tmp_path / "cover.tif", classes)
    eaten = np.full((60, 60), 4)
    eaten[15:30, 15:30] = CLOUD  # the mine, in 20 m pixels
    scenes = [on_day(1, scl=eaten), on_day(6)]
    path = mosaic_of(tmp_path, scenes)
    label_on_grid(cover, region(120, 120).geobox, tmp_path, blocks=None)
    found = bright_soil_loss(path, tmp_path / "label.zarr", [30])
    assert found["mining_pixels"] == 900
    assert found["bright_soil_loss"] == 0.5
    masked = binary_dilation(binary_opening(eaten == CLOUD, disc(2)), disc(5))
    assert found["other_loss"] == pytest.approx((4 * int(masked.sum()) - 900) / (14_400 - 900) / 2)
    assert found["never_clear_share"] == 0
    nothing = bright_soil_loss(path, tmp_path / "label.zarr", [99])
    assert nothing["bright_soil_loss"] is None
