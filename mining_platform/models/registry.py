"""Models are rows: an id, what it is, and the function that builds it untrained.

A new architecture is one file beside this one and one row of `MODELS`. Nothing here imports torch before a model is built.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from mining_platform.models.blueprints import Blueprint
from mining_platform.models.cnn import small_cnn
from mining_platform.models.ensembles import MEMBERS, averaged
from mining_platform.models.sam import sam
from mining_platform.models.stacked_cnns import asgm_cnn, cnn_800k
from mining_platform.models.unet import LATTICE_PX, SMALL_WIDTHS, WIDTHS, unet

if TYPE_CHECKING:
    from torch import nn

Task = Literal["classification", "segmentation"]


@dataclass(frozen=True)
class ModelRow:
    """One architecture."""

    id: str
    description: str
    task: Task
    """`classification`: (n,) logits of mining, one a patch. `segmentation`: (n, classes, y, x) logits, one a pixel and class."""
    classes: int
    """1 for one logit of mining; for segmentation the number where whoever builds it says none."""
    min_px: int
    """Least side of a patch in pixels."""
    build: Callable[[Blueprint], "nn.Module"]
    """A module that maps (n, channels, px, px) float32 to the logits of the task, weights drawn from torch's generator."""
    member: str | None = None
    """Of an ensemble: the row that each member is trained as, by itself, with a seed of its own."""
    members: int = 1
    most_classes: int | None = None
    """None where any number will do."""
    pretrained: bool = False
    """Whether it starts from weights that the user names, and is told of them by its settings (`sam.sam_settings`)."""
    prompted: bool = False
    """Whether the module takes prompts after the images (`prompts.py`)."""


MODELS: dict[str, ModelRow] = {
    row.id: row
    for row in (
        ModelRow(
            "small-cnn",
            "Four 3 x 3 convolutions, global average and maximum pooling, one logit",
            task="classification",
            classes=1,
            min_px=16,
            build=small_cnn,
        ),
        ModelRow(
            "asgm-cnn",
            "Three blocks of three 3 x 3 x 32 convolutions, three dense layers, one logit (Dissing and Kalo)",
            task="classification",
            classes=1,
            min_px=12,
            build=asgm_cnn,
        ),
        ModelRow(
            "cnn-800k",
            "Three blocks of three convolutions with batch normalisation, three dense layers, one logit (Amazon Mining Watch)",
            task="classification",
            classes=1,
            min_px=8,
            build=cnn_800k,
        ),
        ModelRow(
            "ensemble-6",
            "Mean probability of six cnn-800k, trained with different seeds (Amazon Mining Watch)",
            task="classification",
            classes=1,
            min_px=8,
            build=partial(averaged, cnn_800k, MEMBERS),
            member="cnn-800k",
            members=MEMBERS,
        ),
        ModelRow(
            "unet",
            "U-Net of five levels, 32 to 512 feature maps, batch normalisation (Ronneberger et al. 2015)",
            task="segmentation",
            classes=2,
            min_px=2 * LATTICE_PX,
            build=partial(unet, WIDTHS),
        ),
        ModelRow(
            "small-unet",
            "U-Net of five levels, 8 to 128 feature maps, batch normalisation: for few patches and no GPU",
            task="segmentation",
            classes=2,
            min_px=2 * LATTICE_PX,
            build=partial(unet, SMALL_WIDTHS),
        ),
        ModelRow(
            "sam-decoder",
            "Segment Anything, encoder frozen, mask decoder trained (Kirillov et al. 2023)",
            task="segmentation",
            classes=2,
            min_px=16,
            build=partial(sam, "decoder"),
            most_classes=2,
            pretrained=True,
            prompted=True,
        ),
        ModelRow(
            "sam-lora",
            "Segment Anything, frozen, with low-rank adapters in the encoder's attention trained (Hu et al. 2021)",
            task="segmentation",
            classes=2,
            min_px=16,
            build=partial(sam, "lora"),
            most_classes=2,
            pretrained=True,
            prompted=True,
        ),
        ModelRow(
            "sam-lora-decoder",
            "Segment Anything, low-rank adapters in the encoder's attention and mask decoder trained (Zhang & Liu 2023)",
            task="segmentation",
            classes=2,
            min_px=16,
            build=partial(sam, "lora-decoder"),
            most_classes=2,
            pretrained=True,
            prompted=True,
        ),
    )
}


def model(model_id: str) -> ModelRow:
    """The row of a model; KeyError with the known ids and the remedy otherwise."""
    try:
        return MODELS[model_id]
    except KeyError:
        raise KeyError(
            f"Unknown model {model_id!r}; known: {', '.join(MODELS)}. Add a row in mining_platform/models/registry.py."
        ) from None


def build_model(
    model_id: str, channels: int, px: int, *, classes: int | None = None, settings: Mapping[str, Any] | None = None
) -> "nn.Module":
    """An untrained model for patches of `px` x `px` pixels, weights drawn from torch's generator.

    `classes` are those of the row where None. `settings` are for pretrained models alone (`sam.sam_settings`): the module is
    built as they say, and `sam_weights.load_base` fills in the weights they name. ValueError for what the model cannot be.
    """
    row = model(model_id)
    blueprint = Blueprint(channels, px, row.classes if classes is None else classes, dict(settings or {}))
    _check_sizes(row, blueprint)
    if row.pretrained != bool(blueprint.settings):
        wanted = "needs settings that name its base weights (sam_settings)" if row.pretrained else "takes no settings"
        raise ValueError(f"Model {model_id} {wanted}; got {sorted(blueprint.settings)}.")
    return row.build(blueprint)


def _check_sizes(row: ModelRow, blueprint: Blueprint) -> None:
    if blueprint.channels < 1 or blueprint.px < row.min_px:
        raise ValueError(
            f"Model {row.id} needs at least 1 channel and {row.min_px} x {row.min_px} pixels; got {blueprint.channels} channels, "
            f"{blueprint.px} px."
        )
    if row.task == "classification" and blueprint.classes != 1:
        raise ValueError(f"Model {row.id} classifies whole patches by one logit; got {blueprint.classes} classes. Use `unet`.")
    if row.task == "segmentation" and not 2 <= blueprint.classes <= (row.most_classes or blueprint.classes):  # noqa: PLR2004
        wanted = f"at most {row.most_classes} classes" if row.most_classes else "2 or more classes"
        raise ValueError(f"Model {row.id} segments into {wanted}; got {blueprint.classes}.")
