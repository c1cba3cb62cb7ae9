"""Descriptions of a package: schemas of its tables, its data dictionary, its own property, equal bytes, hostile texts."""

import hashlib
import json
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from frictionless import Package, system

from mining_platform.manifests import PATCH_TABLE
from mining_platform.packages import citation, columns, descriptions
from mining_platform.packages.contents import Contents
from tests.mining_platform.described_packages import LAYOUTS, RELEASE, small_package

HOSTILE = "Ouro, \"bateia\": {}\n</script><script>alert(1)</script> \\ café 金 😀 # - & % $ _ ^ ~ | \x7f \u2028 'é'"
WRITTEN = (
    "datapackage.json",
    "croissant.json",
    "ro-crate-metadata.json",
    "stac/collection.json",
    "CITATION.cff",
    "DATA_DICTIONARY.md",
)


@pytest.fixture(scope="module", params=LAYOUTS)
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contents]:
    out = tmp_path_factory.mktemp("package")
    contents = small_package(out, request.param)
    descriptions.write_descriptions(out, contents)
    return out, contents


def invalid(out: Path) -> list[tuple[str, str, int | None]]:
    """Table, kind of error and column of what frictionless finds wrong."""
    with system.use_context(trusted=True):
        report = Package(str(out / "datapackage.json")).validate()
    found = report.flatten(["type", "fieldName"]) if report.errors or report.tasks else []
    places = [task.name for task in report.tasks for _ in task.errors]
    return list(zip(places, *zip(*found, strict=True), strict=True)) if found else []


def test_every_column_of_the_patch_table_is_described() -> None:
    assert set(PATCH_TABLE.columns) <= set(columns.COLUMNS)


def test_a_column_that_nobody_described_is_refused_with_the_place_to_add_it(tmp_path: Path) -> None:
    contents = small_package(tmp_path, "sites")
    table = pd.read_csv(tmp_path / "manifest.csv").assign(mood="good")
    table.to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(KeyError, match=r"'mood' has no description.*packages/columns\.py"):
        descriptions.write_descriptions(tmp_path, contents)


def test_frictionless_finds_all_tables_of_a_package_valid(described: tuple[Path, Contents]) -> None:
    out, contents = described
    package = json.loads((out / "datapackage.json").read_text())
    assert [row["path"] for row in package["resources"]] == [table.path for table in contents.tables]
    assert invalid(out) == []


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("share", "1.5", "constraint-error"),
        ("split", "exam", "constraint-error"),
        ("year", "soon", "type-error"),
        ("region", "", "constraint-error"),
    ],
)
def test_frictionless_finds_a_wrong_cell_and_the_changed_digest(tmp_path: Path, column: str, value: str, kind: str) -> None:
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "proportion-ranges"))
    table = pd.read_csv(tmp_path / "manifest.csv", dtype=str, keep_default_na=False)
    table.loc[4, column] = value
    table.to_csv(tmp_path / "manifest.csv", index=False)
    found = invalid(tmp_path)
    assert ("manifest", kind, column) in found
    assert ("manifest", "hash-count", None) in found


def test_a_repeated_patch_breaks_the_primary_key(tmp_path: Path) -> None:
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "smallmines"))
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    (tmp_path / "manifest.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    assert ("manifest", "primary-key", None) in invalid(tmp_path)


def test_a_shortage_table_without_ranges_and_rules_is_valid(tmp_path: Path) -> None:
    contents = small_package(tmp_path, "proportion-ranges")
    (tmp_path / "shortage.csv").write_text("range,negative,wanted,found,taken,short\n,,9,4,4,5\n,grid,3,3,3,0\n")
    descriptions.write_descriptions(tmp_path, contents)
    assert invalid(tmp_path) == []


def test_the_own_property_says_what_verify_and_import_need(described: tuple[Path, Contents]) -> None:
    out, contents = described
    own = json.loads((out / "datapackage.json").read_text())["mining-platform"]
    assert (own["layout"], own["layout_version"], own["years"]) == (contents.release.layout, 1, [2024])
    assert (own["px"], own["pixel_m"], own["channels"]) == (16, 10, ["B02", "B03", "B04", "B08"])
    assert own["recipe"]["id"] == "mapbiomas-mining"
    assert own["recipe"]["mining_codes"] == [30]
    assert [kind["pattern"] for kind in own["kinds"]] == [kind.pattern for kind in contents.kinds]
    assert own["inputs"][0] == {"asset": "land_cover", "partition": "here|2024", "digest": "b" * 64}
    assert own["simulated"] is False


def test_units_and_digests_stand_beside_the_columns_and_tables(described: tuple[Path, Contents]) -> None:
    out, _ = described
    manifest = json.loads((out / "datapackage.json").read_text())["resources"][0]
    units = {row["name"]: row.get("unit") for row in manifest["schema"]["fields"]}
    assert (units["class_area_m2"], units["minx"], units["share"], units["range"]) == ("m2", "m", "share", None)
    assert manifest["hash"] == "sha256:" + hashlib.sha256((out / "manifest.csv").read_bytes()).hexdigest()


def test_the_data_dictionary_explains_every_column_of_every_table(described: tuple[Path, Contents]) -> None:
    out, contents = described
    text = (out / "DATA_DICTIONARY.md").read_text()
    for table in contents.tables:
        section = text.split(f"## {table.path}\n")[1].split("\n## ")[0]
        for name in pd.read_csv(out / table.path, nrows=0).columns:
            assert f"| `{name}` |" in section


def test_bars_in_a_description_do_not_break_the_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(columns.COLUMNS, "odd", columns.Column("string", "", "one | two", {"pattern": "a|b"}))
    row = columns.data_dictionary(["odd"]).splitlines()[2]
    assert row == r"| `odd` | string |  | one \| two | `a\|b` |"


def test_equal_contents_give_equal_bytes_and_no_place_of_this_machine(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "another"]
    for folder in folders:
        folder.mkdir()
        descriptions.write_descriptions(folder, small_package(folder, "sites"))
    for path in sorted(path for path in folders[0].rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert content == (folders[1] / path.relative_to(folders[0])).read_bytes(), path.name
        assert str(tmp_path).encode() not in content


def test_hostile_texts_stay_texts_in_every_format(tmp_path: Path) -> None:
    authors = ('O\'Brien "Bill", {Ana}', HOSTILE)
    contents = small_package(tmp_path, "proportion-ranges", title=HOSTILE, authors=authors)
    descriptions.write_descriptions(tmp_path, contents)
    package, loader, crate, collection = (json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in WRITTEN[:4])
    root = {row["@id"]: row for row in crate["@graph"]}["./"]
    titles = [package["title"], loader["name"], root["name"], collection["title"]]
    cff = yaml.safe_load((tmp_path / "CITATION.cff").read_text(encoding="utf-8"))
    assert {*titles, cff["title"]} == {" ".join(HOSTILE.split())}
    assert cff["authors"][0] == {"family-names": 'O\'Brien "Bill"', "given-names": "{Ana}"}
    assert invalid(tmp_path) == []


def test_a_release_without_authors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tiny_ranges has no authors"):
        descriptions.write_descriptions(tmp_path, small_package(tmp_path, "sites", authors=()))


def test_simulated_leads_every_title_description_and_list_of_key_words(tmp_path: Path) -> None:
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "smallmines", simulated=True))
    told = [json.loads((tmp_path / name).read_text()) for name in WRITTEN[:2]]
    told += [json.loads((tmp_path / "stac/collection.json").read_text()), yaml.safe_load((tmp_path / "CITATION.cff").read_text())]
    crate = {row["@id"]: row for row in json.loads((tmp_path / "ro-crate-metadata.json").read_text())["@graph"]}["./"]
    for record in (*told, crate):
        assert str(record.get("title", record.get("name"))).startswith("SIMULATED")
        assert str(record.get("description", record.get("abstract"))).startswith("SIMULATED")
        assert "".join(record["keywords"]).startswith("SIMULATED")


def test_descriptions_of_600_patches_take_little_time_and_no_memory(tmp_path: Path) -> None:
    contents = small_package(tmp_path, "smallmines", 600)
    started = time.process_time()
    descriptions.write_descriptions(tmp_path, contents)
    assert time.process_time() - started < 2
    assert len(list((tmp_path / "stac/items").iterdir())) == 600
    tracemalloc.start()
    descriptions.write_descriptions(tmp_path, contents)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_citation_names_authors_year_title_version_and_terms() -> None:
    assert citation.text(RELEASE) == (
        "Silva, Ana; Instituto do Ouro (2026). Patches of a test. Version 2024.1f3a90c2 [Data set]. CC-BY-4.0."
    )


def test_bibtex_escapes_what_tex_would_run() -> None:
    entry = citation.bibtex(replace(RELEASE, title=r"50 % & \input{x} in B_04 #1", authors=("Müller & Söhne",)))
    assert r"title = {{50 \% \& \textbackslash{}input\{x\} in B\_04 \#1}}" in entry
    assert r"author = {{Müller \& Söhne}}" in entry
    assert entry.startswith("@misc{tiny_ranges_2024_1f3a90c2,\n")
