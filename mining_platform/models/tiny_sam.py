"""A Segment Anything model of a few thousand random weights, in the files of a real one, for demonstrations without download.

It knows nothing: what is trained on it shows that the machinery works, and no more.
"""

from pathlib import Path
from typing import Any

from mining_platform.models.classifier import deterministic_torch
from mining_platform.models.sam import check_installed

SIDE_PX = 64  # of the picture that the encoder sees; 1,024 in the published models
WEIGHT_GAIN = 1.5  # with SAM's own first weights all masks are 0, and no adapter could change that
_WIDTH, _CELL_PX = 16, 8
CONFIG: dict[str, Any] = {
    "vision_config": {
        "hidden_size": _WIDTH,
        "output_channels": _WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE_PX,
        "patch_size": _CELL_PX,
        "window_size": 4,
        "global_attn_indexes": [1],
        "num_pos_feats": _WIDTH // 2,
    },
    "prompt_encoder_config": {
        "hidden_size": _WIDTH,
        "image_size": SIDE_PX,
        "patch_size": _CELL_PX,
        "mask_input_channels": 8,
    },
    "mask_decoder_config": {"hidden_size": _WIDTH, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": _WIDTH},
}


def write_tiny_sam(folder: Path, *, seed: int) -> None:
    """`config.json` and `model.safetensors` of random weights, for `sam_weights.open_weights`; equal seeds give equal bytes."""
    check_installed()
    from torch.nn import init
    from transformers import SamConfig, SamModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    with deterministic_torch(seed):
        model = SamModel(SamConfig(**CONFIG))
        for values in model.parameters():
            if values.ndim > 1:
                init.xavier_normal_(values, gain=WEIGHT_GAIN)
        model.save_pretrained(folder)
