"""What a model has to beat: always saying no, counting bare pixels, and a logistic regression on band means."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

NDVI_VEGETATION = 0.5  # above it a pixel is vegetation, as in the site recipe of the Landsat label pipeline (SPEC.md, document 4)
NEVER = 1.0
"""Threshold at which the scores of `always_no` raise no alarm."""
MAX_ITERATIONS = 1000  # of the solver, which needs fewer than 100 for standardised means


def always_no(patches: int) -> NDArray[np.float64]:
    """(patches,) scores of 0: recall 0, and PR-AUC the share of mining."""
    return np.zeros(patches)


def ndvi_baseline(images: NDArray[np.uint16], channels: tuple[str, ...]) -> NDArray[np.float64]:
    """(n, band, y, x) uint16 DN -> (n,) float64 score: share of the valid pixels that are not vegetation.

    Not vegetation is NDVI = (NIR - red) / (NIR + red) <= NDVI_VEGETATION; a pixel is valid when both bands hold data.
    A patch without valid pixels scores 0. Choose its threshold like the model's, with `best_threshold` on validation.
    """
    nir, red = (images[:, channels.index(bands.band_of_role(role, channels))].astype(np.float32) for role in ("nir", "red"))
    valid = (nir > 0) & (red > 0)
    is_bare = valid & (nir - red <= NDVI_VEGETATION * (nir + red))
    return is_bare.sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)


def band_means(images: NDArray[np.uint16], channels: tuple[str, ...]) -> NDArray[np.float64]:
    """(n, band, y, x) uint16 DN -> (n, band) mean of the valid pixels in the band's unit; NaN where a patch has none.

    Summed in whole numbers, so that the same patch has the same mean in any batch.
    """
    valid = images != 0
    sums, counts = images.sum(axis=(2, 3), dtype=np.int64), valid.sum(axis=(2, 3))
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    scale, offset = (np.array(part) for part in zip(*(bands.stored_as(channel) for channel in channels), strict=True))
    return means * scale + offset


@dataclass(frozen=True)
class BandMeanModel:
    """A logistic regression on band means."""

    fitted: "Pipeline"

    def score(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, band) means, NaN where there is no data -> (n,) probability of mining."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            return self.fitted.predict_proba(means)[:, 1] if len(means) else np.empty(0)


def fit_band_means(means: NDArray[np.float64], is_mining: NDArray[np.bool_]) -> BandMeanModel:
    """Logistic regression (scikit-learn, L2 with C = 1, classes weighing alike) on standardised band means of training patches.

    A mean without data counts as the mean over the training patches, a band without any as 0. One thread, so that equal
    patches give equal coefficients. ValueError when a class is missing.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    if is_mining.all() or not is_mining.any():
        raise ValueError(
            f"A regression needs patches with mining and without; {int(is_mining.sum())} of {len(is_mining)} have it."
        )
    regression = LogisticRegression(class_weight="balanced", max_iter=MAX_ITERATIONS)
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), regression)
    with threadpool_limits(limits=1):
        return BandMeanModel(model.fit(means, is_mining))


def collected_means(batches: Iterable[NDArray[np.uint16]], channels: tuple[str, ...]) -> NDArray[np.float64]:
    """Band means (n, band) of patches that come in batches, one batch held at a time."""
    return np.concatenate([np.empty((0, len(channels))), *(band_means(images, channels) for images in batches)])
