"""Near-identical pictures are found by hash and correlation, whatever the light, and others are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from mining_platform.leakage.audits import audit
from mining_platform.leakage.likeness import MAX_BITS, MIN_LIKENESS, hash_pairs
from mining_platform.leakage.perceptual_hashes import THUMBNAIL_PX, hashes, patterns, thumbnails
from mining_platform.leakage.pictures import pictures_of, read_pictures
from mining_platform.leakage.sides import LeakageError
from mining_platform.patch_tables import PatchTable
from tests.conftest import REALDATA
from tests.mining_platform.leakage_tables import table_of


def scenery(count: int, px: int, seed: int = 0) -> np.ndarray:
    """(count, px, px) pictures of blobs of several sizes, 200 to 3,000 DN."""
    rng = np.random.default_rng(seed)
    pictures = np.zeros((count, px, px))
    for cells in (3, 6, 12, px):
        steps = np.minimum(np.arange(px) * cells // px, cells - 1)
        pictures += rng.normal(0, 1 if cells < px else 0.3, (count, cells, cells))[:, steps][:, :, steps]
    return 1_500 + 300 * pictures


def patches(count: int) -> PatchTable:
    """Patches p0, p1 …, places of their own, every second one in test."""
    rows = pd.DataFrame({"patch_id": [f"p{number}" for number in range(count)]})
    return table_of(rows.assign(place=rows["patch_id"], split=["train", "test"] * (count // 2)))


def alike(images: np.ndarray, table: PatchTable | None = None):  # noqa: ANN201 - Finding
    """The finding of near-duplicates among images of p0, p1 …."""
    pictures = pictures_of([f"p{number}" for number in range(len(images))], thumbnails(images))
    return audit(table or patches(len(images)), pictures=pictures).findings["near_duplicate"]


@pytest.mark.parametrize("px", [16, 32, 48, 100, 128])
def test_a_thumbnail_keeps_the_mean_of_a_picture_of_any_size(px: int) -> None:
    image = scenery(1, px)
    small = thumbnails(image)
    assert small.shape == (1, THUMBNAIL_PX, THUMBNAIL_PX)
    assert small.mean() == pytest.approx(image.mean(), rel=1e-5)
    if px == 128:
        assert small[0, 0, 0] == pytest.approx(image[0, :4, :4].mean(), rel=1e-5)


def test_cells_that_were_not_seen_are_missing_and_others_are_means_of_what_was() -> None:
    image = np.ones((1, 64, 64))
    image[0, :2, :2], image[0, 2:4, 0] = np.nan, np.nan
    small = thumbnails(image)[0]
    assert np.isnan(small[0, 0])
    assert small[1, 0] == 1
    assert np.isfinite(small).sum() == 32 * 32 - 1


def test_brightness_contrast_and_a_slant_of_the_light_change_neither_pattern_nor_hash() -> None:
    image = scenery(1, 128)
    slant = np.linspace(0, 400, 128)[None, :, None] + np.linspace(300, 0, 128)[None, None]
    first, _ = patterns(thumbnails(image))
    second, _ = patterns(thumbnails(0.7 * image + slant + 250))
    assert np.abs(first - second).max() < 1e-4
    assert np.bitwise_count(hashes(first) ^ hashes(second))[0] <= 2


def test_a_hash_has_half_of_its_bits_and_differs_between_pictures() -> None:
    found = hashes(patterns(thumbnails(scenery(200, 64)))[0])
    assert (np.bitwise_count(found) == 32).all()
    i, j = np.triu_indices(200, 1)
    assert np.bitwise_count(found[i] ^ found[j]).mean() == pytest.approx(32, abs=0.5)


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_duplicate_with_noise_and_another_brightness_is_found_alone(seed: int) -> None:
    images = scenery(60, 64, seed)
    rng = np.random.default_rng(seed)
    first, second = 2 * int(rng.integers(30)), 2 * int(rng.integers(30)) + 1
    images[second] = 1.2 * images[first] - 100 + rng.normal(0, 0.05 * images[first].std(), (64, 64))
    finding = alike(images)
    assert finding.places == tuple(sorted([f"p{first}", f"p{second}"]))
    assert finding.pairs == 1
    assert finding.worst[0]["likeness"] > 0.98


def test_a_duplicate_on_the_same_side_or_of_the_same_place_is_none() -> None:
    images = scenery(6, 64)
    images[2], images[4] = images[0], images[0]
    assert alike(images).pairs == 0
    images[1] = images[0]
    assert alike(images).pairs == 3
    table = patches(6)
    same_place = table_of(table.rows.assign(place=["a", "a", "b", "c", "d", "e"]))
    assert alike(images, same_place).pairs == 2


def test_flat_pictures_match_nothing_and_are_told() -> None:
    images = scenery(6, 64)
    images[0], images[1] = 700, 700
    images[2], images[3] = (np.linspace(500, 900, 64)[None] + np.linspace(0, 50, 64)[:, None] for _ in range(2))
    finding = alike(images)
    assert finding.pairs == 0
    assert finding.note == "4 pictures are flat and match nothing"


def test_pictures_that_were_mostly_not_seen_match_nothing() -> None:
    images = scenery(4, 64)
    images[1] = images[0]
    images[:2, :40] = np.nan
    assert alike(images).pairs == 0
    images[:2, 20:40] = 1_500
    images[:2, 36:40, ::3] = 900
    assert alike(images).pairs == 1


def test_patches_without_a_picture_are_told() -> None:
    finding = alike(scenery(4, 64), patches(10))
    assert finding.note == "6 patches have no picture"


def pairs_of(found: np.ndarray, bits: int) -> list[tuple[int, int]]:
    return sorted((min(a, b), max(a, b)) for i, j in hash_pairs(found, bits) for a, b in zip(i.tolist(), j.tolist(), strict=True))


@pytest.mark.parametrize("bits", [0, 1, 5, 6, 10])
def test_pairs_of_hashes_are_those_of_looking_at_every_two_each_once(bits: int) -> None:
    rng = np.random.default_rng(bits)
    base = rng.integers(0, 2**63, 40, dtype=np.uint64)
    turned = [rng.choice(64, int(rng.integers(0, 13) * (rng.random() < 0.7)), replace=False) for _ in range(400)]
    flips = np.array([sum(1 << int(bit) for bit in each) for each in turned], np.uint64)
    found = base[rng.integers(0, 40, 400)] ^ flips
    i, j = np.triu_indices(400, 1)
    near = np.bitwise_count(found[i] ^ found[j]) <= bits
    expected = sorted(zip(i[near].tolist(), j[near].tolist(), strict=True))
    assert len(expected) > 10
    assert pairs_of(found, bits) == expected


def test_many_equal_hashes_are_all_paired_once() -> None:
    assert len(pairs_of(np.full(50, 7, np.uint64), MAX_BITS)) == 50 * 49 // 2
    assert pairs_of(np.zeros(0, np.uint64), MAX_BITS) == []


@pytest.mark.parametrize("px", [16, 32])
def test_different_windows_of_a_real_scene_are_not_alike_and_noisy_copies_are(px: int) -> None:
    path = REALDATA / "trombetas-s2-srtm-polygons" / "sen2_12band.tif"
    if not path.exists():
        pytest.skip(f"the real scene {path} is absent; set MINING_PLATFORM_REALDATA")
    with rasterio.open(path) as raster:
        grey = raster.read([2, 3, 4]).mean(axis=0)
    height, width = grey.shape
    cut = [grey[y : y + px, x : x + px] for y in range(0, height - px + 1, px) for x in range(0, width - px + 1, px)]
    images = np.stack(cut[: len(cut) // 2 * 2])
    assert alike(images).pairs == 0
    noise = 0.05 * images.std(axis=(1, 2), keepdims=True) * np.random.default_rng(1).normal(size=images.shape)
    doubled = np.repeat(images, 2, axis=0)
    doubled[1::2] += noise
    finding = alike(doubled)
    shown = patterns(thumbnails(images))[1].sum()
    assert finding.pairs == shown >= 0.9 * len(images)
    assert min(pair["likeness"] for pair in finding.worst) > MIN_LIKENESS


def write_images(folder: Path, images: np.ndarray, suffix: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        if suffix == "tif":
            profile = {"driver": "GTiff", "height": 64, "width": 64, "count": 4, "dtype": "float32", "nodata": -9999}
            with pytest.warns(NotGeoreferencedWarning), rasterio.open(folder / f"p{number}.tif", "w", **profile) as raster:
                raster.write(np.stack([image, image, image, np.full_like(image, -9999)]).astype(np.float32))
        else:
            Image.fromarray(np.clip(image / 12, 0, 255).astype(np.uint8)).convert("RGB").save(
                folder / f"p{number}.{suffix}", quality=95
            )


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_images_of_a_folder_are_found_by_the_names_of_their_files(tmp_path: Path, suffix: str) -> None:
    images = scenery(6, 64)
    images[3] = images[0]
    write_images(tmp_path / "train", images[:4], suffix)
    pictures = read_pictures([], [tmp_path], [f"p{number}" for number in range(6)])
    assert sorted(pictures.patch_ids) == ["p0", "p1", "p2", "p3"]
    finding = audit(patches(6), pictures=pictures).findings["near_duplicate"]
    assert finding.places == ("p0", "p3")
    assert finding.note == "2 patches have no picture"


def test_a_png_and_a_jpeg_of_one_picture_are_near_duplicates(tmp_path: Path) -> None:
    image = scenery(1, 64)
    write_images(tmp_path, image, "png")
    (tmp_path / "p0.png").rename(tmp_path / "p1.png")
    write_images(tmp_path, image, "jpg")
    assert audit(patches(2), pictures=read_pictures([], [tmp_path], ["p0", "p1"])).leaks == 2


def test_folders_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LeakageError, match="is no folder of images"):
        read_pictures([], [tmp_path / "absent"], ["p0"])
    with pytest.raises(LeakageError, match="is no patch store: it has no patches"):
        read_pictures([tmp_path], [], ["p0"])
    write_images(tmp_path / "images", scenery(1, 64), "png")
    with pytest.raises(LeakageError, match="no picture belongs to one of the 1 patches"):
        read_pictures([], [tmp_path], ["q"])
    write_images(tmp_path / "labels", scenery(1, 64), "png")
    with pytest.raises(LeakageError, match="Patch p0 has two images"):
        read_pictures([], [tmp_path], ["p0"])
    (tmp_path / "images" / "p7.png").write_text("no image")
    with pytest.raises(LeakageError, match="cannot be read"):
        read_pictures([], [tmp_path], ["p7"])
