"""The commands `train` and `predict` with a model of Segment Anything on anyone's patch folders."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from mining_platform.models.tiny_sam import write_tiny_sam
from tests.mining_platform.patch_stores import write_pixels
from tests.mining_platform.test_training import pixels

CHANNELS, PX, N = ("B04", "B03", "B02", "B08", "B11"), 16, 8
FEW = ("--epochs", "2", "--batch", "4", "--model", "sam-lora")


def run(command: str, *arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, [command, *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return " ".join((str(done.exception) if expected else done.output).split())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patches of five channels, their split, two bases, and a model that was trained from the first."""
    folder = tmp_path_factory.mktemp("sam")
    images, is_mining = pixels(N, 0, PX, len(CHANNELS))
    ids = [f"patch_{row}" for row in range(N)]
    write_pixels(folder / "store", images, CHANNELS, ids, (images[:, 0] > 1500).astype(np.uint8))
    splits = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    pd.DataFrame({"patch_id": ids, "split": splits, "is_mining": is_mining}).to_csv(folder / "splits.csv", index=False)
    for seed in (1, 2):
        write_tiny_sam(folder / f"base-{seed}", seed=seed)
    run("train", folder / "store", *train_options(folder), "--weights", folder / "base-1", "--out", folder / "model")
    return folder


def train_options(folder: Path) -> tuple[object, ...]:
    return (*FEW, "--splits", folder / "splits.csv")


def test_a_card_names_the_base_and_its_bytes_but_not_where_it_lay(files: Path) -> None:
    text = (files / "model" / "model.json").read_text()
    card: dict[str, Any] = json.loads(text)
    assert card["settings"]["base"]["source"] == card["experiment"]["weights"] == "base-1"
    assert str(files) not in text
    assert [channel["id"] for channel in card["channels"]] == list(CHANNELS)
    assert "base-1" in (files / "model" / "README.md").read_text()


def test_predict_scores_patches_with_the_adapters_and_their_base(files: Path, tmp_path: Path) -> None:
    options = ("--weights", files / "base-1", "--table", files / "splits.csv", "--split", "test", "--out", tmp_path / "out")
    facts = json.loads(run("predict", files / "model", files / "store", *options, "--json"))
    assert (facts["patches"], facts["task"]) == (2, "segmentation")
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert table["score"].between(0, 1).all()
    assert (table[[name for name in table if name.startswith("px_")]].sum(axis=1) == PX * PX).all()


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("", "holds what was trained alone, not its base weights base-1. Name their folder or hub id"),
        ("base-2", "base-2 is not what the model was trained from: model.safetensors has another BLAKE3"),
        ("base-3", "There is no folder"),
    ],
)
def test_predict_refuses_another_base_and_none(files: Path, tmp_path: Path, weights: str, told: str) -> None:
    options = ("--weights", files / weights if weights else "", "--out", tmp_path / "out")
    assert told in run("predict", files / "model", files / "store", *options, code=2)


def test_train_without_weights_names_the_option(files: Path, tmp_path: Path) -> None:
    printed = run("train", files / "store", *train_options(files), "--out", tmp_path / "model", code=2)
    assert "sam-lora starts from weights of Segment Anything" in printed
