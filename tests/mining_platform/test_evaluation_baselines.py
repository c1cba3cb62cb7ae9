import numpy as np
import pytest
from sklearn import metrics

from mining_platform import bands
from mining_platform.evaluations.baselines import NEVER, always_no, band_means, collected_means, fit_band_means, ndvi_baseline
from mining_platform.evaluations.counts import threshold_scores


def test_the_ndvi_baseline_scores_the_share_of_bare_pixels() -> None:
    red_and_nir = np.array([[[[300, 2000], [1000, 0]], [[3000, 2500], [3000, 3000]]]], dtype=np.uint16)  # (1, 2, 2, 2)
    # NDVI 0.82, 0.11, exactly 0.5 (not vegetation) and one pixel without red
    assert ndvi_baseline(red_and_nir, ("B04", "B08")).tolist() == [2 / 3]


def test_a_patch_without_data_scores_zero_in_the_baseline() -> None:
    assert ndvi_baseline(np.zeros((1, 2, 4, 4), np.uint16), ("B04", "B08")).tolist() == [0.0]


def test_the_ndvi_baseline_needs_a_near_infrared_channel() -> None:
    with pytest.raises(KeyError, match="role 'nir'"):
        ndvi_baseline(np.zeros((1, 3, 4, 4), np.uint16), ("B04", "B03", "B02"))


def test_always_no_has_the_pr_auc_of_the_share_of_mining_and_never_alarms() -> None:
    truth = np.array([True, False, False, False])
    facts = threshold_scores(truth, always_no(4), NEVER)
    assert (facts["pr_auc"], facts["roc_auc"], facts["recall"], facts["specificity"], facts["f1"]) == (0.25, 0.5, 0.0, 1.0, 0.0)
    assert facts["precision"] is None


def test_band_means_are_of_valid_pixels_and_in_the_band_s_unit() -> None:
    images = np.array([[[[2000, 4000], [0, 0]], [[0, 0], [0, 0]]]], dtype=np.uint16)  # (1, 2, 2, 2)
    means = band_means(images, ("B04", "B08"))
    assert means[0, 0] == pytest.approx(0.3)
    assert np.isnan(means[0, 1])


def test_band_means_know_the_offset_of_a_band() -> None:
    stored = bands.as_stored("S1-VV", np.full((1, 1, 3, 3), -12.5, np.float32))
    assert band_means(stored, ("S1-VV",)) == pytest.approx(-12.5, abs=0.01)


def bright_mines(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    is_mining = random.uniform(size=n) < 0.3
    level = np.where(is_mining, 2600, 1200)[:, None, None, None]
    return (level + random.normal(0, 500, (n, 3, 4, 4))).clip(1, 9000).astype(np.uint16), is_mining


def test_a_regression_on_band_means_finds_bright_mines_of_other_patches() -> None:
    channels = ("B02", "B03", "B04")
    (images, is_mining), (others, truth) = bright_mines(1), bright_mines(2)
    model = fit_band_means(band_means(images, channels), is_mining)
    assert metrics.roc_auc_score(truth, model.score(band_means(others, channels))) > 0.99


def test_the_regression_and_the_batches_it_reads_give_equal_scores_again() -> None:
    channels = ("B02", "B03", "B04")
    images, is_mining = bright_mines(3)
    whole, batches = band_means(images, channels), collected_means([images[:70], images[70:]], channels)
    np.testing.assert_array_equal(whole, batches)
    np.testing.assert_array_equal(fit_band_means(whole, is_mining).score(whole), fit_band_means(batches, is_mining).score(whole))


def test_patches_and_bands_without_data_still_get_a_score() -> None:
    images, is_mining = bright_mines(4)
    images[:, 1] = 0
    images[5] = 0
    means = band_means(images, ("B02", "B03", "B04"))
    assert np.isfinite(fit_band_means(means, is_mining).score(means)).all()


def test_a_regression_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="patches with mining and without; 0 of 3 have it"):
        fit_band_means(np.zeros((3, 2)), np.zeros(3, bool))


def test_classes_weigh_alike_so_that_means_which_tell_nothing_score_a_half_however_rare_mining_is() -> None:
    means, is_mining = np.zeros((100, 2)), np.arange(100) < 10
    assert fit_band_means(means, is_mining).score(means) == pytest.approx(0.5, abs=1e-6)
