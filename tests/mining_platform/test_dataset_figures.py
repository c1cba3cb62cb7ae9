"""Contact sheets: which patches a row shows, the outline of the label, the pixels as they are, equal bytes."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mining_platform import dataset_figures, patch_sheets
from mining_platform.dataset_figures import release_sheet, store_sheet
from mining_platform.grids import window_id
from mining_platform.patch_sheets import OUTLINE, TILE_PX, SheetRow, outline, patch_sheet, true_colour
from mining_platform.patches import read_attributes
from tests.mining_platform.patch_stores import write_pixels

CHANNELS = ("B11", "B02", "B03", "B04")
PX = 16
CYAN = tuple(int(OUTLINE[at : at + 2], 16) for at in (1, 3, 5))


def table(count: int = 20) -> pd.DataFrame:
    """Patches of two regions: the even ones without mining, the others at 15 %; the first is dropped."""
    rows = [(window_id(32721, 500_000 + 160 * k, 9_300_000, PX), ("a", "b")[k % 3 == 0], 2024, k) for k in range(count)]
    made = pd.DataFrame(rows, columns=["window_id", "region", "year", "store_row"])
    mining = made["store_row"] % 2 == 1
    ranges = np.where(mining, "010_020", "000")
    return made.assign(range=ranges, is_mining=mining, share=np.where(mining, 0.15, 0.0), dropped=made["store_row"] == 0)


def images(_region: str, _year: int, rows: Sequence[int]) -> np.ndarray:
    """Red, green and blue as bright as the store row says."""
    return np.stack([np.full((len(CHANNELS), PX, PX), 100 + 100 * row, np.uint16) for row in rows])


def labels(_region: str, _year: int, rows: Sequence[int]) -> np.ndarray:
    """A square of mining in the patches with mining."""
    out = np.zeros((len(rows), PX, PX), np.uint8)
    out[np.asarray(rows) % 2 == 1, 4:8, 4:8] = 1
    return out


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[SheetRow]:
    """The rows of the sheets that are drawn."""
    rows: list[SheetRow] = []

    def caught(given: Sequence[SheetRow], title: str, **options: Any) -> bytes:
        rows.extend(given)
        return patch_sheet(given, title, **options)

    monkeypatch.setattr(dataset_figures, "patch_sheet", caught)
    return rows


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_each_range_is_a_row_with_its_name_and_those_without_patches_are_there(drawn: list[SheetRow]) -> None:
    release_sheet(table(), images, labels, CHANNELS, "Patches", False)
    counts = {row.name: len(row.images) for row in drawn}
    assert list(counts)[:3] == ["0 %", "0–10 %", "10–20 %"]
    assert list(counts)[-1] == "90–100 %"
    assert {name: count for name, count in counts.items() if count} == {"0 %": 6, "10–20 %": 6}
    assert drawn[2].notes == ["15 %"] * 6


def test_dropped_patches_are_not_shown_and_pixels_belong_to_their_patch(drawn: list[SheetRow]) -> None:
    release_sheet(table(8), images, labels, CHANNELS, "Patches", False)
    stored = {int(row): true_colour(images("", 0, [row])[0], CHANNELS)[0, 0, 0] for row in range(8)}
    shown = {int(value) for value in drawn[0].images[:, 0, 0, 0]}
    assert shown == {stored[row] for row in (2, 4, 6)}
    assert {int(value) for value in drawn[2].images[:, 0, 0, 0]} == {stored[row] for row in (1, 3, 5, 7)}
    assert drawn[2].labels[:, 5, 5].tolist() == [1] * 4


def test_the_order_of_the_table_and_more_patches_in_other_ranges_change_no_row(drawn: list[SheetRow]) -> None:
    first = release_sheet(table(), images, labels, CHANNELS, "Patches", False)
    assert release_sheet(table().sample(frac=1, random_state=1), images, labels, CHANNELS, "Patches", False) == first
    rows = drawn[:11]
    drawn.clear()
    release_sheet(table().query("range != '000'"), images, labels, CHANNELS, "Patches", False)
    np.testing.assert_array_equal(drawn[2].images, rows[2].images)
    assert len(drawn[0].images) == 0


def test_patches_that_no_map_gives_a_range_are_shown_by_class(drawn: list[SheetRow]) -> None:
    release_sheet(table().assign(range="", share=np.nan), images, labels, CHANNELS, "Patches", False)
    assert {row.name: len(row.images) for row in drawn} == {"mining": 6, "no mining": 6}
    assert drawn[0].notes == [""] * 6


def test_a_store_and_a_release_of_it_show_the_same_pixels(tmp_path: Path, drawn: list[SheetRow]) -> None:
    rows = list(range(20))
    write_pixels(tmp_path, images("", 0, rows), CHANNELS, [f"p{row}" for row in rows], labels("", 0, rows))
    index = table().rename(columns={"store_row": "row"}).drop(columns="region")
    assert read_attributes(tmp_path)["channels"] == list(CHANNELS)
    assert store_sheet(tmp_path, index, "Patches", True) == store_sheet(tmp_path, index, "Patches", True)
    of_store = drawn[:11]
    drawn.clear()
    release_sheet(table(), images, labels, CHANNELS, "Patches", True)
    for few, many in zip(of_store, drawn, strict=True):
        assert len(few.images) == min(len(many.images), dataset_figures.STORE_ACROSS)
        assert {each.tobytes() for each in few.images} <= {each.tobytes() for each in many.images}


def test_a_sheet_shows_each_pixel_as_a_block_and_the_outline_over_it() -> None:
    image = np.random.default_rng(1).integers(0, 200, (1, PX, PX, 3)).astype(np.uint8)
    label = np.zeros((1, PX, PX), np.uint8)
    row = SheetRow("a", image, label, [""])
    plain = pixels_of(patch_sheet([row], "T", across=1, columns=1, simulated=False))
    times = TILE_PX // PX
    top = plain.shape[0] - TILE_PX - patch_sheets.GAP_PX
    left = patch_sheets.GAP_PX + patch_sheets.NAME_PX
    np.testing.assert_array_equal(plain[top : top + TILE_PX : times, left : left + TILE_PX : times], image[0])
    label[0, 4:8, 4:8] = 1
    outlined = pixels_of(patch_sheet([row], "T", across=1, columns=1, simulated=False))
    changed = np.argwhere((plain != outlined).any(-1)) - (top, left)
    assert changed.min() >= 4 * times - 2
    assert changed.max() <= 8 * times + 2
    np.testing.assert_allclose(outlined[top + 6 * times, left + 4 * times], CYAN, atol=60)
    inside = slice(top + 5 * times, top + 7 * times), slice(left + 5 * times, left + 7 * times)
    np.testing.assert_array_equal(outlined[inside], plain[inside])


def test_a_simulated_sheet_says_so_in_the_colour_of_the_mark() -> None:
    red = []
    for simulated in (True, False):
        shown = pixels_of(patch_sheet([], "Patches", across=1, columns=1, simulated=simulated)).astype(int)
        red.append(((shown[..., 0] - shown[..., 1]) > 100).any())
    assert red == [True, False]


def test_the_outline_lies_between_inside_and_outside_and_not_on_the_border() -> None:
    inside = np.zeros((4, 4), bool)
    inside[0, 0] = inside[2, 2] = True
    segments = {tuple(map(tuple, segment)) for segment in outline(inside).astype(int).tolist()}
    corner = {((1, 0), (1, 1)), ((0, 1), (1, 1))}
    around = {((2, 2), (2, 3)), ((3, 2), (3, 3)), ((2, 2), (3, 2)), ((2, 3), (3, 3))}
    assert segments == corner | around
    assert outline(np.ones((3, 3), bool)).shape == (0, 2, 2)


def test_colours_of_a_picture_stay_as_they_are() -> None:
    image = np.array([3, 20, 100], np.uint16)[:, None, None]
    assert true_colour(image, ("RGB-red", "RGB-green", "RGB-blue"))[0, 0].tolist() == [3, 20, 100]
    assert true_colour(image, ("RGB-blue", "RGB-green", "RGB-red"))[0, 0].tolist() == [100, 20, 3]
    assert true_colour(np.full((3, 1, 1), 3000, np.uint16), ("B04", "B03", "B02")).tolist() == [[[255, 255, 255]]]


def test_large_patches_are_drawn_smaller_and_small_ones_larger() -> None:
    widths = []
    for px in (48, 256):
        row = SheetRow("a", np.zeros((1, px, px, 3), np.uint8), np.zeros((1, px, px), np.uint8), [""])
        widths.append(pixels_of(patch_sheet([row], "T", across=1, columns=1, simulated=False)).shape[1])
    fixed = patch_sheets.NAME_PX + 2 * patch_sheets.GAP_PX
    assert widths == [fixed + 144, fixed + 128]


def test_a_long_title_is_wrapped_within_the_sheet() -> None:
    title = "Wide words of mining over people's polygons and measured mosaics, " * 3
    shown = pixels_of(patch_sheet([], title, across=6, columns=1, simulated=False))
    assert (shown[:, -4:] == 255).all()
    assert shown.shape[0] > pixels_of(patch_sheet([], "Short", across=6, columns=1, simulated=False)).shape[0]
