"""Cloud probability and cloud mask of Sentinel-2 L1C scenes, equal to s2cloudless 1.7.3 to the last bit.

Science: A. Zupanc (2017), Improving cloud detection with machine learning; S. Skakun et al. (2022), Cloud Mask
Intercomparison eXercise (CMIX), doi 10.1016/j.rse.2022.112990.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from mining_platform.clouds.s2cloudless_model import S2CLOUDLESS_BANDS, CloudModel, load_model
from mining_platform.clouds.s2cloudless_trees import bins_of, like_after_like, sigmoid, sum_in_groups, sum_one_by_one

DN_PER_REFLECTANCE = 10_000.0  # QUANTIFICATION_VALUE, Sentinel-2 Products Specification Document
_SLAB_PX = 1 << 17
_DIVISORS = {np.dtype(np.uint16): DN_PER_REFLECTANCE, np.dtype(np.float32): 1.0, np.dtype(np.float64): 1.0}


def cloud_probability(reflectance: NDArray, model: CloudModel | None = None) -> NDArray[np.float64]:
    """Probability of cloud, (10, y, x) top-of-atmosphere reflectance of `S2CLOUDLESS_BANDS` -> (y, x) float64 in [0, 1].

    float32 and float64 are reflectance; uint16 are digital numbers without offset, taken as DN / 10000.0 in float64.
    The result is what the package's LightGBM gives for the same numbers; the package then rounds it to float32.
    As there, NaN counts as 0, and a pixel without data (all 0) gets the probability of a black pixel, which is low:
    the caller masks those. Besides the result it needs at most 16 MB, whatever the size, and it releases the GIL.
    Raises ValueError on another shape or dtype, and as `load_model` does.
    """
    divisor = _divisor(reflectance)
    model = model or load_model()
    height, width = reflectance.shape[1:]
    probability = np.empty((height, width))
    columns = max(1, min(width, _SLAB_PX))
    rows = _SLAB_PX // columns
    for top, left in product(range(0, height, rows), range(0, width, columns)):
        slab = reflectance[:, top : top + rows, left : left + columns]
        target = probability[top : top + rows, left : left + columns]
        target[:] = _slab_probability(slab.reshape(len(slab), -1), divisor, model).reshape(target.shape)
    return probability


def plain_cloud_probability(reflectance: NDArray, model: CloudModel | None = None) -> NDArray[np.float64]:
    """`cloud_probability` one pixel and one comparison at a time: the reference it is tested against."""
    divisor = _divisor(reflectance)
    values = np.ascontiguousarray(reflectance).reshape(len(reflectance), -1)
    return sigmoid(sum_one_by_one(values, divisor, (model or load_model()).trees)).reshape(reflectance.shape[1:])


def cloud_mask(
    probability: NDArray[np.floating], *, threshold: float, average_over: int, dilation_size: int
) -> NDArray[np.bool_]:
    """Cloud mask as s2cloudless makes it: (y, x) probability in [0, 1] -> (y, x) bool, True is cloud.

    In float32: the mean over a disc of radius `average_over` px (mirrored at the edges) exceeds `threshold`; what does is
    grown by a disc of radius `dilation_size` px. A size of 0 leaves that step out. A pixel influences the mask as far as
    average_over + dilation_size px. Raises ValueError on a probability outside [0, 1], and ModuleNotFoundError without
    OpenCV, which comes with s2cloudless.
    """
    image: NDArray = _checked_probability(probability)
    if not (0.0 <= threshold <= 1.0 and average_over >= 0 and dilation_size >= 0):
        raise ValueError(
            f"A cloud mask needs a threshold in [0, 1] and sizes >= 0 px; got threshold {threshold}, "
            f"average_over {average_over}, dilation_size {dilation_size}."
        )
    try:
        import cv2
    except ImportError as error:
        raise ModuleNotFoundError(
            "Cloud masks need OpenCV, which comes with s2cloudless. Install it with: pip install 'mining-platform[clouds]'",
            name="cv2",
        ) from error
    if average_over:
        disc = _disc(average_over)
        image = cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    mask = (image > float(threshold)).astype(np.uint8)
    return (cv2.dilate(mask, _disc(dilation_size)) if dilation_size else mask).astype(bool)


def _disc(radius_px: int) -> NDArray[np.uint8]:
    """A filled disc of ones in a square of 2 * radius_px + 1 px, as OpenCV draws circles."""
    import cv2

    square = np.zeros((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
    return np.asarray(cv2.circle(square, (radius_px, radius_px), radius_px, color=1, thickness=-1))


def _slab_probability(values: NDArray, divisor: float, model: CloudModel) -> NDArray[np.float64]:
    """(10, n) -> (n,): pixels in bins, like ones grouped, trees summed."""
    bins = bins_of(np.ascontiguousarray(values), divisor, model.thresholds)
    order = like_after_like(bins, model.sorting_features)
    return sigmoid(sum_in_groups(bins, order, model.thresholds.values.shape[1], model.trees))


def _divisor(reflectance: NDArray) -> float:
    """What to divide by to get reflectance; ValueError where this is no (10, y, x) stack of reflectance."""
    if reflectance.ndim != 3 or len(reflectance) != len(S2CLOUDLESS_BANDS):  # noqa: PLR2004
        raise ValueError(
            f"Cloud probability needs an array (10, y, x) of the L1C bands {', '.join(S2CLOUDLESS_BANDS)}, in this order; "
            f"got shape {reflectance.shape}. L2A has no B10: mask it by its scene classification (clouds/rules.py)."
        )
    if reflectance.dtype not in _DIVISORS:
        raise ValueError(
            f"Cloud probability needs reflectance as float32 or float64, or digital numbers without offset as uint16; "
            f"got {reflectance.dtype}. Convert it with .astype."
        )
    return _DIVISORS[reflectance.dtype]


def _checked_probability(probability: NDArray[np.floating]) -> NDArray[np.float32]:
    """A (y, x) probability as float32, the precision of the package; ValueError where it is none."""
    if probability.ndim != 2 or probability.size == 0:  # noqa: PLR2004
        raise ValueError(f"A cloud mask needs probabilities (y, x) of at least one pixel; got shape {probability.shape}.")
    low, high = float(probability.min()), float(probability.max())
    if not 0.0 <= low <= high <= 1.0:
        raise ValueError(
            f"Cloud probabilities must lie in [0, 1]; got {low:g} to {high:g}. Divide percentages by 100, and set pixels "
            "without data to 0 and mask them afterwards."
        )
    return np.ascontiguousarray(probability, dtype=np.float32)
