"""What the evaluation of a segmentation model is made of: classes of pixels, their counts, scores and a figure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.evaluation_figures import titled
from mining_platform.evaluations.pixel_scores import NO_CLASS, pixel_confusion, segmentation_scores
from mining_platform.figures import INK, PALETTE, styled
from mining_platform.models.classifier import Classifier, module_of, predict
from mining_platform.models.prompts import label_boxes
from mining_platform.models.registry import model
from mining_platform.training_devices import device_of
from mining_platform.training_patches import SplitPatches
from mining_platform.training_prompts import MOST_BOXES
from mining_platform.training_validation import MINING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

UNITS = {"by_cluster": "clusters", "by_patch": "patches"}
NO_PROMPTS = "none: each patch is asked about as a whole, so the scores are of a system that looks for mines"
LABEL_PROMPTS = "boxes around the test labels' mines: how well mines are outlined that somebody points at, not how many are found"


def classes_of(probability: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """(n, classes, y, x) probabilities -> (n, y, x) classes: mining at or above the threshold, else the likeliest other one."""
    others = probability.copy()
    others[:, MINING] = -1
    called = others.argmax(1).astype(np.uint8)
    called[probability[:, MINING] >= threshold] = MINING
    return called


def segmented(
    classifier: Classifier, patches: SplitPatches, rows: pd.DataFrame, *, pointed_at: bool = False
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """`rows`, one a patch in their order, with pixels of mining by label and by prediction; and (n, class, class) counts.

    Labels of classes that the model does not know count for nothing. `pointed_at`: the model is told of boxes around the label's
    own mines.
    """
    module, told, classes = _module(classifier), patches.quantities, range(len(classifier.class_names))
    confusions = [np.zeros((0, len(classes), len(classes)), np.int64)]
    for images, labels in replace(patches, classes=len(classes)).labelled():
        boxes = label_boxes(labels, MINING, most=MOST_BOXES) if pointed_at else None
        probability = predict(classifier, images, patches.channels, stored=told, module=module, prompts=boxes)
        confusions.append(pixel_confusion(labels, classes_of(probability, classifier.threshold), classes))
    counts = np.concatenate(confusions)
    pixels = {"labelled_px": counts.sum((1, 2)), "mining_px": counts[:, MINING].sum(1), "called_px": counts[:, :, MINING].sum(1)}
    return rows.assign(**pixels), counts


def _module(classifier: Classifier) -> "nn.Module":
    """Pretrained ones are large: on a GPU if there is one; others on the processor, where equal models score equally."""
    module = module_of(classifier)
    return module.to(device_of("auto")) if model(classifier.architecture).pretrained else module


def prompted_facts(classifier: Classifier, patches: SplitPatches, rows: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """Of prompted models what their scores were made with, and under `pointed_at` scores with prompts of the labels."""
    if not model(classifier.architecture).prompted:
        return {}
    table, confusions = segmented(classifier, patches, rows, pointed_at=True)
    scores = pixel_facts(classifier, table, confusions, seed=seed)
    return {"prompts": NO_PROMPTS, "pointed_at": {"prompts": LABEL_PROMPTS, **scores}}


def pixel_facts(classifier: Classifier, table: pd.DataFrame, confusions: NDArray[np.int64], *, seed: int) -> dict[str, Any]:
    """Scores of `segmentation_scores` on the test patches, by cluster as well, and what was decided before."""
    names = dict(enumerate(classifier.class_names))
    ids, clusters = table["patch_id"].tolist(), table["cluster"].tolist()
    facts = segmentation_scores(confusions, names, patch_ids=ids, clusters=clusters, seed=seed)
    return {"task": "segmentation", "no_class": NO_CLASS, "threshold": classifier.threshold, **facts}


def iou_figure(facts: Mapping[str, Any], *, title: str, simulated: bool) -> "Figure":
    """IoU of each class with its interval over clusters, pixels of its label beside it; absent classes are marked."""
    classes, unit = facts["classes"], "by_cluster" if "by_cluster" in facts["bootstrap"] else "by_patch"
    drawn = facts["bootstrap"][unit]
    with styled():
        counted = f"{facts['patches']} patches, {facts['pixels']:,} labelled pixels"
        subtitle = f"{counted}; lines: 95 % bootstrap over {drawn['units']} {UNITS[unit]}"
        figure, axes = titled(title, subtitle, simulated)
        for place, (name, row) in enumerate(classes.items()):
            interval = drawn["iou"][name]
            if row["iou"] is None:
                axes.text(0.02, place, "no pixels", va="center", fontsize=9, color=INK)
                continue
            axes.barh(place, row["iou"], height=0.5, color=PALETTE["mining" if name == "mining" else "other"])
            if interval is not None and interval["low"] is not None:
                axes.plot([interval["low"], interval["high"]], [place, place], color=INK, linewidth=1.6)
        labels = [f"{name}\n{row['pixels']:,} pixels" for name, row in classes.items()]
        axes.set(yticks=range(len(classes)), yticklabels=labels, xlim=(0, 1), xlabel="intersection over union")
        axes.invert_yaxis()
        return figure
