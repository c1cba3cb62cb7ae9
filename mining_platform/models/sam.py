"""Segment Anything on patches of any channels, few weights trained: mask decoder, low-rank adapters in the encoder, or both.

Kirillov et al. 2023, Segment Anything, doi:10.1109/ICCV51070.2023.00371; LoRA: Hu et al. 2021, arXiv:2106.09685, on the fused
query-key-value layers as in Zhang & Liu 2023, SAMed, arXiv:2304.13785. Through transformers and peft, which the extra `sam`
installs; torchvision is not used.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from mining_platform.models.blueprints import Blueprint

if TYPE_CHECKING:
    from torch import Tensor, nn

Adapter = Literal["decoder", "lora", "lora-decoder"]
COLOURS = 3  # of the pictures that the encoder was trained on
BOX = 4  # numbers of a box prompt; a point has 2
AT_ONCE = 4  # patches scored at once: attention over a whole picture of 1,024 px takes close to 1 GB of each
LORA_MODULES = ["qkv"]  # of the vision encoder; no other part has layers of that name


def sam(adapter: Adapter, blueprint: Blueprint) -> "nn.Module":
    """Segmenter of mining: (n, channels, px, px) float32 normalised and prompts -> (n, 2, px, px) logits of other and of mining.

    `settings` of the blueprint are those of `sam_weights.sam_settings`. Weights are random until `sam_weights.load_base`; LoRA
    begins as no change at all. Logits of "other" are 0, so that the softmax of both is the logistic function of SAM's mask.
    ModuleNotFoundError with the remedy where the extra is not installed.
    """
    check_installed()
    import torch
    from torch import nn
    from transformers.models.sam.configuration_sam import SamConfig
    from transformers.models.sam.modeling_sam import SamModel

    settings = blueprint.settings

    class SamSegmenter(nn.Module):
        """The channels as a picture of three colours, SAM, and the union of the masks of all prompts."""

        at_once = AT_ONCE

        def __init__(self) -> None:
            super().__init__()
            self.to_rgb = _to_rgb(blueprint)
            self.sam = SamModel(SamConfig(**settings["config"]))
            self.sam.requires_grad_(requires_grad=False)

        def forward(self, image: "Tensor", prompts: "Tensor | None" = None) -> "Tensor":
            """(n, channels, y, x) and (n, k, 4) boxes or (n, k, 2) points in pixels, None for the whole patch -> (n, 2, y, x)."""
            px, side = image.shape[-1], settings["config"]["vision_config"]["image_size"]
            asked = whole_patches(len(image), px, like=image) if prompts is None else prompts
            pixels = nn.functional.interpolate(self.to_rgb(image), size=(side, side), mode="bilinear")
            answer = self.sam(pixel_values=pixels, **_asked_of_sam(asked, side / px), multimask_output=False)
            mask = answer.pred_masks[:, :, 0].amax(1, keepdim=True)  # (n, 1, side/4, side/4)
            mining = nn.functional.interpolate(mask, size=image.shape[2:], mode="bilinear")
            return torch.cat([torch.zeros_like(mining), mining], dim=1)

    return _adapted(SamSegmenter(), adapter, settings)


def check_installed() -> None:
    """ModuleNotFoundError where transformers or peft are missing."""
    if missing := [name for name in ("transformers", "peft") if find_spec(name) is None]:
        raise ModuleNotFoundError(f"SAM needs {', '.join(missing)}. Install the extra: pip install 'mining-platform[sam]'.")


def whole_patches(n: int, px: int, *, like: "Tensor") -> "Tensor":
    """(n, 1, 4) boxes around whole patches, on the device of `like`: the prompt where nothing is known."""
    return like.new_tensor([0, 0, px, px]).expand(n, 1, BOX)


def _asked_of_sam(prompts: "Tensor", zoom: float) -> "dict[str, Tensor]":
    """Prompts as arguments of SamModel, which adds the half pixel that edges do not need."""
    import torch

    scaled = prompts * zoom - 0.5
    if prompts.shape[-1] == BOX:
        return {"input_boxes": scaled}
    labels = torch.ones(prompts.shape[:2], dtype=torch.int, device=prompts.device)
    return {"input_points": scaled[:, :, None], "input_labels": labels[:, :, None]}


def _to_rgb(blueprint: Blueprint) -> "nn.Module":
    """(n, channels, y, x) -> (n, 3, y, x): red, green, blue as they are, or a projection that begins as these and is trained."""
    import torch
    from torch import nn

    rgb, learned = blueprint.settings["rgb"], blueprint.settings["input"] == "projection"
    projection = nn.Conv2d(blueprint.channels, COLOURS, kernel_size=1, bias=False)
    if rgb is not None:
        chosen = torch.zeros_like(projection.weight)
        chosen[range(COLOURS), rgb] = 1
        projection.weight = nn.Parameter(chosen)
    return projection.requires_grad_(requires_grad=learned)


def _adapted(module: Any, adapter: Adapter, settings: Any) -> "nn.Module":
    """The segmenter with that alone trainable which the adapter trains, beside the projection."""
    if adapter != "decoder":
        from peft import LoraConfig, inject_adapter_in_model

        lora = settings["lora"]
        # It freezes all else, and its second factor begins at 0.
        inject_adapter_in_model(LoraConfig(r=lora["rank"], lora_alpha=lora["alpha"], target_modules=LORA_MODULES), module.sam)
    if adapter != "lora":
        module.sam.mask_decoder.requires_grad_(requires_grad=True)
    return module
