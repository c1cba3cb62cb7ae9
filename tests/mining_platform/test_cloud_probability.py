"""Cloud probability and mask against LightGBM and the s2cloudless package, to the last bit."""

import builtins
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mining_platform.clouds.s2cloudless import cloud_mask, cloud_probability, plain_cloud_probability
from mining_platform.clouds.s2cloudless_model import S2CLOUDLESS_BANDS, load_model
from mining_platform.clouds.s2cloudless_trees import bins_of, like_after_like
from tests.conftest import REALDATA

GOLDEN = REALDATA / "s2-l1c-cloud-golden"
GOLDEN_DATES = (2, 1, 4, 3, 0)
THIRTEEN = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
BOTH = (cloud_probability, plain_cloud_probability)

Predict = Callable[[NDArray], NDArray[np.float64]]


@pytest.fixture(scope="module")
def package() -> Predict:
    """(10, y, x) -> (y, x) float64 by the LightGBM model as the package reads it."""
    from s2cloudless import S2PixelCloudDetector

    booster = S2PixelCloudDetector().classifier.classifier

    def predict(reflectance: NDArray) -> NDArray[np.float64]:
        pixels = np.ascontiguousarray(reflectance.reshape(len(reflectance), -1).T)
        return booster.predict(pixels, num_threads=1).reshape(reflectance.shape[1:])

    return predict


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray]:
    """The five real scenes (scene, 10, y, x) float32, and their reference probability and mask (scene, y, x)."""
    if not GOLDEN.is_dir():
        pytest.skip("real data absent: s2-l1c-cloud-golden (set MINING_PLATFORM_REALDATA)")
    columns = [THIRTEEN.index(band) for band in S2CLOUDLESS_BANDS]
    scenes = np.load(GOLDEN / "REFERENCE_SCENES.npy")
    return {
        "all_bands": scenes,
        "scenes": np.ascontiguousarray(np.moveaxis(scenes[..., columns], -1, 1)),
        "probability": np.load(GOLDEN / "CLP_S2C.npy")[GOLDEN_DATES, ..., 0],
        "mask": np.load(GOLDEN / "CLM_S2C.npy")[GOLDEN_DATES, ..., 0],
    }


def spread(shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    """Pixels whose ten bands are independent draws among the model's thresholds: as unlike each other as can be."""
    values = load_model().thresholds.values
    rng = np.random.default_rng(seed)
    return np.stack([rng.choice(row[np.isfinite(row)], shape) for row in values]) + rng.normal(0, 1e-4, (len(values), *shape))


def assert_same_bits(found: NDArray, expected: NDArray) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("probability_of", BOTH)
def test_real_scenes_have_the_reference_probability(golden: dict[str, NDArray], probability_of: Callable) -> None:
    for scene, expected in zip(golden["scenes"], golden["probability"], strict=True):
        assert np.abs(probability_of(scene) - expected).max() < 5e-7  # 0.000000


def test_real_scenes_have_the_reference_mask(golden: dict[str, NDArray]) -> None:
    for scene, expected in zip(golden["scenes"], golden["mask"], strict=True):
        mask = cloud_mask(cloud_probability(scene), threshold=0.4, average_over=4, dilation_size=2)
        assert np.array_equal(mask, expected)


def test_real_scenes_have_the_package_s_bits(golden: dict[str, NDArray], package: Predict) -> None:
    for scene in golden["scenes"]:
        assert_same_bits(cloud_probability(scene), package(scene))
        digital_numbers = np.round(scene * 10_000).astype(np.uint16)
        assert_same_bits(cloud_probability(digital_numbers), package(digital_numbers / 10_000))


def test_the_package_s_own_detector_gives_the_same_maps(golden: dict[str, NDArray]) -> None:
    from s2cloudless import S2PixelCloudDetector

    detector = S2PixelCloudDetector(threshold=0.4, average_over=4, dilation_size=2, all_bands=True)
    maps = detector.get_cloud_probability_maps(golden["all_bands"])
    ours = [cloud_probability(scene) for scene in golden["scenes"]]
    assert_same_bits(np.stack(ours).astype(np.float32), maps)
    masks = [cloud_mask(one, threshold=0.4, average_over=4, dilation_size=2) for one in ours]
    assert_same_bits(np.stack(masks).astype(np.uint8), detector.get_mask_from_prob(maps))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 511), (512, 1), (19, 27), (60, 70)])
def test_unlike_pixels_have_the_package_s_bits(package: Predict, dtype: str, shape: tuple[int, int]) -> None:
    reflectance = spread(shape, seed=shape[0])
    if dtype == "uint16":
        digital_numbers = np.clip(np.round(reflectance * 10_000), 0, 65_535).astype(np.uint16)
        assert_same_bits(cloud_probability(digital_numbers), package(digital_numbers / 10_000))
        assert_same_bits(plain_cloud_probability(digital_numbers), package(digital_numbers / 10_000))
    else:
        assert_same_bits(cloud_probability(reflectance.astype(dtype)), package(reflectance.astype(dtype)))
        assert_same_bits(plain_cloud_probability(reflectance.astype(dtype)), package(reflectance.astype(dtype)))


@pytest.mark.parametrize("probability_of", BOTH)
def test_values_on_a_threshold_and_one_ulp_beside_have_the_package_s_bits(package: Predict, probability_of: Callable) -> None:
    rows = [row[np.isfinite(row)] for row in load_model().thresholds.values]
    near = [np.concatenate([row, np.nextafter(row, -np.inf), np.nextafter(row, np.inf)]) for row in rows]
    rng = np.random.default_rng(1)
    base = spread((760,), seed=2)
    for band, values in enumerate(near):
        pixels = base.copy()
        pixels[band] = np.resize(values, 760)
        assert_same_bits(probability_of(pixels[:, None]), package(pixels[:, None]))
    pixels = np.stack([rng.choice(values, 3000) for values in near])
    assert_same_bits(probability_of(pixels[:, None]), package(pixels[:, None]))
    single = pixels.astype(np.float32)
    assert_same_bits(probability_of(single[:, None]), package(single[:, None]))


@pytest.mark.parametrize("probability_of", BOTH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_are_no_reflectance_have_the_package_s_bits(package: Predict, probability_of: Callable, dtype: str) -> None:
    odd = np.array([np.nan, np.inf, -np.inf, -1.0, -0.0, 0.0, 1e-36, -1e-36, 5e-324, 1.999, 2.0, 2.1, 6.5535, 1e30, 1e300])
    rng = np.random.default_rng(3)
    with np.errstate(over="ignore"):
        pixels = np.where(rng.random((10, 40, 50)) < 0.3, rng.choice(odd, (10, 40, 50)), spread((40, 50), 4)).astype(dtype)
        whole = np.stack([np.full((10, 1), value) for value in odd], axis=2).astype(dtype)
    assert_same_bits(probability_of(pixels), package(pixels))
    assert_same_bits(probability_of(whole), package(whole))


def test_a_pixel_that_is_nan_counts_as_black_and_black_is_clear() -> None:
    black, unknown = cloud_probability(np.zeros((10, 1, 1))), cloud_probability(np.full((10, 1, 1), np.nan))
    assert black == unknown == cloud_probability(np.zeros((10, 1, 1), np.uint16))
    assert black < 0.001


def test_a_pixel_s_probability_rests_on_that_pixel_alone() -> None:
    reflectance = spread((30, 40), seed=5)
    whole = cloud_probability(reflectance)
    order = np.random.default_rng(6).permutation(30 * 40)
    shuffled = cloud_probability(reflectance.reshape(10, -1)[:, order].reshape(10, 40, 30))
    assert_same_bits(shuffled.ravel(), whole.ravel()[order])
    assert_same_bits(cloud_probability(reflectance[:, 7:9, 3:30]), whole[7:9, 3:30].copy())


def test_an_image_of_many_slabs_equals_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    reflectance = spread((23, 31), seed=7).astype(np.float32)
    whole = cloud_probability(reflectance)
    for slab_px in (1, 20, 70):
        monkeypatch.setattr("mining_platform.clouds.s2cloudless._SLAB_PX", slab_px)
        assert_same_bits(cloud_probability(reflectance), whole)


def test_the_layout_in_memory_does_not_matter_and_the_input_is_left_alone() -> None:
    reflectance = spread((20, 30), seed=8)
    bands_last = np.moveaxis(np.ascontiguousarray(np.moveaxis(reflectance, 0, -1)), -1, 0)
    bands_last.flags.writeable = False
    assert_same_bits(cloud_probability(bands_last), cloud_probability(reflectance))
    assert_same_bits(cloud_probability(reflectance[:, ::2, ::3]), cloud_probability(reflectance)[::2, ::3].copy())


def test_an_image_without_pixels_has_no_probabilities() -> None:
    assert cloud_probability(np.zeros((10, 0, 5), np.float32)).shape == (0, 5)
    assert cloud_probability(np.zeros((10, 5, 0), np.float32)).shape == (5, 0)


def test_threads_side_by_side_get_the_same_bits() -> None:
    parts = [spread((40, 50), seed) for seed in range(4)]
    alone = [cloud_probability(part) for part in parts]
    together: dict[int, NDArray] = {}

    def work(index: int) -> None:
        together[index] = cloud_probability(parts[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(4):
        assert_same_bits(together[index], alone[index])


def test_a_bin_is_the_number_of_thresholds_below_the_value() -> None:
    thresholds = load_model().thresholds
    rng = np.random.default_rng(9)
    values = np.concatenate([rng.uniform(-0.1, 2.5, (10, 500)), np.nextafter(thresholds.values, -1), thresholds.values], axis=1)
    values[~np.isfinite(values)] = 3.0
    expected = np.stack([np.searchsorted(row, band) for row, band in zip(thresholds.values, values, strict=True)], axis=1)
    assert np.array_equal(bins_of(values, 1.0, thresholds), expected)


def test_pixels_are_ordered_by_the_high_bits_of_four_features() -> None:
    bins = np.random.default_rng(10).integers(0, 256, (3000, 10), np.uint8)
    order = like_after_like(bins, np.array([6, 7, 0, 8]))
    assert np.array_equal(np.sort(order), np.arange(3000))
    spelled = ["".join(f"{pixel[feature]:08b}"[bit] for bit in range(4) for feature in (6, 7, 0, 8)) for pixel in bins]
    assert list(order) == sorted(range(3000), key=lambda n: spelled[n])


def test_the_order_of_bands_is_the_package_s() -> None:
    from s2cloudless.utils import MODEL_BANDS

    assert tuple(MODEL_BANDS) == S2CLOUDLESS_BANDS


def mask_images() -> list[NDArray[np.float32]]:
    """Noise, and an image of values on and one ulp below the threshold of 0.4."""
    rng = np.random.default_rng(11)
    near = np.array([0.4, np.nextafter(np.float32(0.4), np.float32(0)), 0.0, 1.0], np.float32)
    return [*(rng.random((2, 37, 53), np.float32) ** 3), rng.choice(near, (37, 53))]


@pytest.mark.parametrize("threshold", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("average_over", "dilation_size"), [(0, 0), (1, 0), (1, 1), (4, 2), (7, 5), (22, 1)])
def test_masks_have_the_package_s_pixels(threshold: float, average_over: int, dilation_size: int) -> None:
    from s2cloudless import S2PixelCloudDetector

    sizes = {"average_over": average_over, "dilation_size": dilation_size}
    detector = S2PixelCloudDetector(threshold=threshold, **sizes)
    for image in mask_images():
        mask = cloud_mask(image.astype(float), threshold=threshold, **sizes)
        assert mask.dtype == bool
        assert np.array_equal(mask, detector.get_mask_from_prob(image[None])[0])


def test_a_mask_that_is_not_averaged_can_still_be_grown() -> None:
    """The package itself fails here on OpenCV 5, which dilates no int8."""
    for image in mask_images():
        alone = cloud_mask(image, threshold=0.4, average_over=0, dilation_size=0)
        grown = cloud_mask(image, threshold=0.4, average_over=0, dilation_size=2)
        as_probability = cloud_mask(alone.astype(float), threshold=0.4, average_over=0, dilation_size=2)
        assert np.array_equal(alone, image > np.float32(0.4))
        assert np.array_equal(grown, as_probability)
        assert grown[alone].all()
        assert grown.sum() > alone.sum()


def test_one_sure_pixel_grows_to_the_disc_of_the_dilation() -> None:
    probability = np.zeros((7, 7))
    probability[3, 3] = 1.0
    cross = cloud_mask(probability, threshold=0.4, average_over=0, dilation_size=1)
    assert {tuple(pixel) for pixel in np.argwhere(cross)} == {(3, 3), (2, 3), (4, 3), (3, 2), (3, 4)}
    assert not cloud_mask(probability, threshold=0.4, average_over=1, dilation_size=1).any()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((13, 4, 4), np.float32), r"\(10, y, x\) of the L1C bands B01, B02.*got shape \(13, 4, 4\)"),
        (np.zeros((10, 4), np.float32), r"got shape \(10, 4\).*L2A has no B10"),
        (np.zeros((10, 4, 4), np.int32), r"got int32\. Convert it with \.astype"),
        (np.zeros((10, 4, 4), ">f4"), r"got >f4\. Convert it with \.astype"),
    ],
)
@pytest.mark.parametrize("probability_of", BOTH)
def test_another_stack_is_refused(probability_of: Callable, image: NDArray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        probability_of(image)


@pytest.mark.parametrize(
    "bad", [np.full((3, 3), 40.0), np.full((3, 3), np.nan), np.full((3, 3), -0.1), np.full((3, 3), 40, np.uint8)]
)
def test_a_probability_outside_0_to_1_is_refused(bad: NDArray) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]; got .* Divide percentages by 100"):
        cloud_mask(bad, threshold=0.4, average_over=4, dilation_size=2)


@pytest.mark.parametrize("shape", [(3,), (1, 3, 3), (0, 3)])
def test_a_probability_that_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs probabilities \(y, x\) of at least one pixel"):
        cloud_mask(np.zeros(shape), threshold=0.4, average_over=4, dilation_size=2)


@pytest.mark.parametrize("choice", [{"threshold": 40}, {"threshold": np.nan}, {"average_over": -1}, {"dilation_size": -1}])
def test_a_choice_that_makes_no_mask_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"threshold in \[0, 1\] and sizes >= 0 px; got threshold"):
        cloud_mask(np.zeros((3, 3)), **{"threshold": 0.4, "average_over": 4, "dilation_size": 2, **choice})


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    load_model.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModuleNotFoundError, match=r"s2cloudless, which is not installed.*mining-platform\[clouds\]"):
        cloud_probability(np.zeros((10, 1, 1)))


def test_without_opencv_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "cv2":
            raise ImportError("no cv2")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ModuleNotFoundError, match=r"need OpenCV.*mining-platform\[clouds\]"):
        cloud_mask(np.zeros((3, 3)), threshold=0.4, average_over=4, dilation_size=2)


def test_the_model_is_read_once_and_has_170_trees() -> None:
    model = load_model()
    assert load_model() is model
    assert len(model.trees.roots) == 170
    assert len(model.trees.feature) == 170 * 769
    assert np.isfinite(model.thresholds.values).sum(axis=1).max() == 253


def test_neither_lightgbm_nor_the_package_is_imported() -> None:
    code = (
        "import sys, numpy; from mining_platform.clouds.s2cloudless import cloud_probability;"
        "cloud_probability(numpy.zeros((10, 1, 1)));"
        "sys.exit(', '.join({'lightgbm', 's2cloudless', 'cv2', 'dagster'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


SMALL_MODEL = """tree
version=v2
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=9
objective=binary sigmoid:1
tree_sizes=1 1

Tree=0
num_leaves=3
num_cat=0
split_feature=0 3
threshold=0.5 0.25
decision_type=2 2
left_child=1 -1
right_child=-3 -2
leaf_value=-1 0.5 2
shrinkage=1

Tree=1
num_leaves=2
num_cat=0
split_feature=9
threshold=0.1
decision_type=2
left_child=-1
right_child=-2
leaf_value=0.125 0.25
shrinkage=1

end of trees
"""


def model_file(folder: Path, text: str) -> Path:
    path = folder / "model.txt"
    path.write_text(text)
    return path


def test_a_small_model_is_summed_by_hand(tmp_path: Path) -> None:
    model = load_model(model_file(tmp_path, SMALL_MODEL))
    reflectance = np.zeros((10, 1, 4))
    reflectance[0, 0] = [0.5, 0.5, 0.6, 0.6]
    reflectance[3, 0] = [0.25, 0.3, 0.0, 0.0]
    reflectance[9, 0] = [0.0, 0.0, 0.0, 0.2]
    expected = 1 / (1 + np.exp(-np.array([-1 + 0.125, 0.5 + 0.125, 2 + 0.125, 2 + 0.25])))
    for probability_of in BOTH:
        np.testing.assert_allclose(probability_of(reflectance, model)[0], expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("end of trees", "", "the text ends before 'end of trees'"),
        ("objective=binary sigmoid:1", "objective=regression", "objective is 'regression', expected 'binary sigmoid:1'"),
        ("max_feature_idx=9", "max_feature_idx=12", "max_feature_idx is '12', expected '9'"),
        ("tree_sizes=1 1", "tree_sizes=1 1 1", "it holds 2 trees, its header lists 3"),
        ("tree_sizes=1 1\n", "", "it lacks the field 'tree_sizes'"),
        ("threshold=0.5 0.25\n", "", "it lacks the field 'threshold'"),
        ("threshold=0.5 0.25", "threshold=0.5", "tree 0 has columns of different lengths"),
        ("threshold=0.5 0.25", "threshold=0.5 0,25", "could not convert"),
        ("threshold=0.5 0.25", "threshold=nan 0.25", "tree 0 has thresholds or leaves that are no finite numbers"),
        ("threshold=0.5 0.25", "threshold=0 0.25", "or thresholds of 0"),
        ("left_child=1 -1", "left_child=1 -2", "tree 0 does not reach each of its nodes and leaves once"),
        ("left_child=1 -1\nright_child=-3 -2", "left_child=-3 -1\nright_child=-2 1", "tree 0 has a node before its parent"),
        ("split_feature=0 3", "split_feature=0 10", "tree 0 asks for features 0 to 10"),
        ("decision_type=2 2", "decision_type=2 10", "tree 0 has splits on categories or on missing values"),
        ("num_cat=0\nsplit_feature=9", "num_cat=1\nsplit_feature=9", "tree 1 has splits on categories"),
    ],
)
def test_a_damaged_model_is_refused_with_the_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert SMALL_MODEL.count(old) == 1
    path = model_file(tmp_path, SMALL_MODEL.replace(old, new))
    with pytest.raises(ValueError, match=rf"cloud model model\.txt is damaged.*{message}.*force-reinstall.*s2cloudless==1\.7\.3"):
        load_model(path)


def test_a_model_of_too_many_thresholds_is_refused(tmp_path: Path) -> None:
    n = 256
    chain = {
        "num_leaves": [n + 1],
        "num_cat": [0],
        "split_feature": [0] * n,
        "threshold": [0.001 * (k + 1) for k in range(n)],
        "decision_type": [2] * n,
        "left_child": [-(k + 1) for k in range(n)],
        "right_child": [*range(1, n), -(n + 1)],
        "leaf_value": [0.5] * (n + 1),
    }
    tree = "\n".join(f"{name}={' '.join(map(str, column))}" for name, column in chain.items())
    header = SMALL_MODEL.partition("\nTree=0")[0].replace("tree_sizes=1 1", "tree_sizes=1")
    with pytest.raises(ValueError, match="a band has 256 thresholds, more than 255"):
        load_model(model_file(tmp_path, f"{header}\nTree=0\n{tree}\n\nend of trees\n"))


def test_a_model_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cloud model absent\.txt is not in folder.*force-reinstall"):
        load_model(tmp_path / "absent.txt")
