"""croissant.json as its own reader sees it: valid without a word, and each patch with its own pixels, offline."""

import io
import json
import logging
import socket
from pathlib import Path
from typing import Any

import mlcroissant
import numpy as np
import pytest
import rasterio
from PIL import Image

from mining_platform.packages import descriptions
from mining_platform.packages.contents import Contents
from mining_platform.packages.croissant import semantic_version
from tests.mining_platform.described_packages import LAYOUTS, RELEASE, small_package


@pytest.fixture(scope="module", params=LAYOUTS)
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contents]:
    out = tmp_path_factory.mktemp("package")
    contents = small_package(out, request.param)
    descriptions.write_descriptions(out, contents)
    return out, contents


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a reader of a local package went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def records(out: Path, record_set: str) -> list[dict[str, Any]]:
    """Records by bare field name, texts decoded."""
    found = mlcroissant.Dataset(str(out / "croissant.json")).records(record_set)
    return [{name.split("/")[1]: value for name, value in record.items()} for record in found]


def file_pixels(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        return np.asarray(Image.open(path))
    with rasterio.open(path) as raster:
        return raster.read().squeeze()


def record_pixels(value: Any) -> np.ndarray:
    if isinstance(value, bytes):
        with rasterio.MemoryFile(value) as file, file.open() as raster:
            return raster.read()
    return np.asarray(value)


def test_mlcroissant_has_nothing_to_complain_of(described: tuple[Path, Contents], caplog: pytest.LogCaptureFixture) -> None:
    out, _ = described
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(str(out / "croissant.json"))
    assert dataset.metadata.ctx.issues.report() == ""
    assert caplog.records == []


def test_every_row_comes_with_the_pixels_of_its_own_image_and_label(described: tuple[Path, Contents]) -> None:
    out, contents = described
    rows = contents.table.set_index("patch_id")
    found = records(out, "patches")
    assert {record["patch_id"].decode() for record in found} == set(rows.index)
    for record in found:
        row = rows.loc[record["patch_id"].decode()]
        assert record["image_path"].decode() == row["image_path"]
        for name in ("image", "label"):
            assert (record_pixels(record[name]) == file_pixels(out / row[f"{name}_path"])).all()


def test_a_records_values_are_those_of_the_manifest(described: tuple[Path, Contents]) -> None:
    out, contents = described
    rows = contents.table.set_index("patch_id")
    for record in records(out, "patches"):
        row = rows.loc[record["patch_id"].decode()]
        assert record["range"].decode() == row["range"]
        assert record["split"].decode() == row["split"]
        assert (record["share"], record["is_mining"], record["year"]) == (row["share"], row["is_mining"], 2024)
        assert [record[name] for name in ("minx", "maxy", "west", "north")] == row[["minx", "maxy", "west", "north"]].tolist()


def test_the_table_has_every_column_without_reading_an_image(described: tuple[Path, Contents]) -> None:
    out, contents = described
    found = records(out, "table")
    assert set(found[0]) == set(contents.table.columns) - {"geometry"}
    assert [record["patch_id"].decode() for record in found] == contents.table["patch_id"].tolist()
    assert [record["mining_distance_m"] for record in found[:2]] == [12.5, None]


def test_each_kind_of_file_can_be_read_alone(described: tuple[Path, Contents]) -> None:
    out, contents = described
    for kind in contents.kinds:
        name = kind.column.removesuffix("_path")
        found = {record[kind.column].decode(): record[name] for record in records(out, f"{name}_files")}
        assert set(found) == set(contents.table[kind.column])
        path, value = next(iter(found.items()))
        assert (record_pixels(value) == file_pixels(out / path)).all()


def test_a_changed_table_is_refused_by_its_digest(tmp_path: Path) -> None:
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "sites"))
    content = bytearray((tmp_path / "manifest.parquet").read_bytes())
    content[100] ^= 1
    (tmp_path / "manifest.parquet").write_bytes(content)
    with pytest.raises(mlcroissant.GenerationError):
        records(tmp_path, "table")


def test_the_sides_of_the_split_have_their_meaning(tmp_path: Path) -> None:
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "sites"))
    found = {record["name"]: record["url"] for record in records(tmp_path, "splits")}
    assert found == {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit", "buffer": ""}


def test_mlcroissant_reads_terms_citation_limits_and_biases(described: tuple[Path, Contents]) -> None:
    metadata = mlcroissant.Dataset(str(described[0] / "croissant.json")).metadata
    assert metadata.license == ["https://creativecommons.org/licenses/by/4.0/"]
    assert metadata.cite_as.startswith("@misc{tiny_ranges_2024_1f3a90c2,")
    assert [creator.name for creator in metadata.creators] == ["Silva, Ana", "Instituto do Ouro"]
    assert metadata.date_published.date().isoformat() == "2026-02-03"
    assert any("no random sample" in bias for bias in metadata.data_biases)
    assert any("made by classifiers" in limit for limit in metadata.data_limitations)


def test_the_version_is_semantic_whatever_the_years() -> None:
    assert semantic_version(RELEASE) == "2024.0.0+2024.1f3a90c2"


def test_hostile_titles_and_unknown_terms_stay_valid(tmp_path: Path) -> None:
    hostile = 'Ouro "bateia"\n</script><script>alert(1)</script> é \\ 金'
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "sites", title=hostile, credits=(), authors=(hostile,)))
    dataset = mlcroissant.Dataset(str(tmp_path / "croissant.json"))
    assert dataset.metadata.ctx.issues.errors == set()
    assert dataset.metadata.name == " ".join(hostile.split())
    assert io.StringIO(json.dumps(dataset.metadata.to_json()))
