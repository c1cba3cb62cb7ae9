"""Datasets of sites as others have them: forms of labels, channels by role, names, splits."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mining_platform import patches
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from mining_platform.imports.channels import LISTS
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.publishing import Imported
from tests.mining_platform.import_folders import PX, imported, landsat, site_label, write_label_png, write_sites, write_tif

STORE = Ref("imported/patches", "given|ashanti|2005")
SITES = {"train": ["alto_1", "alto_2"], "val": ["beni_1"], "test": ["cana_1"]}
LANDSAT = LISTS["landsat-4-7"]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def take(folder: Path, store: ArtifactStore, **options: Any) -> Imported:
    return imported(folder, store, "sites", **{"channels": LANDSAT, **options})


def texts(done: Imported) -> str:
    return " | ".join(finding.line for finding in done.findings)


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "RGBA"])
def test_labels_as_palette_gray_or_colours_give_the_same_store(tmp_path: Path, store: ArtifactStore, mode: str) -> None:
    done = take(write_sites(tmp_path / "sites", SITES, mode=mode), store)
    labels = patches.read_labels(open_artifact(store, STORE).path, [0, 3])
    expected = np.zeros((PX, PX), np.uint8)
    expected[0], expected[1] = 255, 1
    assert (labels == expected).all()
    assert "4 labels have cloud, 32 pixels in all, stored as no class" in texts(done)


def test_bands_are_stored_by_role_and_the_thermal_one_is_left_out(tmp_path: Path, store: ArtifactStore) -> None:
    done = take(write_sites(tmp_path / "sites", SITES), store)
    out = open_artifact(store, STORE).path
    attributes = patches.read_attributes(out)
    assert attributes["channels"] == ["L-blue", "L-green", "L-red", "L-nir", "L-swir1", "L-swir2"]
    assert (attributes["scale"], attributes["unit"]) == (1e-4, "reflectance")
    row = attributes["patch_ids"].index("train_alto_1_00000")
    expected = np.floor(landsat(0)[[0, 1, 2, 3, 4, 6]].astype(np.float64) * 1e4 + 0.5)
    assert (patches.read_images(out, [row])[0] == expected).all()
    assert "1 bands of each image are not stored: band 6" in texts(done)


def test_the_table_tells_site_place_split_and_date(tmp_path: Path, store: ArtifactStore) -> None:
    done = take(write_sites(tmp_path / "sites", SITES), store)
    table = pd.read_parquet(done.versions[-1].path / "manifest.parquet").set_index("patch_id")
    row = table.loc["train_alto_2_00000"]
    assert row[["site", "place", "split", "date", "year"]].tolist() == ["alto", "alto_2", "train", "2005-08-17", 2005]
    assert row["share"] == PX / (PX * PX - PX)


def test_a_base_site_in_two_splits_is_told_and_the_split_kept(tmp_path: Path, store: ArtifactStore) -> None:
    done = take(write_sites(tmp_path / "sites", {"train": ["alto_1"], "test": ["alto_2"]}), store)
    assert "1 sites are on more than one side of the split, which is kept: alto" in texts(done)
    assert done.versions[-1].facts["leakage"]["same_site"] == 2  # both places


def test_the_table_of_names_inside_test_is_read_and_told(tmp_path: Path, store: ArtifactStore) -> None:
    done = take(write_sites(tmp_path / "sites", SITES, mapping="test/filename_mapping.csv"), store)
    assert "1 lies in a folder and not at the top: test/filename_mapping.csv" in texts(done)
    assert done.versions[0].ref == STORE


def test_names_are_checked_both_ways(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_sites(tmp_path / "sites", SITES)
    write_tif(folder / "train" / "images" / "alto_1" / "00001.tif", landsat(9))
    write_label_png(folder / "train" / "labels" / "alto_1" / "00001.png", site_label())
    with (folder / "filename_mapping.csv").open("a") as file:
        file.write("val,beni_1,LT05_x_20050817.tif,00007.tif,7\n")
    done = take(folder, store, year=2005)
    assert "1 images are not in filename_mapping.csv: train/alto_1/00001" in texts(done)
    assert "1 rows of filename_mapping.csv have no image: val/beni_1/00007" in texts(done)
    assert done.patches == 5


def test_images_of_several_sizes_are_refused_or_filled_up(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_sites(tmp_path / "sites", {"train": ["alto_1", "beni_1"]})
    write_tif(folder / "train" / "images" / "alto_1" / "00000.tif", landsat(0)[:, :5, :6])
    write_label_png(folder / "train" / "labels" / "alto_1" / "00000.png", site_label()[:5, :6])
    with pytest.raises(PatchImportError, match=r"different sizes .*\(5, 6\) in 1 \(train/images/alto_1/00000.tif\)"):
        take(folder, store)
    take(folder, store, pad_to_px=10)
    out = open_artifact(store, STORE).path
    image, label = patches.read_images(out, [0])[0], patches.read_labels(out, [0])[0]
    assert (image[:, :5, :6] > 0).all()
    assert not image[:, 5:].any()
    assert not image[:, :, 6:].any()
    assert (label[:5, :6] == np.where(site_label() == 1, 255, site_label() // 2)[:5, :6]).all()
    assert (label[5:] == 255).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("colour", r"test/labels/cana_1/00000.png has the colour \(10, 20, 30\) at column 3, row 2; \(68, 1, 84\) is 0"),
        ("value", r"test/labels/cana_1/00000.png has the value 7 at column 3, row 2"),
        ("size", r"test/labels/cana_1/00000.png has \(4, 8\) pixels, test/images/cana_1/00000.tif \(8, 8\)"),
        ("channels", r"has 7 bands, and nothing says which.*landsat-4-7"),
        ("year", r"Nothing tells the year of .*Name it with --year"),
        ("truncated", r"test/labels/cana_1/00000.png cannot be read"),
        ("columns", r"filename_mapping.csv lacks the columns original"),
        ("two tables", r"has 2 tables of names"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(tmp_path: Path, store: ArtifactStore, change: str, message: str) -> None:
    folder = write_sites(tmp_path / "sites", SITES, mode="RGB")
    label, table, options = folder / "test" / "labels" / "cana_1" / "00000.png", folder / "filename_mapping.csv", {}
    match change:
        case "colour":
            colours = np.array(Image.open(label))
            colours[2, 3] = (10, 20, 30)
            Image.fromarray(colours).save(label)
        case "value":
            values = site_label()
            values[2, 3] = 7
            write_label_png(label, values, "L")
        case "size":
            write_label_png(label, site_label()[:4], "L")
        case "channels":
            options = {"channels": ()}
        case "year":
            table.unlink()
        case "truncated":
            label.write_bytes(label.read_bytes()[:60])
        case "columns":
            table.write_text(table.read_text().replace("original", "first"))
        case "two tables":
            (folder / "test" / "filename_mapping.csv").write_text(table.read_text())
    with pytest.raises(PatchImportError, match=message):
        take(folder, store, **options)
    assert not store.root.exists()


def test_collection_2_numbers_of_landsat_need_their_scale(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_sites(tmp_path / "sites", {"train": ["alto_1"]})
    numbers = (np.arange(7 * PX * PX).reshape(7, PX, PX) + 16_000).astype(np.uint16)
    write_tif(folder / "train" / "images" / "alto_1" / "00000.tif", numbers, nodata=0)
    with pytest.raises(PatchImportError, match=r"Landsat Collection 2: 2.75e-5 and -0.2"):
        take(folder, store)
    take(folder, store, scale=2.75e-5, offset=-0.2)
    image = patches.read_images(open_artifact(store, STORE).path, [0])[0]
    assert image[0, 0, 0] == round((16_000 * 2.75e-5 - 0.2) * 1e4)
