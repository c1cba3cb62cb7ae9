"""The scan for known vulnerabilities says what it found, and never more than it looked up."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mining_platform import dependency_scan
from mining_platform.dependency_scan import Scan, main, run, scan_of

CLEAN: dict[str, Any] = {"name": "affine", "version": "3.0.1", "vulns": []}
LEFT_OUT: dict[str, Any] = {"name": "zarr", "skip_reason": "Dependency not found on PyPI and could not be audited: zarr (3.1.6)"}
BAD: dict[str, Any] = {
    "name": "jinja2",
    "version": "2.11.0",
    "vulns": [{"id": "PYSEC-2021-66", "fix_versions": ["2.11.3"], "aliases": ["CVE-2020-28493"], "description": "ReDoS"}],
}


def report(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(rows), "fixes": []}


def test_a_scan_of_clean_packages_is_sound() -> None:
    scan = scan_of(report(CLEAN))
    assert (scan.is_sound, scan.told()) == (True, "1 packages looked up, 0 known vulnerabilities.")


def test_a_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    scan = scan_of(report(CLEAN, BAD))
    assert not scan.is_sound
    assert "jinja2 2.11.0: PYSEC-2021-66, fixed in 2.11.3" in scan.told().splitlines()


def test_a_scan_that_left_packages_out_is_not_called_sound() -> None:
    scan = scan_of(report(CLEAN, LEFT_OUT))
    assert not scan.is_sound
    assert "INCOMPLETE: 1 packages could not be looked up: zarr." in scan.told()


def test_an_index_that_tells_no_vulnerabilities_is_no_clean_scan() -> None:
    told = scan_of(report(LEFT_OUT, {**LEFT_OUT, "name": "xarray"})).told()
    assert told == "NOT SCANNED: the package index tells no vulnerabilities here; 2 packages stay unknown."


@pytest.mark.parametrize("wrong", [{}, {"dependencies": [{"name": "x", "version": "1"}]}, {"dependencies": None}])
def test_what_is_no_report_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no report of pip-audit"):
        scan_of(wrong)


def pip_audit(folder: Path, body: str) -> list[str | Path]:
    """A command that takes pip-audit's options."""
    script = folder / "fake.py"
    script.write_text(f"import json, sys\nout = sys.argv[sys.argv.index('--output') + 1]\n{body}\n")
    return [sys.executable, script]


def test_the_report_of_a_run_is_read_though_findings_make_it_fail(tmp_path: Path) -> None:
    body = f"open(out, 'w').write({json.dumps(report(BAD))!r}); sys.exit(1)"
    scan = run(pip_audit(tmp_path, body), tmp_path / "constraints.txt", tmp_path / "report.json")
    assert scan is not None
    assert [each.package for each in scan.findings] == ["jinja2"]


def test_a_run_without_a_report_is_none_even_where_an_older_report_lies(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report(CLEAN)))
    assert run(pip_audit(tmp_path, "sys.exit(1)"), tmp_path / "constraints.txt", tmp_path / "report.json") is None


@pytest.mark.parametrize(
    ("scan", "code", "words"),
    [
        (Scan(3, (), ()), 0, "3 packages looked up, 0 known"),
        (scan_of(report(BAD)), 1, "PYSEC-2021-66"),
        (Scan(3, ("zarr",), ()), 1, "INCOMPLETE"),
        (Scan(0, ("zarr",), ()), 0, "NOT SCANNED"),
        (None, 0, "NOT SCANNED: pip-audit gave no answer"),
    ],
)
def test_the_commands_exit_code_follows_the_findings(
    scan: Scan | None, code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dependency_scan, "fetched", lambda folder: folder)
    monkeypatch.setattr(dependency_scan, "run", lambda *_: scan)
    assert main(tmp_path / "constraints.txt", tmp_path) == code
    assert words in capsys.readouterr().out


def test_without_a_network_the_command_says_so_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dependency_scan, "fetched", lambda _: None)
    assert main(tmp_path / "constraints.txt", tmp_path) == 0
    assert "cannot be fetched" in capsys.readouterr().out
