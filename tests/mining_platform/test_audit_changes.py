"""Two reports on audits: what made this file, and what changed between two releases."""

import json
from pathlib import Path

import numpy as np
import pytest

from mining_platform import environments
from mining_platform.artifacts import ArtifactStore, MissingArtifact, Ref, produce
from mining_platform.audits.changes import CAUSES, changes_between, changes_json
from mining_platform.audits.made_by import UnknownFile, made_by_lines, origin_of
from mining_platform.audits.sides import side_of
from mining_platform.audits.walk import audit
from mining_platform.packages.checksums import write_checksums
from tests import synthetic
from tests.mining_platform.audited_stores import (
    COVERS,
    MODEL,
    NORTH,
    OUTSIDE,
    PATCHES,
    known_store,
    of_model,
    put,
    version_path,
)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return known_store(tmp_path / "artifacts")


def causes(store: ArtifactStore, before: str, after: str) -> list[tuple[str, str]]:
    return [(change.cause, change.key[0]) for change in changes_between(side_of(store, before), side_of(store, after))]


def remade(store: ArtifactStore) -> tuple[str, str]:
    """Digests of the model before and after patches and model are made again on whatever is current."""
    before = version_path(store, MODEL).name
    for ref, cover in zip(PATCHES, COVERS, strict=True):
        put(store, ref, [cover], content=version_path(store, cover).name)
    content = "".join(version_path(store, ref).name for ref in PATCHES)
    put(store, MODEL, PATCHES, content=content, config={"experiment": {"id": "cnn", "seed": 7}})
    return before, version_path(store, MODEL).name


def test_a_release_and_itself_differ_in_nothing(store: ArtifactStore) -> None:
    assert causes(store, "model@cnn|2024", "model@cnn|2024") == []


def test_causes_are_told_where_they_begin_and_not_where_they_only_arrive(store: ArtifactStore) -> None:
    for ref in COVERS:
        put(store, ref, content="9", config={"outside": {**OUTSIDE, "collection": "9"}})
    before, after = remade(store)
    assert causes(store, before, after) == [("label collection", "land_cover")] * 2


def test_a_new_file_of_the_same_collection_is_told_apart_from_a_new_collection(store: ArtifactStore) -> None:
    put(store, COVERS[0], content="mended", config={"outside": {**OUTSIDE, "blake3": "cd" * 32}})
    assert causes(store, *remade(store)) == [("land-cover file", "land_cover")]


def test_code_configuration_and_model_are_told_apart(store: ArtifactStore) -> None:
    before = version_path(store, MODEL).name
    put(store, PATCHES[0], [COVERS[0]], content="new code", version="2")
    put(store, PATCHES[1], [COVERS[1]], content="new settings", config={"px": 64})
    put(store, MODEL, PATCHES, content="new seed", config={"experiment": {"id": "cnn", "seed": 8}})
    found = changes_between(side_of(store, before), side_of(store, "model@cnn|2024"))
    assert [(change.cause, change.key[0], change.detail) for change in found] == [
        ("model", "model", "experiment.seed 7 -> 8"),
        ("code", "ranges/patches", "code version 1 -> 2"),
        ("configuration", "ranges/patches", "px null -> 64"),
    ]


def test_other_scenes_and_reviews_are_causes_of_their_own(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    scenes, reviews, sample = Ref("scenes", NORTH), Ref("ranges/reviews", NORTH), Ref("ranges/sample", NORTH)
    digests = []
    for number in (1, 2):
        put(store, scenes, content=str(number), config={"outside": {"items": number}})
        put(store, reviews, content=str(number), config={"decisions": number, "last": str(number)})
        digests.append(put(store, sample, [scenes, reviews], content=str(number)).digest)
    assert causes(store, *digests) == [("scenes", "scenes"), ("reviews", "ranges/reviews")]


def test_first_reviews_are_told_as_what_people_decided(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    found, reviews, changed = Ref("detections", NORTH), Ref("detections/reviews", NORTH), Ref("changes", NORTH)
    put(store, found, content="map")
    before = put(store, changed, [found], content="with a false alarm").digest
    put(store, reviews, content="rejected", config={"decisions": 1, "last": "1"})
    after = put(store, changed, [found, reviews], content="without").digest
    assert causes(store, before, after) == [("reviews", "detections/reviews")]


def deployed(store: ArtifactStore, **models: str) -> str:
    """Digest of a region's changes, found in its mosaic by models with patches of their own."""
    mosaic, found = Ref("mosaic", NORTH), Ref("detections", NORTH)
    put(store, mosaic)
    for each in models.values():
        patches = Ref(f"ranges/{each[:3]}", f"north|{each[-4:]}")
        put(store, patches)
        put(store, Ref("model", each), [patches])
    named = [Ref("model", each) for each in models.values()]
    put(store, found, [mosaic, *named], content=str(models), config={"source": "model", **models})
    return put(store, Ref("changes", NORTH), [found], content=str(models)).digest


def test_another_deployed_model_is_a_cause_of_its_own_and_what_it_brings_along_is_none(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    alone, newer = (deployed(store, deployed_model=f"cnn|{year}") for year in (2023, 2024))
    outlined = deployed(store, deployed_model="cnn|2024", outlined_by="unet|2024")
    assert causes(store, alone, newer) == causes(store, newer, outlined) == [("deployed model", "detections")]
    assert list(CAUSES).index("deployed model") == list(CAUSES).index("model") + 1


def test_detections_by_a_model_instead_of_a_map_rest_on_no_other_outside_file(tmp_path: Path) -> None:
    store, cover, found = ArtifactStore(tmp_path / "artifacts"), Ref("land_cover", NORTH), Ref("detections", NORTH)
    put(store, cover)
    by_map = put(store, found, [cover], content="map", config={"source": "land-cover", "codes": [30]}).digest
    put(store, MODEL)
    by_model = put(store, found, [MODEL], content="model", config={"source": "model", "deployed_model": "cnn|2024"}).digest
    assert causes(store, by_map, by_model) == [("deployed model", "detections"), ("configuration", "detections")]


def test_a_difference_that_nothing_recorded_explains_is_called_unexplained(store: ArtifactStore) -> None:
    before = version_path(store, MODEL).name
    (version_path(store, MODEL) / "data.bin").chmod(0o644)
    (version_path(store, MODEL) / "data.bin").unlink()  # so that it is made again
    put(store, MODEL, PATCHES, content="by chance", config={"experiment": {"id": "cnn", "seed": 7}})
    assert causes(store, before, "model@cnn|2024") == [("unexplained", "model")]


def test_other_packages_are_told_beside_what_they_explain(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = version_path(store, MODEL).name
    monkeypatch.setattr(environments, "_packages", lambda: {"numpy": "9.9.9"})
    put(store, MODEL, PATCHES, content="other numbers", version="1", config={"experiment": {"id": "cnn", "seed": 7}, "again": 1})
    put(store, MODEL, PATCHES, content="other numbers", version="1", config={"experiment": {"id": "cnn", "seed": 7}})
    told = changes_json(side_of(store, before), side_of(store, "model@cnn|2024"))
    (change,) = told["changes"]
    assert (change["cause"], change["asset"]) == ("program", "model")
    assert "-> 9.9.9" in change["detail"]
    (numpy,) = [row for row in told["programs"] if row["program"] == "numpy"]
    assert numpy["after"][-1] == "9.9.9" not in numpy["before"]


def test_a_partition_that_only_one_side_has_is_told(store: ArtifactStore) -> None:
    before = version_path(store, MODEL).name
    put(store, MODEL, PATCHES[:1], content="one region", config={"experiment": {"id": "cnn", "seed": 7}})
    found = changes_between(side_of(store, before), side_of(store, "model@cnn|2024"))
    assert [(change.cause, *change.key) for change in found] == [
        ("inputs", "land_cover", "south|2024"),
        ("inputs", "ranges/patches", "south|2024"),
    ]


def test_two_years_are_compared_region_by_region_with_their_hectares_of_mining(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    for year, mining_px in ((2023, 100), (2024, 300)):

        def compute(_inputs: object, out: Path, mining_px: int = mining_px) -> dict[str, object]:
            classes = np.full((40, 40), 3, np.uint8)
            classes.flat[:mining_px] = 30
            synthetic.write_land_cover(out / "land_cover.tif", classes)
            return {}

        cover = Ref("land_cover", f"north|{year}")
        outside = {**OUTSIDE, "year": year, "blake3": str(year) * 16}
        produce(store, cover, inputs=[], code_version="1", config={"outside": outside}, compute=compute)
        put(
            store,
            Ref("ranges/manifest", str(year)),
            [cover],
            content=str(year),
            facts={"patches": year, "mining": 7, "dropped": 0},
        )
    told = changes_json(side_of(store, "ranges/manifest@2023"), side_of(store, "ranges/manifest@2024"))
    (row,) = told["regions"]
    assert (row["region"], row["causes"]) == ("north", ["land-cover file"])
    assert row["before_ha"] == pytest.approx(100 * 0.09, rel=2e-3)  # 30 m pixels of a UTM zone, true area within 0.2 %
    assert row["after_ha"] == pytest.approx(3 * row["before_ha"], rel=1e-3)
    assert [(change["asset"], change["partition"]) for change in told["changes"]] == [("land_cover", "north|*")]
    assert told["releases"]["before"] == {"ranges/manifest@2023": {"patches": 2023, "mining": 7, "dropped": 0}}


def test_a_side_that_nobody_made_or_that_two_could_be_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(MissingArtifact, match=r"mosaic@north was never made. Name ASSET@PARTITION, a digest"):
        side_of(store, "mosaic@north")
    with pytest.raises(MissingArtifact, match="0 versions have the digest 00000000"):
        side_of(store, "00000000")


def test_a_file_is_found_by_its_content_wherever_it_lies(store: ArtifactStore, tmp_path: Path) -> None:
    copy = tmp_path / "from-a-colleague.bin"
    copy.write_bytes((version_path(store, PATCHES[0]) / "data.bin").read_bytes())
    origin = origin_of(store, copy)
    assert [Ref(each.asset, each.partition) for each in origin.versions] == [PATCHES[0]]
    assert "is data.bin of ranges/patches@north|2024 version" in origin.words


def test_what_made_a_version_is_told_down_to_the_outside_file_each_version_once(store: ArtifactStore) -> None:
    lines = list(made_by_lines(of_model(store)))
    assert lines[0].startswith("model@cnn|2024 ")
    assert [line.split("@")[0].strip() for line in lines if "@" in line] == [
        "model",
        "ranges/patches",
        "land_cover",
        "ranges/patches",
        "land_cover",
    ]
    assert sum("from outside: source mapbiomas, collection 8" in line for line in lines) == 2
    assert "by run run-a" in lines[1]


def test_an_altered_or_foreign_file_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_text("other")
    with pytest.raises(UnknownFile, match=r"No version, package or report here holds other.bin, blake3 [0-9a-f]{64}"):
        origin_of(store, tmp_path / "other.bin")
    with pytest.raises(UnknownFile, match="is not there"):
        origin_of(store, tmp_path / "absent")


def package(store: ArtifactStore, folder: Path) -> Path:
    """A folder that says of itself what packages say: checksums, and the versions it was exported from."""
    folder.mkdir()
    digest = version_path(store, MODEL).name
    graph = [{"@id": "./"}, {"@id": f"#artifact/model/cnn%7C2024/{digest}"}]
    (folder / "ro-crate-metadata.json").write_text(json.dumps({"@graph": graph}))
    (folder / "picture.png").write_text("exported")
    write_checksums(folder)
    return folder


def test_a_package_and_its_files_come_from_the_versions_that_its_crate_names(store: ArtifactStore, tmp_path: Path) -> None:
    folder = package(store, tmp_path / "package")
    for path in (folder, folder / "picture.png"):
        origin = origin_of(store, path)
        assert [Ref(each.asset, each.partition) for each in origin.versions] == [MODEL]
        assert audit(store, origin.versions, deep=True).verdict == "whole"
    (folder / "picture.png").write_text("altered")
    with pytest.raises(UnknownFile, match=r"picture.png is not what .*checksums.txt lists"):
        origin_of(store, folder / "picture.png")


def test_a_page_comes_from_the_versions_whose_digests_it_names(store: ArtifactStore, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(f"<code>{version_path(store, MODEL).name}</code>")
    assert [each.asset for each in origin_of(store, page).versions] == ["model"]
