"""Counts of digital numbers are exact, whatever the batches, and so are mean and deviation."""

import numpy as np
import pytest

from mining_platform.dn_histograms import DN_VALUES, dn_histograms, dn_moments


def test_each_band_has_its_own_counts_with_nodata_among_them() -> None:
    images = np.array([[[[0, 5], [5, 65535]], [[1, 1], [1, 0]]]], np.uint16)
    counts = dn_histograms([images, images], 2)
    assert counts.shape == (2, DN_VALUES)
    assert {int(dn): int(counts[0, dn]) for dn in np.flatnonzero(counts[0])} == {0: 2, 5: 4, 65535: 2}
    assert {int(dn): int(counts[1, dn]) for dn in np.flatnonzero(counts[1])} == {0: 2, 1: 6}


def test_the_size_of_batches_changes_no_count() -> None:
    images = np.random.default_rng(1).integers(0, 9000, (7, 3, 5, 4)).astype(np.uint16)
    np.testing.assert_array_equal(dn_histograms([images], 3), dn_histograms((images[k : k + 2] for k in (4, 0, 2, 6)), 3))


def test_mean_and_deviation_leave_nodata_out() -> None:
    counts = np.zeros(DN_VALUES, np.int64)
    counts[[0, 1000, 3000]] = 50, 4, 4
    assert dn_moments(counts, 0) == (2000, 1000)
    assert np.isnan(dn_moments(counts * (np.arange(DN_VALUES) == 0), 0)).all()


def test_sums_beyond_64_bits_stay_exact() -> None:
    counts = np.zeros(DN_VALUES, np.int64)
    counts[[1, 65535]] = 10**15
    assert dn_moments(counts, 0) == (32768, 32767)


def test_images_of_another_type_or_number_of_bands_are_refused() -> None:
    for images in (np.zeros((1, 2, 3, 3)), np.zeros((1, 3, 3, 3), np.uint16)):
        with pytest.raises(ValueError, match=r"are not uint16 \(n, 2, y, x\)"):
            dn_histograms([images], 2)
