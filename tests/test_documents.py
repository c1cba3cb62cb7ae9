"""The documents: what they name exists."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from mining_platform.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", [*DOCUMENTS, *sorted((ROOT / "mining_platform").rglob("*.py"))], ids=lambda path: path.name)
def test_every_command_that_a_text_names_exists(path: Path) -> None:
    named = re.findall(r"`mining-platform ([a-z]+)|^mining-platform ([a-z]+)", path.read_text(), flags=re.MULTILINE)
    assert {first or second for first, second in named} <= COMMANDS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(path: Path) -> None:
    text = path.read_text()
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in links if not (path.parent / target).exists()] == []
    files = re.findall(r"`((?:mining_platform|assets_defs|resources|docs)/[\w/.-]+)`", text)
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+)\.md\)", (ROOT / "README.md").read_text()))
    assert linked == {path.stem for path in (ROOT / "docs").glob("*.md")}


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z][a-z-]*)", (ROOT / "README.md").read_text())) <= targets


def test_constraints_pin_every_dependency_exactly() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    names = {re.split(r"[<>=\[ ]", each)[0].lower() for each in wanted}
    assert names <= pinned
    assert "torch==2.13.0" in lines


def test_the_page_on_scale_holds_the_tables_that_its_script_prints() -> None:
    from benchmarks import scale

    page = (ROOT / "docs" / "scale.md").read_text()
    assert [table for table in scale.tables() if table not in page] == [], "print them with `python -m benchmarks.scale`"
    assert scale.REFERENCE in page
