import numpy as np
import pytest
from sklearn import metrics

from mining_platform.evaluations.pixel_scores import pixel_confusion, segmentation_scores

NAMES = {0: "background", 2: "mining"}


def scene(seed: int, n: int = 12, classes: tuple[int, ...] = (0, 1, 2)) -> tuple[np.ndarray, np.ndarray]:
    """Labels with holes, and predictions that are right in 7 of 10 pixels."""
    random = np.random.default_rng(seed)
    label = random.choice(classes, (n, 8, 8)).astype(np.uint8)
    predicted = np.where(random.uniform(size=label.shape) < 0.7, label, random.choice(classes, label.shape)).astype(np.uint8)
    label[random.uniform(size=label.shape) < 0.1] = 255
    return label, predicted


def ids(n: int) -> list[str]:
    return [f"p{number:03d}" for number in range(n)]


def test_pixels_are_counted_by_true_and_predicted_class_and_those_without_a_class_left_out() -> None:
    label = np.array([[[0, 0, 2, 255]], [[2, 2, 0, 255]]], np.uint8)
    predicted = np.array([[[0, 2, 2, 2]], [[2, 0, 0, 9]]], np.uint8)
    counts = pixel_confusion(label, predicted, (0, 2))
    assert counts.tolist() == [[[1, 1], [0, 1]], [[1, 0], [1, 1]]]


def test_scores_of_seven_pixels_are_those_counted_by_hand() -> None:
    counts = np.array([[[1, 1], [0, 1]], [[1, 0], [1, 2]]])
    facts = segmentation_scores(counts, NAMES, patch_ids=["a", "b"], seed=1)
    assert facts["classes"]["mining"] == {
        "pixels": 4,
        "predicted_pixels": 4,
        "iou": 3 / 5,
        "precision": 3 / 4,
        "recall": 3 / 4,
        "f1": 3 / 4,
    }
    assert facts["classes"]["background"]["iou"] == 2 / 4
    assert facts["mean_iou"] == pytest.approx((3 / 5 + 2 / 4) / 2)
    assert (facts["pixels"], facts["accuracy"], facts["confusion"]) == (7, 5 / 7, [[2, 1], [1, 3]])


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    label, predicted = scene(seed)
    facts = segmentation_scores(
        pixel_confusion(label, predicted, (0, 1, 2)), {0: "other", 1: "cloud", 2: "mining"}, patch_ids=ids(12), seed=1
    )
    y, p = label[label != 255], predicted[label != 255]
    np.testing.assert_array_equal(facts["confusion"], metrics.confusion_matrix(y, p))
    rows = list(facts["classes"].values())
    np.testing.assert_allclose([row["iou"] for row in rows], metrics.jaccard_score(y, p, average=None))
    np.testing.assert_allclose([row["f1"] for row in rows], metrics.f1_score(y, p, average=None))
    assert facts["mean_iou"] == pytest.approx(metrics.jaccard_score(y, p, average="macro"))


def test_a_class_that_occurs_nowhere_has_no_score_and_is_not_in_the_mean() -> None:
    counts = pixel_confusion(np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 2), np.uint8), (0, 2))
    facts = segmentation_scores(counts, NAMES, patch_ids=["a", "b"], seed=1)
    assert facts["classes"]["mining"]["iou"] is None
    assert facts["mean_iou"] == 1.0
    assert facts["bootstrap"]["by_patch"]["iou"]["mining"]["undefined_resamples"] == 1000


def test_labels_without_any_class_have_no_scores() -> None:
    nothing = np.full((2, 2, 2), 255, np.uint8)
    facts = segmentation_scores(pixel_confusion(nothing, nothing, (0, 2)), NAMES, patch_ids=["a", "b"], seed=1)
    assert facts["mean_iou"] is facts["accuracy"] is facts["bootstrap"]["by_patch"]["mean_iou"]["low"] is None


def test_neighbours_that_are_copies_widen_the_interval_of_iou_over_clusters() -> None:
    label, predicted = scene(1, n=40)
    counts = np.repeat(pixel_confusion(label, predicted, (0, 1, 2)), 9, axis=0)
    names, clusters = {0: "other", 1: "cloud", 2: "mining"}, [name for name in ids(40) for _ in range(9)]
    drawn = segmentation_scores(counts, names, patch_ids=ids(360), clusters=clusters, seed=1)["bootstrap"]
    width = {
        unit: drawn[unit]["iou"]["mining"]["high"] - drawn[unit]["iou"]["mining"]["low"] for unit in ("by_patch", "by_cluster")
    }
    assert width["by_cluster"] / width["by_patch"] == pytest.approx(3, rel=0.2)
    assert (drawn["by_patch"]["units"], drawn["by_cluster"]["units"]) == (360, 40)


@pytest.mark.parametrize(
    ("label", "predicted", "message"),
    [
        (np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 5), np.uint8), "are not of one shape"),
        (np.full((1, 2, 2), 7, np.uint8), np.zeros((1, 2, 2), np.uint8), r"The label holds \[7\] where classes are 0, 2"),
        (
            np.zeros((1, 2, 2), np.uint8),
            np.full((1, 2, 2), 255, np.uint8),
            r"The prediction holds \[255\] where classes are 0, 2",
        ),
    ],
)
def test_pixels_that_cannot_be_counted_are_refused(label: np.ndarray, predicted: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pixel_confusion(label, predicted, (0, 2))


def test_counts_of_other_patches_than_the_ids_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Counts \(2, 2, 2\), 3 ids and 2 classes do not fit"):
        segmentation_scores(np.zeros((2, 2, 2), np.int64), NAMES, patch_ids=ids(3), seed=1)
