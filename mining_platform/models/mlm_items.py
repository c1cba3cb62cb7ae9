"""`stac-model.json`: a model as STAC item with the Machine Learning Model extension.

https://github.com/stac-extensions/mlm version 1.5.1, with file 2.1.0 (checksums), raster 2.0.0 (scale and offset of bands) and
classification 2.0.0 (classes).
"""

import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

ITEM_FILE = "stac-model.json"
STAC_VERSION = "1.1.0"
MLM = "https://stac-extensions.github.io/mlm/v1.5.1/schema.json"
EXTENSIONS = (
    MLM,
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
ANY_TIME = {"start": "1900-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"}  # what the extension's best practices say for "any"
SHA2_256 = "1220"  # multihash prefix: the algorithm and the length of its digest, as the file extension wants it
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]+[a-zA-Z0-9]")
TASKS = {"classification": "scene-classification", "segmentation": "semantic-segmentation"}


def mlm_item(card: Mapping[str, Any], weights_name: str, weights: bytes, card_name: str) -> dict[str, Any]:
    """The item of a model by its card (`classifier.write_classifier`), the bytes of its weights and the names of both files.

    `extent` of the card, {"bbox": [west, south, east, north] in degrees, "start": ..., "end": ...}, says where and when the
    training data lies; without it the item has no geometry and any time. Fields that start with `mining:` are our own.
    """
    extent = card.get("extent", {})
    bbox = extent.get("bbox")
    name = _name(card)
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": name,
        **({"bbox": list(bbox), "geometry": _rectangle(*bbox)} if bbox else {"geometry": None}),
        "properties": {
            "title": f"SIMULATED · {name}" if card.get("simulated") else name,
            "description": card["intended_use"],
            "datetime": None,
            "start_datetime": extent.get("start", ANY_TIME["start"]),
            "end_datetime": extent.get("end", ANY_TIME["end"]),
            "mlm:name": name,
            "mlm:architecture": card["architecture"],
            "mlm:tasks": [TASKS[card["task"]]],
            "mlm:framework": "PyTorch",
            "mlm:framework_version": version("torch").partition("+")[0],  # without the build, which is of one machine
            "mlm:total_parameters": card["parameters"],
            "mlm:pretrained": "base" in card["settings"],
            "mlm:pretrained_source": card["settings"].get("base", {}).get("source"),
            "mlm:accelerator_constrained": False,
            "mlm:input": [_input(card)],
            "mlm:output": [_output(card)],
            **({"mlm:hyperparameters": _told(card["experiment"])} if card.get("experiment") else {}),
            "mining:threshold": card["threshold"],
            "mining:simulated": bool(card.get("simulated")),
            "mining:inputs": dict(card.get("inputs", {})),
        },
        "links": [],
        "assets": _assets(card, weights_name, weights, card_name),
    }


def _name(card: Mapping[str, Any]) -> str:
    """The experiment or the architecture as `mlm:name`, which starts with a letter and ends with a letter or digit."""
    name = re.sub(r"[^a-zA-Z0-9_.-]", "-", str(card.get("experiment", {}).get("id", card["architecture"]))).strip("-._")
    return name if _NAME.fullmatch(name) else f"model-{name or 0}"


def _rectangle(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """A bounding box as GeoJSON, its ring counter-clockwise (RFC 7946)."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _input(card: Mapping[str, Any]) -> dict[str, Any]:
    channels, px = card["channels"], card["px"]
    return {
        "name": "patches",
        "description": "Values in the bands' units: scale x DN + offset. What stands for nodata is 0 after scaling.",
        "bands": [channel["id"] for channel in channels],
        "input": {
            "shape": [-1, len(channels), px, px],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": [_scaling(channel) for channel in channels],
        "resize_type": None,
        "pre_processing_function": None,
    }


def _scaling(channel: Mapping[str, Any]) -> dict[str, Any]:
    """z-score; channels that stay 0 and 1 have the mean 0 and the deviation 1."""
    is_scaled = channel["normalisation"].startswith("z-score")
    mean, std = (channel["mean"], channel["std"]) if is_scaled else (0.0, 1.0)
    return {"type": "z-score", "mean": mean, "stddev": std}


def _output(card: Mapping[str, Any]) -> dict[str, Any]:
    names, px = card["class_names"], card["px"]
    by_pixel = card["task"] == "segmentation"
    classes = list(enumerate(names)) if by_pixel else [(0, "other"), (1, names[0])]
    return {
        "name": "scores",
        "description": card["output"],
        "tasks": [TASKS[card["task"]]],
        "result": {
            "shape": [-1, len(names), px, px] if by_pixel else [-1],
            "dim_order": ["batch", "class", "height", "width"] if by_pixel else ["batch"],
            "data_type": "float32" if by_pixel else "float64",
        },
        "classification:classes": [{"value": value, "name": name, "description": name} for value, name in classes],
        "post_processing_function": None,
    }


def _assets(card: Mapping[str, Any], weights_name: str, weights: bytes, card_name: str) -> dict[str, Any]:
    return {
        "model": {
            "href": f"./{weights_name}",
            "title": "Weights",
            "type": "application/vnd.safetensors",
            "roles": ["mlm:model", "mlm:weights", "data"],
            "mlm:artifact_type": "safetensors",
            "file:size": len(weights),
            "file:checksum": SHA2_256 + hashlib.sha256(weights).hexdigest(),
            "bands": [_band(channel) for channel in card["channels"]],
        },
        "card": {"href": f"./{card_name}", "title": "Model card", "type": "application/json", "roles": ["metadata"]},
    }


def _band(channel: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": channel["id"],
        "description": f"{channel['sensor']} {channel['role']}",
        "data_type": "uint16",
        "nodata": channel["nodata"],
        "unit": channel["unit"],
        "gsd": channel["gsd_m"],
        "raster:scale": channel["scale"],
        "raster:offset": channel["offset"],
    }


def _told(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """What an experiment sets, without what it does not."""
    return {name: value for name, value in experiment.items() if value is not None}
