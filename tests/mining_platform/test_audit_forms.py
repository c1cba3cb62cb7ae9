"""The forms of an audit: text, JSON, page, PROV-JSON and RO-Crate, each read by somebody else's reader where there is one."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

from mining_platform.artifacts import ArtifactStore, Ref, produce
from mining_platform.audits.html_form import audit_html
from mining_platform.audits.json_form import audit_json, settled_json, summary
from mining_platform.audits.layering import acyclic, drawn, layers_of, reduced
from mining_platform.audits.prov_form import prov_json
from mining_platform.audits.rocrate_form import RO_CRATE, audit_crate
from mining_platform.audits.settled import settled
from mining_platform.audits.text_form import audit_lines
from mining_platform.audits.walk import audit, roots_of
from mining_platform.figures import figure_png, new_figure
from tests.mining_platform.audited_stores import (
    COVERS,
    MODEL,
    NORTH,
    OUTSIDE,
    PATCHES,
    flip,
    known_store,
    of_model,
    put,
    version_path,
)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return known_store(tmp_path / "artifacts")


def test_the_text_says_the_verdict_first_and_the_raw_inputs_with_their_digest_and_collection(store: ArtifactStore) -> None:
    lines = list(audit_lines(of_model(store)))
    assert lines[0].startswith("WHOLE: no break was found. 5 versions: 5 whole. Every byte was hashed")
    raw = f"  land_cover@{NORTH}: source mapbiomas, collection 8, href maps/{{year}}.tif, year 2024, blake3 {'ab' * 32}"
    assert raw in lines


def test_a_shallow_audit_says_what_it_did_not_look_at(store: ArtifactStore) -> None:
    assert "no other content was hashed. --deep hashes every byte." in summary(of_model(store, deep=False))


def test_the_text_lists_every_break(store: ArtifactStore) -> None:
    for ref in (*COVERS, *PATCHES):
        flip(version_path(store, ref) / "data.bin")
    lines = list(audit_lines(of_model(store)))
    assert lines[0].startswith("BROKEN: 4 breaks. 5 versions: 1 unsound, 4 broken.")
    assert sum(line.endswith("data.bin was altered") for line in lines) == 4


def test_json_holds_inputs_experiment_seed_sources_scenes_reviews_and_who_made_it_when(store: ArtifactStore) -> None:
    put(store, Ref("mosaic", NORTH), facts={"scenes": [{"id": "S2B"}, {"id": "S2A"}]})
    put(store, Ref("ranges/reviews", NORTH), config={"decisions": 3, "last": "e" * 64})
    told = json.loads(json.dumps(audit_json(audit(store, roots_of(store), deep=True))))
    nodes = {(node["asset"], node["partition"]): node for node in told["nodes"]}
    model = nodes["model", "cnn|2024"]
    assert [each["asset"] for each in model["inputs"]] == ["ranges/patches", "ranges/patches"]
    assert (model["experiment"], model["seed"]) == ({"id": "cnn", "seed": 7}, 7)
    assert nodes["land_cover", NORTH]["sources"]["outside"]["blake3"] == "ab" * 32
    assert nodes["mosaic", NORTH]["scenes"] == ["S2A", "S2B"]
    assert nodes["ranges/reviews", NORTH]["reviews"] == {"decisions": 3, "last": "e" * 64}
    assert {"run_id", "started", "git_commit", "git_dirty", "python", "hash"} <= model["record"].keys()
    assert "numpy" in model["packages"]


def test_a_settled_audit_is_the_same_whoever_made_the_versions_and_when(tmp_path: Path) -> None:
    one, two = (known_store(tmp_path / name) for name in ("one", "two"))
    put(two, COVERS[0], content="8", config={"again": True})
    put(two, COVERS[0], content="8", config={"outside": OUTSIDE})
    pages = [audit_html(settled(of_model(store)), is_settled=True) for store in (one, two)]
    assert settled_json(settled(of_model(one))) == settled_json(settled(of_model(two)))
    assert pages[0] == pages[1]
    assert audit_json(of_model(one)) != audit_json(of_model(two))


def test_the_page_says_what_is_broken_in_words_before_everything_else(store: ArtifactStore) -> None:
    flip(version_path(store, COVERS[0]) / "data.bin")
    page = audit_html(of_model(store))
    broken = page.index("data.bin was altered")
    assert broken < page.index("<svg")
    assert "BROKEN: 1 break." in page
    assert '<g class="broken"><title>land_cover: 1 broken, 1 whole</title>' in page


def test_the_page_asks_nothing_of_anybody_and_shows_hostile_words_as_words(store: ArtifactStore) -> None:
    put(store, MODEL, PATCHES, content="x", facts={"words": "</pre><script>alert(1)</script>"}, config={"url": "<img src=//x>"})
    page = audit_html(of_model(store))
    assert "<script" not in page
    assert "<img src=//x" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_the_page_shows_a_picture_only_while_it_is_what_was_published(store: ArtifactStore) -> None:
    ref = Ref("splits", "2024")

    def compute(_inputs: Any, out: Path) -> dict[str, Any]:
        (out / "preview.png").write_bytes(figure_png(new_figure(2, 1)))
        return {}

    produce(store, ref, inputs=[], code_version="1", config={}, compute=compute)
    found = audit(store, roots_of(store, "splits"), deep=False)
    assert '<img class="picture" alt="preview of splits@2024" src="data:image/jpeg;base64,' in audit_html(found)
    flip(version_path(store, ref) / "preview.png", 60)
    assert "<img" not in audit_html(found)


def test_layers_are_the_longest_ways_and_edges_that_follow_are_left_out() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")]
    assert layers_of("abcd", edges) == {"a": 0, "b": 1, "c": 2, "d": 1}
    assert reduced("abcd", edges) == [("a", "b"), ("b", "c"), ("a", "d")]


def test_an_edge_that_closes_a_circle_is_left_out_so_that_old_graphs_are_drawn_too() -> None:
    assert acyclic("abc", [("a", "b"), ("b", "c"), ("c", "a")]) == [("a", "b"), ("b", "c")]
    assert len(drawn("abc", [("a", "b"), ("b", "c"), ("c", "a")]).lines) == 2


def test_boxes_of_a_layer_do_not_overlap_and_lines_run_downwards() -> None:
    drawing = drawn("abcdef", [("a", "c"), ("b", "c"), ("a", "d"), ("c", "e"), ("d", "e"), ("b", "f"), ("e", "f")])
    rows: dict[float, list[float]] = {}
    for box in drawing.boxes:
        rows.setdefault(box.y, []).append(box.x)
    assert all(right - left >= 186 for xs in rows.values() for left, right in pairwise(sorted(xs)))
    assert all(a[1] < b[1] for line in drawing.lines for a, b in pairwise(line))
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for line in drawing.lines for x, y in line)


def test_prov_relates_every_version_to_its_production_and_that_to_what_it_used(store: ArtifactStore) -> None:
    document = json.loads(json.dumps(prov_json(of_model(store))))
    assert len(document["entity"]) == 5 + 1  # both maps come from one source
    assert len(document["activity"]) == len(document["wasGeneratedBy"]) == 5
    assert len(document["used"]) == 6  # two maps their source, two patches their map, the model both patches
    named = document["entity"].keys()
    assert all(row["prov:entity"] in named and row["prov:activity"] in document["activity"] for row in document["used"].values())


def test_the_prov_library_reads_the_document_and_gives_it_back(store: ArtifactStore) -> None:
    model = pytest.importorskip("prov.model", reason="prov is not installed: pip install prov")
    text = json.dumps(prov_json(of_model(store)))
    read = model.ProvDocument.deserialize(content=text, format="json")
    assert read == model.ProvDocument.deserialize(content=read.serialize(format="json"), format="json")
    derived = read.get_records(model.ProvDerivation)
    assert len(list(derived)) == 6  # two of the maps' source, two of patches from maps, two of the model from patches
    assert not read.has_bundles()


def test_rocrate_reads_the_audit_with_an_action_for_every_production(store: ArtifactStore, tmp_path: Path) -> None:
    folder = tmp_path / "crate"
    folder.mkdir()
    (folder / RO_CRATE).write_text(json.dumps(audit_crate(of_model(store))))
    crate = ROCrate(str(folder))
    actions = [entity for entity in crate.get_entities() if entity.type == "CreateAction"]
    assert len(actions) == 5
    (model,) = [action for action in actions if action["name"] == "Production of model@cnn|2024"]
    assert sorted(each["name"] for each in model["object"]) == ["ranges/patches@north|2024", "ranges/patches@south|2024"]
    assert model["result"]["name"] == "model@cnn|2024"
    assert model["instrument"]["name"] == "mining-platform"
    assert crate.root_dataset["conformsTo"].id == "https://w3id.org/ro/wfrun/process/0.5"


def test_no_reference_of_the_crate_dangles(store: ArtifactStore) -> None:
    graph = audit_crate(of_model(store))["@graph"]
    named = {entity["@id"] for entity in graph} | {"https://w3id.org/ro/crate/1.1"}
    referred = set(re.findall(r'\{"@id": "([^"]+)"\}', json.dumps(graph)))
    assert referred <= named


def test_a_crate_of_a_broken_store_says_so(store: ArtifactStore) -> None:
    flip(version_path(store, COVERS[0]) / "data.bin")
    graph = audit_crate(of_model(store))["@graph"]
    (broken,) = [entity for entity in graph if entity.get("creativeWorkStatus") == "broken"]
    assert (broken["name"], broken["description"]) == (f"land_cover@{NORTH}", "data.bin was altered")
