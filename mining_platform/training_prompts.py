"""What a prompted model is told of where mines are, while it is trained; a row a way. Validation and test tell it nothing.

A new way is one function and one row of `PROMPTS`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mining_platform.models.prompts import label_boxes
from mining_platform.training_validation import MINING

if TYPE_CHECKING:
    from torch import Tensor

MOST_BOXES = 8  # a patch, around its largest objects
WHOLE_SHARE = 0.5
"""Of patches that are asked about as a whole all the same: the only question that a model is asked where no mine is known."""


def _nothing(_labels: "Tensor") -> None:
    """No prompts: the model is asked about whole patches."""


def _boxes(labels: "Tensor") -> "Tensor":
    """(n, y, x) classes -> (n, k, 4) boxes around their mining, or around the whole patch, drawn from torch's generator."""
    import torch

    boxes = torch.from_numpy(label_boxes(labels.numpy(), MINING, most=MOST_BOXES))
    height, width = labels.shape[1:]
    boxes[torch.rand(len(labels)) < WHOLE_SHARE] = boxes.new_tensor([0, 0, width, height])
    return boxes


PROMPTS: "dict[str, Callable[[Tensor], Tensor | None]]" = {"none": _nothing, "label-boxes": _boxes}
"""Labels of a batch on the processor -> its prompts, see `models.prompts`."""
