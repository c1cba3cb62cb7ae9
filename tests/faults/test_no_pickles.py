"""Nothing that is loaded runs code: no pickle in the code, none on the disk, none through Dagster."""

import ast
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.values import NoValues
from tests.conftest import ROOT, Line

PACKAGES = ("mining_platform", "assets_defs", "resources")
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
CALLS = {"read_pickle", "to_pickle", "unsafe_load", "full_load", "eval", "exec"}
PROVEN = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False)}
"""Calls that run no code where they are told so."""
PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def breaches(source: str) -> list[str]:
    """What in Python code loads or makes pickles, or may."""
    return [found for node in ast.walk(ast.parse(source)) for found in of_node(node)]


def of_node(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
        yield str(node.module)
    elif isinstance(node, ast.Call):
        yield from of_call(node)


def of_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    last = name.rpartition(".")[2]
    if last in CALLS and (name == last or last not in ("eval", "exec")):
        yield name
    if last in ("load", "load_all") and name.startswith("yaml."):
        yield name
    if name in PROVEN:
        keyword, value = PROVEN[name]
        told = [each.value for each in node.keywords if each.arg == keyword]
        if not (told and isinstance(told[0], ast.Constant) and told[0].value is value):
            yield f"{name} without {keyword}={value}"


def test_no_code_of_ours_loads_or_makes_a_pickle() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    assert {str(path.relative_to(ROOT)): found for path in files if (found := breaches(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
        "eval(text)",
    ],
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert len(breaches(source)) == 1


def test_the_search_passes_what_runs_no_code() -> None:
    assert breaches("np.load(p, allow_pickle=False); torch.load(p, weights_only=True); json.load(f); model.eval()") == []


def test_the_whole_line_leaves_no_pickle_under_the_home(line: Line) -> None:
    home = line.installation.home
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".pth")] == []
    assert [path for path in files if starts(path).startswith(PICKLE_STARTS)] == []
    storage = home / "dagster" / "storage"
    assert not any(path.is_file() for path in storage.rglob("*") if "compute_logs" not in path.parts and path.suffix == "")


def starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


@dg.asset
def a_value() -> int:
    return 7


@dg.asset
def a_reader(a_value: int) -> None:
    del a_value


def test_an_asset_that_returns_a_value_fails_and_keeps_nothing(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        with pytest.raises(dg.DagsterError, match=r"a_value.* returns a int\. Publish it with `produce`"):
            dg.materialize([a_value], resources={"io_manager": NoValues()}, instance=instance)
        with pytest.raises(dg.DagsterInvariantViolationError, match="asks for the value of another asset"):
            dg.materialize([a_value, a_reader], resources={"io_manager": NoValues()}, selection=[a_reader], instance=instance)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and starts(path).startswith(PICKLE_STARTS)] == []


def test_the_definitions_keep_no_values() -> None:
    from assets_defs.definitions import defs

    assert isinstance(defs.resources["io_manager"], NoValues)
