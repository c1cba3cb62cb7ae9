"""What a model's folder says of it: the card, its README and its STAC item."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest

from mining_platform.models.classifier import (
    CARD_FILE,
    WEIGHTS_FILE,
    Classifier,
    Normalisation,
    deterministic_torch,
    write_classifier,
)
from mining_platform.models.mlm_items import ITEM_FILE, MLM
from mining_platform.models.model_cards import README_FILE
from mining_platform.models.registry import build_model

CHANNELS = ("B04", "S1-VV", "OSM-highway")
FACTS: dict[str, Any] = {
    "experiment": {"id": "asgm-2", "seed": 7, "patience": None},
    "inputs": {"patches@ranges": "a" * 64},
    "simulated": False,
    "training": {"patches": 90, "mining": 40},
    "split": {"method": "cluster", "train": 90, "val": 20, "test": 20},
    "validation": {"f1": 0.8123456789, "positives": 9},
    "metrics": [{"name": "f1", "split": "test", "value": 0.75, "low": 0.6, "high": 0.875, "confidence_pct": 95, "positives": 9}],
    "extent": {"bbox": [-56.0, -7.0, -55.0, -6.0], "start": "2024-01-01T00:00:00Z", "end": "2024-12-31T23:59:59Z"},
    "limits": ["Trained on one river."],
}
HEADINGS = [
    *("Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data"),
    *("Ethical considerations", "Caveats and recommendations"),
]


def model(model_id: str = "small-cnn", px: int = 16, classes: tuple[str, ...] = ("mining",)) -> Classifier:
    with deterministic_torch(0):
        module = build_model(model_id, 3, px, classes=len(classes))
    weights = {name: values.numpy().copy() for name, values in module.state_dict().items()}
    statistics = Normalisation(CHANNELS, (0.1, -12.0, 0.2), (0.05, 3.0, 0.4))
    return Classifier(model_id, px, statistics, 0.4, weights, classes)


def written(
    out: Path, facts: dict[str, Any] = FACTS, classifier: Classifier | None = None
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Card, README and item of a model."""
    write_classifier(classifier or model(), out, facts)
    card, item = (json.loads((out / name).read_text()) for name in (CARD_FILE, ITEM_FILE))
    return card, (out / README_FILE).read_text(), item


def test_the_card_tells_units_and_normalisation_of_each_channel(tmp_path: Path) -> None:
    card, _, _ = written(tmp_path)
    red, radar, highway = card["channels"]
    assert {"id": "B04", "unit": "reflectance", "scale": 1e-4, "offset": 0.0, "mean": 0.1, "std": 0.05}.items() <= red.items()
    assert {"id": "S1-VV", "unit": "dB", "scale": 0.002, "offset": -80.0, "mean": -12.0, "std": 3.0}.items() <= radar.items()
    assert red["normalisation"] == radar["normalisation"] == "z-score: (value - mean) / std, 0 where no data"
    assert highway["normalisation"] == "none: 0 or 1 as it is, 0 where there is no data"


def test_the_card_holds_task_use_limits_size_and_what_the_caller_tells(tmp_path: Path) -> None:
    card, _, _ = written(tmp_path)
    assert (card["format"], card["task"], card["class_names"], card["settings"]) == (2, "classification", ["mining"], {})
    assert card["inputs"] == FACTS["inputs"]
    assert card["metrics"] == FACTS["metrics"]
    assert card["limits"][-1] == "Trained on one river."
    assert len(card["limits"]) > 3
    weights = model().weights
    buffers = sum(values.size for name, values in weights.items() if re.search("running|num_batches", name))
    assert card["parameters"] == sum(values.size for values in weights.values()) - buffers


def test_the_readme_has_the_headings_of_a_model_card_and_the_facts_of_the_card(tmp_path: Path) -> None:
    card, text, _ = written(tmp_path)
    assert re.findall("^## (.*)$", text, flags=re.MULTILINE) == HEADINGS
    assert text.startswith("# Mining model asgm-2\n")
    assert "| f1 | test | 0.75 | 0.6 | 0.875 | 95 | 9 |  |" in text
    assert "| S1-VV | radar_vv | sentinel-1 | dB | 0.002 | -80 | 0 | -12 | 3 |" in text
    assert "- split method: cluster" in text
    assert f"- inputs patches@ranges: {'a' * 64}" in text
    assert "- f1: 0.812346" in text
    assert all(f"- {limit}\n" in text for limit in card["limits"])
    assert "SIMULATED" not in text


def test_a_simulated_model_says_so_first(tmp_path: Path) -> None:
    _, text, item = written(tmp_path, {"simulated": True})
    assert text.startswith("# SIMULATED · Mining model small-cnn\n\n> **SIMULATED.**")
    assert item["properties"]["mining:simulated"] is True
    assert item["properties"]["title"] == "SIMULATED · small-cnn"


def test_what_nobody_told_is_said_to_be_missing(tmp_path: Path) -> None:
    _, text, _ = written(tmp_path, {})
    assert text.count("Not told by whoever made the model.") == 3  # metrics, evaluation data, training data


def test_a_cell_of_the_readme_stays_one_cell(tmp_path: Path) -> None:
    _, text, _ = written(tmp_path, {"metrics": [{"name": "f1 | all\nof it", "value": 0.5}]})
    assert "| f1 / all of it |  | 0.5 |" in text


def test_the_item_is_valid_stac_as_pystac_reads_it(tmp_path: Path) -> None:
    _, _, item = written(tmp_path)
    read = pystac.Item.from_dict(item)
    assert read.to_dict(include_self_link=False)["properties"] == item["properties"]
    assert read.bbox == [-56.0, -7.0, -55.0, -6.0]
    assert item["stac_version"] == "1.1.0"
    assert MLM in item["stac_extensions"]
    ring = np.array(item["geometry"]["coordinates"][0])
    assert ((ring[1:, 0] - ring[:-1, 0]) * (ring[1:, 1] + ring[:-1, 1])).sum() < 0  # counter-clockwise


def test_the_item_has_what_the_mlm_extension_asks_for(tmp_path: Path) -> None:
    """The rules of its schema, version 1.5: required fields, names, shapes, roles, references to bands."""
    card, _, item = written(tmp_path)
    told = item["properties"]
    assert {"mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"} <= told.keys()
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", told["mlm:name"])
    assert told["mlm:tasks"] == ["scene-classification"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["mlm:framework_version"])
    assert told["mlm:total_parameters"] == card["parameters"]
    assert (told["mlm:pretrained"], told["mlm:pretrained_source"]) == (False, None)
    assert told["mlm:hyperparameters"] == {"id": "asgm-2", "seed": 7}
    (given,), (result,) = told["mlm:input"], told["mlm:output"]
    assert {"name", "bands", "input"} <= given.keys()
    assert given["input"] == {
        "shape": [-1, 3, 16, 16],
        "dim_order": ["batch", "bands", "height", "width"],
        "data_type": "float32",
    }
    assert [row["type"] for row in given["value_scaling"]] == ["z-score"] * 3
    assert [(row["mean"], row["stddev"]) for row in given["value_scaling"]] == [(0.1, 0.05), (-12.0, 3.0), (0.0, 1.0)]
    assert {"name", "tasks", "result"} <= result.keys()
    assert len(result["result"]["shape"]) == len(result["result"]["dim_order"])
    models = [asset for asset in item["assets"].values() if "mlm:model" in asset["roles"]]
    assert len(models) == 1
    assert [band["name"] for band in models[0]["bands"]] == given["bands"] == list(CHANNELS)
    assert models[0]["mlm:artifact_type"]
    assert all("mlm:artifact_type" not in asset for asset in item["assets"].values() if "mlm:model" not in asset["roles"])


def test_the_item_has_size_and_checksum_of_the_weights(tmp_path: Path) -> None:
    _, _, item = written(tmp_path)
    content = (tmp_path / WEIGHTS_FILE).read_bytes()
    asset = item["assets"]["model"]
    assert (tmp_path / asset["href"]).read_bytes() == content
    assert asset["file:size"] == len(content)
    assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_the_item_of_a_segmenter_tells_its_classes_by_pixel(tmp_path: Path) -> None:
    names = ("background", "cloud", "mining")
    _, text, item = written(tmp_path, {}, model("unet", 32, names))
    (result,) = item["properties"]["mlm:output"]
    assert item["properties"]["mlm:tasks"] == result["tasks"] == ["semantic-segmentation"]
    assert result["result"]["shape"] == [-1, 3, 32, 32]
    assert [(each["value"], each["name"]) for each in result["classification:classes"]] == list(enumerate(names))
    assert "- Classes: background, cloud, mining" in text


def test_a_model_of_unknown_place_has_no_geometry_and_any_time(tmp_path: Path) -> None:
    _, _, item = written(tmp_path, {})
    assert item["geometry"] is None
    assert "bbox" not in item
    assert pystac.Item.from_dict(item).common_metadata.start_datetime is not None


def test_facts_that_are_not_json_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_classifier(model(), tmp_path, {"metrics": [{"name": "f1", "value": float("nan")}]})
    assert list(tmp_path.iterdir()) == []
