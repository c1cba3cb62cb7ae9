"""What archives read: the research object as rocrate opens it, and CITATION.cff by the rules of the Citation File Format."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from rocrate.rocrate import ROCrate

from mining_platform.packages import descriptions
from mining_platform.packages.contents import Contents
from mining_platform.packages.credits import Credit
from tests.mining_platform.described_packages import CREDITS, LAYOUTS, small_package

TEXT = {"type": "string", "minLength": 1}
URL = {"type": "string", "pattern": "^(https|http|ftp|sftp)://.+"}
ENTITY = {"type": "object", "required": ["name"], "properties": {"name": TEXT}, "additionalProperties": False}
PERSON = {"type": "object", "properties": {"family-names": TEXT, "given-names": TEXT}, "additionalProperties": False}
AUTHORS = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"anyOf": [PERSON, ENTITY]}}
LICENCE = {"enum": ["CC-BY-4.0", "CC0-1.0"]}
REFERENCE = {
    "type": "object",
    "required": ["authors", "title", "type"],
    "properties": {"authors": AUTHORS, "title": TEXT, "type": {"enum": ["data"]}, "license": LICENCE, "url": URL},
    "additionalProperties": False,
}
CFF = {
    "type": "object",
    "required": ["authors", "cff-version", "message", "title"],
    "properties": {
        "cff-version": {"const": "1.2.0"},
        **dict.fromkeys(("message", "title", "abstract", "version"), TEXT),
        "type": {"enum": ["dataset", "software"]},
        "date-released": {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])$"},
        "license": LICENCE,
        "keywords": {"type": "array", "minItems": 1, "uniqueItems": True, "items": TEXT},
        "authors": AUTHORS,
        "references": {"type": "array", "minItems": 1, "uniqueItems": True, "items": REFERENCE},
    },
    "additionalProperties": False,
}
"""The rules of schema.json of the Citation File Format 1.2.0 for the keys that are written."""


@pytest.fixture(scope="module", params=LAYOUTS)
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contents]:
    out = tmp_path_factory.mktemp("package")
    contents = small_package(out, request.param)
    descriptions.write_descriptions(out, contents)
    return out, contents


def citation_of(out: Path) -> dict[str, Any]:
    told = yaml.safe_load((out / "CITATION.cff").read_text(encoding="utf-8"))
    jsonschema.validate(told, CFF)
    return told


def test_rocrate_opens_the_package_with_its_terms_and_authors(described: tuple[Path, Contents]) -> None:
    out, contents = described
    crate = ROCrate(str(out))
    assert crate.root_dataset["name"] == "Patches of a test"
    assert crate.root_dataset["license"]["name"] == "CC-BY-4.0"
    assert crate.root_dataset["datePublished"] == "2026-02-03"
    assert [(each.type, each["name"]) for each in crate.root_dataset["author"]] == [
        ("Person", "Silva, Ana"),
        ("Organization", "Instituto do Ouro"),
    ]
    assert [each["name"] for each in crate.root_dataset["isBasedOn"]] == [credit.line for credit in contents.release.credits]


def test_tables_and_folders_are_its_data_and_are_there(described: tuple[Path, Contents]) -> None:
    out, contents = described
    crate = ROCrate(str(out))
    data = {entity.id: entity for entity in crate.data_entities}
    assert {table.path for table in contents.tables} <= set(data)
    assert int(data["manifest.csv"]["contentSize"]) == (out / "manifest.csv").stat().st_size
    for kind in contents.kinds:
        files = {str(path) for path in contents.table[kind.column]}
        folders = {
            name: entity for name, entity in data.items() if name.endswith("/") and any(path.startswith(name) for path in files)
        }
        assert sum(int(entity["size"]) for entity in folders.values()) == 10
        for name, entity in folders.items():
            assert sum(1 for path in (out / name).rglob("*") if path.is_file()) == int(entity["size"])


def test_the_folders_of_each_layout(described: tuple[Path, Contents]) -> None:
    out, contents = described
    expected = {
        "proportion-ranges": {"images/", "labels/", "bands/"},
        "smallmines": {"2024/IMAGE/", "2024/MASK/"},
        "sites": {f"{split}/{folder}/" for split in ("train", "val", "test") for folder in ("images", "labels", "rgb")},
    }
    found = {entity.id for entity in ROCrate(str(out)).data_entities if entity.id.endswith("/")}
    assert found == expected[contents.release.layout]


def test_the_action_leads_from_the_artifacts_and_their_digests_to_the_package(described: tuple[Path, Contents]) -> None:
    out, contents = described
    crate = ROCrate(str(out))
    (action,) = [entity for entity in crate.contextual_entities if entity.type == "CreateAction"]
    assert (action["instrument"]["name"], action["instrument"]["version"]) == ("mining-platform", "0.1.0")
    assert action["result"].id == "./"
    told = {(each["name"], each["identifier"]["value"]) for each in action["object"]}
    assert told == {(f"{asset} {partition}", digest) for asset, partition, digest in contents.release.inputs}


def test_every_reference_of_the_crate_is_an_entity_of_it(described: tuple[Path, Contents]) -> None:
    graph = json.loads((described[0] / "ro-crate-metadata.json").read_text())["@graph"]
    names = [entity["@id"] for entity in graph]
    assert len(names) == len(set(names))
    wanted = {
        reference["@id"]
        for entity in graph
        for value in entity.values()
        for reference in (value if isinstance(value, list) else [value])
        if isinstance(reference, dict)
    }
    assert wanted - set(names) == {"https://w3id.org/ro/crate/1.1"}


def test_terms_that_are_not_known_are_said_so(tmp_path: Path) -> None:
    labels = Credit("Labels", "polygons of Ana, under the terms of their authors.", "", "", "")
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "smallmines", credits=(labels,)))
    assert "not known" in ROCrate(str(tmp_path)).root_dataset["license"]["description"]
    assert "license" not in citation_of(tmp_path)
    assert "licenses" not in json.loads((tmp_path / "datapackage.json").read_text())


def test_a_release_of_simulated_data_is_free_of_rights(tmp_path: Path) -> None:
    zero = ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/")
    credit = Credit("Scenes", "SIMULATED by this software, no satellite image is shown.", *zero, "")
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "smallmines", credits=(credit,), simulated=True))
    assert citation_of(tmp_path)["license"] == "CC0-1.0"
    assert ROCrate(str(tmp_path)).root_dataset["license"].id == zero[1]


def test_the_citation_file_names_people_bodies_and_sources(described: tuple[Path, Contents]) -> None:
    told = citation_of(described[0])
    assert told["authors"] == [{"family-names": "Silva", "given-names": "Ana"}, {"name": "Instituto do Ouro"}]
    assert (told["type"], told["version"], told["date-released"]) == ("dataset", "2024.1f3a90c2", "2026-02-03")
    assert [reference["title"] for reference in told["references"]] == [credit.line for credit in CREDITS]


def test_hostile_authors_keep_citation_and_crate_readable(tmp_path: Path) -> None:
    hostile = ('a: "b", #c', "- {d}\n%YAML", "é\x7f\u2028😀\\", "<script>alert(1)</script>")
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "sites", authors=hostile))
    assert len(citation_of(tmp_path)["authors"]) == 4
    assert [each["name"] for each in ROCrate(str(tmp_path)).root_dataset["author"]] == list(hostile)
