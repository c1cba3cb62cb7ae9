"""The house: who may import whom."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imported(path: Path) -> set[str]:
    """First parts of every module that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add((node.module or "").split(".")[0])
    return names


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"no files in {package}"
    return found


def test_the_domain_never_imports_dagster_or_what_rests_on_it() -> None:
    wrong = {path.name for path in files("mining_platform") if imported(path) & {"dagster", "assets_defs", "resources"}}
    assert wrong == set()


def test_resources_never_import_assets() -> None:
    assert {path.name for path in files("resources") if "assets_defs" in imported(path)} == set()


def test_only_the_assembly_point_imports_resources() -> None:
    assert {path.name for path in files("assets_defs") if "resources" in imported(path)} == {"definitions.py"}


def modules_imported(path: Path, known: set[str]) -> set[str]:
    """Modules of the project that a file imports, wherever in it; `from package import module` names the module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names & known


def test_no_files_import_each_other_not_even_inside_functions() -> None:
    packages = ("mining_platform", "assets_defs", "resources", "benchmarks")
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for each in packages for path in files(each)}
    imports = {name: modules_imported(path, set(named)) for name, path in named.items()}
    assert len(list(TopologicalSorter(imports).static_order())) == len(named)  # CycleError names those that do


def test_asset_files_do_not_postpone_annotations() -> None:
    wrong = {path.name for package in ("assets_defs", "resources") for path in files(package) if "__future__" in imported(path)}
    assert wrong == set()


def in_new_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_definition_imports_torch_at_load() -> None:
    code = "import sys, assets_defs.definitions; print('torch' in sys.modules)"
    assert in_new_python(code).strip().splitlines()[-1] == "False"


def test_importing_every_domain_module_does_not_import_dagster_or_torch() -> None:
    code = """
import importlib, pkgutil, sys, mining_platform
for module in pkgutil.walk_packages(mining_platform.__path__, "mining_platform."):
    importlib.import_module(module.name)
print(sorted({"dagster", "torch"} & set(sys.modules)))
"""
    assert in_new_python(code).strip() == "[]"
