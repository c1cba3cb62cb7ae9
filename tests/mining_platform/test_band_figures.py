"""Values by band and split: exact counts in bounded batches, means, densities, equal bytes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from mining_platform.band_figures import BATCH, band_densities, band_figure, band_means, band_preview, split_counts
from mining_platform.dn_histograms import DN_VALUES

CHANNELS = ("B04", "S1-VV")


def table(train: int = 4, test: int = 2) -> pd.DataFrame:
    """Patches of two regions; the last one of each split is dropped."""
    count = train + test
    made = pd.DataFrame({"split": ["train"] * train + ["test"] * test, "store_row": range(count), "year": 2024})
    made["region"] = ["a" if row % 2 else "b" for row in made["store_row"]]
    return made.assign(dropped=~made["split"].duplicated(keep="last"))


def images(_region: str, _year: int, rows: Sequence[int]) -> np.ndarray:
    """Patch k: B04 holds 1000 + k and one pixel of nodata; VV holds 30,000 throughout."""
    out = np.full((len(rows), 2, 4, 4), 30_000, np.uint16)
    out[:, 0] = 1000 + np.asarray(rows)[:, None, None]
    out[:, 0, 0, 0] = 0
    return out


def test_counts_are_those_of_the_patches_of_each_split() -> None:
    counts = split_counts(table(), images, 2)
    assert list(counts) == ["train", "test"]
    found = {int(dn): int(counts["train"][0, dn]) for dn in np.flatnonzero(counts["train"][0])}
    assert found == {0: 3, 1000: 15, 1001: 15, 1002: 15}
    assert counts["test"][0, 1004] == 15
    assert counts["test"][0].sum() == 16


def test_images_are_read_in_bounded_batches() -> None:
    sizes = []

    def counted(region: str, year: int, rows: Sequence[int]) -> np.ndarray:
        sizes.append(len(rows))
        return images(region, year, rows)

    split_counts(table(train=401, test=1), counted, 2)
    assert sum(sizes) == 400
    assert max(sizes) == BATCH


def test_means_are_in_the_unit_of_the_band_without_nodata() -> None:
    assert band_means(split_counts(table(), images, 2), CHANNELS) == [
        {"band": "B04", "unit": "reflectance", "train": 0.1001, "test": 0.1004},
        {"band": "S1-VV", "unit": "dB", "train": -20.0, "test": -20.0},
    ]


def test_a_split_of_nodata_has_no_mean_and_no_density() -> None:
    counts = np.zeros((1, DN_VALUES), np.int64)
    counts[0, 0] = 9
    assert band_means({"train": counts}, ("B04",)) == [{"band": "B04", "unit": "reflectance", "train": None}]
    assert band_densities({"train": counts[0]}, "B04")[1] == {}


def test_a_density_is_the_share_of_the_pixels_a_unit() -> None:
    even = np.zeros(DN_VALUES, np.int64)
    even[[0, *range(1000, 2000)]] = 10  # nodata, and reflectance 0.1 to 0.2
    edges, densities = band_densities({"train": even, "test": 3 * even}, "B04")
    inner = (edges[:-1] > 0.11) & (edges[1:] < 0.19)
    np.testing.assert_allclose(densities["train"][inner], 10.0)  # all of it within a tenth
    np.testing.assert_allclose(densities["train"], densities["test"])
    assert (densities["train"] * np.diff(edges)).sum() == pytest.approx(1, abs=0.005)
    assert edges[0] == pytest.approx(0.1, abs=0.0005)


def test_a_constant_band_and_the_largest_number_have_bins() -> None:
    counts = np.zeros(DN_VALUES, np.int64)
    counts[DN_VALUES - 1] = 5
    edges, densities = band_densities({"train": counts}, "B04")
    assert (densities["train"] * np.diff(edges)).sum() == pytest.approx(1)


def test_the_figure_has_equal_bytes_and_takes_no_patches_at_all() -> None:
    first, rows = band_preview(table(), images, CHANNELS, "Values", True)
    assert band_preview(table().sample(frac=1, random_state=2), images, CHANNELS, "Values", True) == (first, rows)
    assert first.startswith(b"\x89PNG")
    nothing, rows = band_preview(table().assign(dropped=True), images, CHANNELS, "Values", False)
    assert nothing.startswith(b"\x89PNG")
    assert rows == [{"band": "B04", "unit": "reflectance"}, {"band": "S1-VV", "unit": "dB"}]
    assert band_figure({}, CHANNELS, "Values", False) == nothing
