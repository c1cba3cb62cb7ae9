import os
import signal
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from mining_platform.chunks import blocks_of_windows
from mining_platform.compositing.recipes import RECIPES, MosaicRecipe
from mining_platform.mosaic_arrays import computed_blocks, open_mosaic, read_window
from mining_platform.mosaic_figures import MISSING_GREY, preview
from mining_platform.mosaics import MosaicError, compose
from mining_platform.scenes import Scene, harmonised, scenes_of, solar_days
from mining_platform.sources import router, stac
from mining_platform.sources.protocol import SourceError
from mining_platform.zarr_arrays import ArrayError
from tests.synthetic import CLOUD, LEFT_M, NODATA, TOP_M, TinyScene, region, write_catalogue

CHANNELS = ("B04", "B03", "B02", "B11", "B01")
MEDIAN = RECIPES["scl-median"]


def composed(
    tmp_path: Path, scenes: list[TinyScene], *, px: int = 120, blocks: Any = None, recipe: MosaicRecipe = MEDIAN
) -> tuple[np.ndarray, np.ndarray, dict]:
    place = region(px, px, catalogue=write_catalogue(tmp_path / "stac", scenes))
    facts = compose(place, stac.list_scenes(place, 2024), CHANNELS, tmp_path / "out", recipe=recipe, blocks=blocks)
    if blocks is not None:
        return np.zeros(0), np.zeros(0), facts
    image, count = read_window(tmp_path / "out" / "mosaic.zarr", place.geobox.boundingbox)
    return image, count, facts


def a_scene(**fields: Any) -> Scene:
    told = {"offset_dn": 0, **fields}
    return Scene(
        "S", datetime(2024, 6, 1, tzinfo=UTC), "2024-06-01", "s", "21MXN", 0, 0, epsg=32721, simulated=False, hrefs={}, **told
    )


def on_day(day: int, **fields: Any) -> TinyScene:
    return TinyScene(f"S2_{day:02d}", when=f"2024-06-{day:02d}T14:00:00Z", **fields)


def test_the_mosaic_is_the_median_of_the_dates(tmp_path: Path) -> None:
    image, count, _ = composed(tmp_path, [on_day(1, values=900), on_day(6, values=5000), on_day(11, values=1000)])
    assert np.unique(image) == 1000
    assert np.unique(count) == 3


def test_two_middle_values_are_averaged_half_up(tmp_path: Path) -> None:
    image, _, _ = composed(tmp_path, [on_day(1, values=900), on_day(6, values=1001)])
    assert np.unique(image) == 951


def test_a_pixel_cloudy_in_every_scene_stays_empty(tmp_path: Path) -> None:
    scl = np.full((60, 60), 4)
    scl[20:40, 20:40] = CLOUD
    image, count, facts = composed(tmp_path, [on_day(1, scl=scl), on_day(6, scl=scl)])
    assert not image[:, 60, 60].any()
    assert count[60, 60] == 0
    assert image[:, 5, 5].all()
    assert facts["gap_share"] == pytest.approx((count == 0).mean())
    assert facts["clear_count_min"] == 0
    assert facts["clear_count_median"] == 2


def test_a_cloudy_date_does_not_enter_the_median(tmp_path: Path) -> None:
    image, count, _ = composed(tmp_path, [on_day(1, values=9000, scl=CLOUD), on_day(6, values=700), on_day(11, values=800)])
    assert np.unique(image) == 750
    assert np.unique(count) == 2


def test_the_offset_of_baseline_4_is_removed_and_older_numbers_are_kept(tmp_path: Path) -> None:
    image, _, facts = composed(tmp_path, [on_day(1, values=1800, baseline="05.10"), on_day(6, values=600, baseline="03.01")])
    assert np.unique(image) == 700
    assert [scene["offset_dn"] for scene in facts["scenes"]] == [-1000, 0]


def test_harmonised_numbers_are_at_least_1_and_no_data_stays_0() -> None:
    numbers = np.array([0, 1, 999, 1000, 1001, 5000], np.uint16)
    assert harmonised(numbers, a_scene(offset_dn=-1000)).tolist() == [0, 1, 1, 1, 1, 4000]


def test_landsat_numbers_become_reflectance_x_10000() -> None:
    numbers = np.array([0, 1, 7273, 43_636, 65_535], np.uint16)
    assert harmonised(numbers, a_scene(gain=0.275, offset_dn=-2000)).tolist() == [0, 1, 1, 10_000, 16_022]


def test_scenes_of_one_solar_day_count_once_and_fill_each_others_gaps(tmp_path: Path) -> None:
    left = np.full((60, 60), 4)
    left[:, 30:] = NODATA
    scenes = [
        TinyScene("S2_A", when="2024-06-01T14:00:00Z", values=500, scl=left, cloud_pct=1),
        TinyScene("S2_B", when="2024-06-01T14:00:20Z", values=800, cloud_pct=5),
    ]
    image, count, facts = composed(tmp_path, scenes)
    assert np.unique(image[:, :, :60]) == 500
    assert np.unique(image[:, :, 60:]) == 800
    assert np.unique(count) == 1
    assert (facts["scene_count"], facts["solar_days"]) == (2, 1)


def test_the_solar_day_is_the_local_one_and_orders_by_cloud(tmp_path: Path) -> None:
    scenes = [
        TinyScene("S2_A", when="2024-06-02T01:00:00Z", cloud_pct=9),
        TinyScene("S2_B", when="2024-06-01T14:00:00Z", cloud_pct=2),
        TinyScene("S2_C", when="2024-06-02T14:00:00Z", cloud_pct=2),
    ]
    place = region(catalogue=write_catalogue(tmp_path, scenes))
    days = solar_days(scenes_of(stac.list_scenes(place, 2024)))
    assert [[scene.scene_id for scene in day] for day in days] == [["S2_B", "S2_A"], ["S2_C"]]


def test_a_pixel_without_data_in_one_band_is_a_gap_in_all(tmp_path: Path) -> None:
    red = np.full((120, 120), 400)
    red[3, 4] = 0
    image, count, _ = composed(tmp_path, [on_day(1, values={"B04": red})])
    assert not image[:, 3, 4].any()
    assert count[3, 4] == 0
    assert image[:, 3, 5].all()


def test_the_grid_need_not_begin_at_a_corner_of_a_scene(tmp_path: Path) -> None:
    gradient = np.arange(240 * 240).reshape(240, 240) % 60_000 + 1
    scene = on_day(1, values={"B04": gradient}, left_m=LEFT_M - 600, top_m=TOP_M + 600, width_px=240, height_px=240)
    image, _, _ = composed(tmp_path, [scene])
    np.testing.assert_array_equal(image[0], gradient[60:180, 60:180])


def test_sparse_chunks_hold_the_same_pixels_as_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    red = rng.integers(1, 6000, (600, 600))
    scl = np.where(rng.random((300, 300)) < 0.2, CLOUD, 4)
    scenes = [
        on_day(1 + 5 * k, values={"B04": np.roll(red, k)}, scl=np.roll(scl, k), width_px=600, height_px=600) for k in range(3)
    ]
    image, count, _ = composed(tmp_path / "whole", scenes, px=600)
    _, _, facts = composed(tmp_path / "sparse", scenes, px=600, blocks=[(0, 1), (1, 1)])
    sparse = open_mosaic(tmp_path / "sparse" / "out" / "mosaic.zarr")
    window = (LEFT_M + 5200, TOP_M - 5800, LEFT_M + 6000, TOP_M - 4800)
    found, clear = read_window(sparse, window)
    np.testing.assert_array_equal(found, image[:, 480:580, 520:600])
    np.testing.assert_array_equal(clear, count[480:580, 520:600])
    assert facts["computed_chunks"] == [[0, 1], [1, 1]]
    assert computed_blocks(tmp_path / "sparse" / "out" / "mosaic.zarr") == [(0, 1), (1, 1)]
    with pytest.raises(ArrayError, match=r"c/0/0/0 .* are missing"):
        read_window(sparse, (LEFT_M, TOP_M - 100, LEFT_M + 100, TOP_M))


def test_windows_name_the_chunks_they_touch() -> None:
    geobox = region(1300, 1100).geobox
    corner = (LEFT_M + 5000, TOP_M - 6280, LEFT_M + 6280, TOP_M - 5000)
    assert blocks_of_windows(geobox, [corner]) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert blocks_of_windows(geobox, [(LEFT_M, TOP_M - 5120, LEFT_M + 5120, TOP_M)]) == [(0, 0)]
    with pytest.raises(ValueError, match="leaves the grid"):
        blocks_of_windows(geobox, [(LEFT_M - 10, TOP_M - 100, LEFT_M + 100, TOP_M)])
    with pytest.raises(ValueError, match="off the pixel lattice"):
        blocks_of_windows(geobox, [(LEFT_M + 5, TOP_M - 100, LEFT_M + 105, TOP_M)])


def test_equal_scenes_give_equal_bytes(tmp_path: Path) -> None:
    scenes = [on_day(1, values=1800, baseline="05.10"), on_day(6, values=600)]
    composed(tmp_path / "a", scenes)
    composed(tmp_path / "b", scenes)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a" / "out").rglob("*") if path.is_file())
    assert len(files) == 11
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_zarr_python_and_xarray_read_it_unchanged(tmp_path: Path) -> None:
    image, count, _ = composed(tmp_path, [on_day(1, values=700)])
    path = tmp_path / "out" / "mosaic.zarr"
    np.testing.assert_array_equal(zarr.open_group(path, mode="r")["image"][:], image)
    opened = xr.open_zarr(path, consolidated=False)
    np.testing.assert_array_equal(opened["clear_count"].to_numpy(), count)
    assert opened["image"].dims == ("band", "y", "x")
    assert float(opened["x"][0]) == LEFT_M + 5
    assert opened.attrs["channels"] == list(CHANNELS)


def test_the_simulated_mark_reaches_the_mosaic(tmp_path: Path) -> None:
    _, _, facts = composed(tmp_path, [on_day(1, properties={"simulated": True})])
    assert facts["simulated"]
    assert open_mosaic(tmp_path / "out" / "mosaic.zarr").simulated


def test_a_truncated_raster_is_refused_by_scene_and_band(tmp_path: Path) -> None:
    place = region(catalogue=write_catalogue(tmp_path / "stac", [on_day(1)]))
    scenes = stac.list_scenes(place, 2024)
    raster = tmp_path / "stac" / "s2" / "S2_01" / "B03.tif"
    raster.write_bytes(raster.read_bytes()[:-200])
    with pytest.raises(SourceError, match=r"scene S2_01, band B03: the raster .*has \d+ bytes where"):
        compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)
    assert not (tmp_path / "out").exists()


def test_a_flipped_bit_in_a_scene_is_refused(tmp_path: Path) -> None:
    place = region(catalogue=write_catalogue(tmp_path / "stac", [on_day(1)]))
    scenes = stac.list_scenes(place, 2024)
    raster = tmp_path / "stac" / "s2" / "S2_01" / "B11.tif"
    content = bytearray(raster.read_bytes())
    content[-5] ^= 1
    raster.write_bytes(content)
    with pytest.raises(SourceError, match=r"band B11: the raster .*has another sha2-256"):
        compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)


@pytest.mark.parametrize(
    ("recipe", "expected"), [("scl-median", 1000), ("scl-p25", 950), ("scl-medoid", 1000), ("all-median", 1000)]
)
def test_a_recipe_decides_the_reduction(tmp_path: Path, recipe: str, expected: int) -> None:
    days = [on_day(1, values=900), on_day(6, values=5000), on_day(11, values=1000)]
    image, count, facts = composed(tmp_path, days, recipe=RECIPES[recipe])
    assert np.unique(image) == expected
    assert np.unique(count) == 3
    assert facts["recipe"] == recipe


def test_the_medoid_takes_all_bands_of_one_day(tmp_path: Path) -> None:
    days = [
        on_day(1, values={"B04": 100, "B03": 900, "B02": 300, "B11": 700, "B01": 500}),
        on_day(6, values={"B04": 200, "B03": 800, "B02": 200, "B11": 800, "B01": 400}),
        on_day(11, values={"B04": 300, "B03": 100, "B02": 100, "B11": 900, "B01": 9000}),
    ]
    image, _, _ = composed(tmp_path, days, recipe=RECIPES["scl-medoid"])
    assert image[:, 7, 7].tolist() == [200, 800, 200, 800, 400]


def test_coarse_bands_keep_their_native_values_or_are_interpolated_as_the_recipe_says(tmp_path: Path) -> None:
    native = np.arange(3600).reshape(60, 60) + 100
    nearest, _, _ = composed(tmp_path / "a", [on_day(1, values={"B11": native})])
    np.testing.assert_array_equal(nearest[3], np.kron(native, np.ones((2, 2))))
    between, _, _ = composed(tmp_path / "b", [on_day(1, values={"B11": native})], recipe=RECIPES["scl-median-bilinear"])
    assert between[3, 1, 1] == round(0.75 * 0.75 * 100 + 0.25 * 0.75 * (101 + 160) + 0.25 * 0.25 * 161)


def test_many_days_are_composed_in_low_strips_with_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    scenes = [
        on_day(1 + 5 * k, values={"B04": rng.integers(1, 6000, (120, 120))}, scl=np.where(rng.random((60, 60)) < 0.1, CLOUD, 4))
        for k in range(4)
    ]
    whole = composed(tmp_path / "a", scenes)[:2]
    monkeypatch.setattr("mining_platform.compositing.composites.STRIP_BYTES", 4 * 120 * 3 * 17)
    for one, other in zip(whole, composed(tmp_path / "b", scenes)[:2], strict=True):
        np.testing.assert_array_equal(one, other)


class Interrupted:
    """The router, but composites beyond the first few fail or kill the process; counts those that were made."""

    def __init__(self, allowed: int, *, kill: bool = False) -> None:
        self.allowed, self.kill, self.made = allowed, kill, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(router, name)

    def parallel_composites(self, _region: Any) -> int:
        return 1

    def composite(self, *arguments: Any) -> Any:
        if self.made == self.allowed:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise SourceError("the line went down")
        self.made += 1
        return router.composite(*arguments)


def wide_scenes(tmp_path: Path) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    scenes = [
        on_day(
            1 + 5 * k,
            values={"B04": rng.integers(1, 6000, (120, 3200))},
            width_px=3200,
            scl=4 + 5 * (rng.random((60, 1600)) < 0.1),
        )
        for k in range(2)
    ]
    place = region(3200, 120, catalogue=write_catalogue(tmp_path / "stac", scenes))
    return place, stac.list_scenes(place, 2024)


def compose_until_killed(place: Any, scenes: Any, out: Path) -> None:
    compose(place, scenes, CHANNELS, out, recipe=MEDIAN, blocks=None, source=Interrupted(3, kill=True))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_interrupted_mosaic_goes_on_with_the_chunks_that_are_there(tmp_path: Path) -> None:
    place, scenes = wide_scenes(tmp_path)
    whole = compose(place, scenes, CHANNELS, tmp_path / "whole", recipe=MEDIAN, blocks=None)
    with pytest.raises(SourceError, match="the line went down"):
        compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None, source=Interrupted(2))
    assert len(computed_blocks(tmp_path / "out" / "mosaic.zarr")) == 4
    rest = Interrupted(99)
    facts = compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None, source=rest)
    assert rest.made == 2
    assert facts == whole
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_a_killed_mosaic_goes_on_and_a_torn_chunk_is_made_anew(tmp_path: Path) -> None:
    place, scenes = wide_scenes(tmp_path)
    compose(place, scenes, CHANNELS, tmp_path / "whole", recipe=MEDIAN, blocks=None)
    child = get_context("spawn").Process(target=compose_until_killed, args=(place, scenes, tmp_path / "out"))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    mosaic = tmp_path / "out" / "mosaic.zarr"
    torn = mosaic / "image" / "c" / "0" / "0" / "1"
    torn.write_bytes(torn.read_bytes()[:-50])
    (mosaic / "image" / "c" / "0" / "0" / "6.__lock").write_bytes(b"half")
    rest = Interrupted(99)
    compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None, source=rest)
    assert rest.made == 2
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def half_made(tmp_path: Path) -> tuple[Any, Any, Path]:
    """A region, its scenes, and `out` with two of seven chunks composed; `whole` beside it was never interrupted."""
    place, scenes = wide_scenes(tmp_path)
    compose(place, scenes, CHANNELS, tmp_path / "whole", recipe=MEDIAN, blocks=None)
    with pytest.raises(SourceError, match="the line went down"):
        compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None, source=Interrupted(1))
    return place, scenes, tmp_path / "out" / "mosaic.zarr"


@pytest.mark.parametrize("name", ["zarr.json", "image/zarr.json", "x/zarr.json", "x/c/0", "clear_count/c/0/1", "image/c/0/0/0"])
@pytest.mark.parametrize("content", [b"", b'{"attributes": '])
def test_any_file_torn_by_a_power_cut_is_made_anew(tmp_path: Path, name: str, content: bytes) -> None:
    place, scenes, mosaic = half_made(tmp_path)
    (mosaic / name).write_bytes(content)
    compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_what_an_unfinished_mosaic_should_not_hold_never_gets_into_it(tmp_path: Path) -> None:
    place, scenes, mosaic = half_made(tmp_path)
    for name in ("image/c/0/7/7", "image/c/1/0/0", "clear_count/c/7/7", "image/c/0/0/note", "image/c/note", "note", "y/c/9"):
        (mosaic / name).parent.mkdir(parents=True, exist_ok=True)
        (mosaic / name).write_bytes(b"planted")
    (mosaic / "image" / "c" / "0" / "0" / "5").symlink_to(mosaic / "image" / "c" / "0" / "0" / "0")
    compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_chunks_that_are_no_longer_asked_for_are_removed(tmp_path: Path) -> None:
    place, scenes = wide_scenes(tmp_path)
    compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=[(0, 0), (0, 3)])
    facts = compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=[(0, 3)], source=Interrupted(0))
    assert computed_blocks(tmp_path / "out" / "mosaic.zarr") == facts_blocks(facts) == [(0, 3)]
    assert facts["computed_pixels"] == place.geobox.shape[0] * 512


def facts_blocks(facts: dict[str, Any]) -> list[tuple[int, ...]]:
    return [tuple(block) for block in facts["computed_chunks"]]


def test_a_folder_of_that_name_that_somebody_else_made_is_left_alone(tmp_path: Path) -> None:
    place, scenes = wide_scenes(tmp_path)
    others = tmp_path / "out" / "mosaic.zarr" / "reflectance" / "0.0"
    others.parent.mkdir(parents=True)
    others.write_bytes(b"years of work")
    with pytest.raises(MosaicError, match=r"holds 'reflectance', which no mosaic has. Choose another folder"):
        compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)
    assert others.read_bytes() == b"years of work"


@pytest.mark.parametrize("changed", ["compositing.recipes.PIXELS_VERSION", "clouds.rules.model_digest"])
def test_chunks_of_other_code_or_another_cloud_model_are_never_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    place, scenes = wide_scenes(tmp_path)
    compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=[(0, 0)])
    name = changed.rsplit(".", maxsplit=1)[1]
    monkeypatch.setattr(f"mining_platform.mosaics.{name}", "other" if name.isupper() else lambda _: "other")
    with pytest.raises(MosaicError, match="made by other code or another cloud model"):
        compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)


def test_chunks_of_another_mosaic_are_never_kept(tmp_path: Path) -> None:
    place, scenes = wide_scenes(tmp_path)
    compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=[(0, 0)])
    with pytest.raises(MosaicError, match="holds a mosaic of other scenes, channels, recipe or grid, or made by other code"):
        compose(place, scenes.iloc[:1], CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)


def test_an_empty_list_of_scenes_is_refused(tmp_path: Path) -> None:
    place = region(catalogue=write_catalogue(tmp_path / "stac", [on_day(1)]))
    with pytest.raises(SourceError, match="the list of scenes is empty"):
        compose(place, stac.list_scenes(place, 2024).iloc[:0], CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None)


def test_progress_ends_at_one(tmp_path: Path) -> None:
    told: list[float] = []
    place = region(catalogue=write_catalogue(tmp_path / "stac", [on_day(1)]))
    scenes = stac.list_scenes(place, 2024)
    compose(place, scenes, CHANNELS, tmp_path / "out", recipe=MEDIAN, blocks=None, progress=lambda _, share: told.append(share))
    assert told == [1.0]


def test_a_preview_shows_composed_chunks_and_greys_the_rest(tmp_path: Path) -> None:
    composed(tmp_path, [on_day(1, values=3000, width_px=600, height_px=600)], px=600, blocks=[(0, 0)])
    picture = preview(tmp_path / "out" / "mosaic.zarr", longest_px=60)
    assert picture.shape == (60, 60, 3)
    assert (picture[:51, :51] == 255).all()
    assert (picture[52:, 52:] == MISSING_GREY).all()
