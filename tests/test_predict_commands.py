"""The command `predict` on anyone's model and mosaic, as a person runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from tests.mining_platform.scored_mosaics import known_classifier, known_score, write_layer_beside, write_model, write_mosaic


def run(*arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return str(done.exception) if expected else done.output


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A model of the red channel, and a mosaic of reflectance 0.2."""
    write_model(tmp_path / "model", known_classifier())
    write_mosaic(tmp_path / "mosaic.zarr", np.full((3, 96, 144), 2000, np.uint16))
    return tmp_path


def test_a_mosaic_becomes_a_map_and_polygons(files: Path) -> None:
    told = json.loads(run(files / "model", files / "mosaic.zarr", "--out", files / "out", "--json"))
    assert (told["windows"], told["cells"], told["cells_above"], told["detections"]) == (15, 24, 24, 1)
    assert (told["threshold"], told["cell_m"], told["simulated"]) == (0.5, 240, False)
    names = {"probability.tif", "detections.parquet", "detections.geojson", "detections.json"}
    assert {path.name for path in (files / "out").iterdir()} == names


def test_the_table_tells_what_was_found(files: Path) -> None:
    printed = run(files / "model", files / "mosaic.zarr", "--out", files / "out")
    assert "Cells of 240 m" in printed
    assert "detections" in printed


def test_another_threshold_may_be_named(files: Path) -> None:
    above = str(known_score(0.2) + 0.001)
    told = json.loads(run(files / "model", files / "mosaic.zarr", "--out", files / "out", "--threshold", above, "--json"))
    assert told["detections"] == 0


def test_layers_are_named_by_kind_and_path(files: Path) -> None:
    write_model(files / "high", known_classifier(channels=("B04", "DEM")))
    write_layer_beside(files / "elevation.zarr", np.full((1, 96, 144), 2000, np.uint16), ("DEM",))
    layer = f"elevation={files / 'elevation.zarr'}"
    told = json.loads(run(files / "high", files / "mosaic.zarr", "--out", files / "out", "--layers", layer, "--json"))
    assert told["channels"] == ["B04", "DEM"]


def test_what_the_model_cannot_use_is_named(files: Path) -> None:
    write_model(files / "nir", known_classifier(channels=("B04", "B08")))
    assert "B08" in run(files / "nir", files / "mosaic.zarr", "--out", files / "out", code=2)
    assert "no Zarr v3 group" in run(files / "model", files / "model", "--out", files / "out", code=2)
    assert "No readable model" in run(files / "mosaic.zarr", files / "mosaic.zarr", "--out", files / "out", code=2)
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("layers", "problem"),
    [(("elevation",), "names no layer"), (("height=x.zarr",), "names no layer"), (("radar=a", "radar=b"), "named twice")],
)
def test_layers_written_wrongly_are_refused(files: Path, layers: tuple[str, ...], problem: str) -> None:
    options = [option for layer in layers for option in ("--layers", layer)]
    assert problem in run(files / "model", files / "mosaic.zarr", "--out", files / "out", *options, code=2)
