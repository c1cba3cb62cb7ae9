"""Known vulnerabilities of the pinned packages, as pip-audit tells them: found, none, or honestly not looked up.

`python -m mining_platform.dependency_scan CONSTRAINTS FOLDER` fetches pip-audit into an environment of its own below the folder
and asks the package index for each pin (https://pypi.org/project/pip-audit/). Where nothing can be looked up, that is said and
is no failure; vulnerabilities, and a scan that left packages out, are.
"""

import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIP_AUDIT = "pip-audit==2.10.1"
TIMEOUT_S = 900
NAMED = 5
REPORT = "pip-audit.json"


@dataclass(frozen=True)
class Finding:
    """One vulnerability of one pinned package."""

    package: str
    version: str
    vulnerability: str
    fixed_in: tuple[str, ...]
    """Versions without it; empty where there is none yet."""

    def __str__(self) -> str:
        """`jinja2 2.11.0: PYSEC-2021-66, fixed in 2.11.3`."""
        return f"{self.package} {self.version}: {self.vulnerability}, fixed in {', '.join(self.fixed_in) or 'no version yet'}"


@dataclass(frozen=True)
class Scan:
    """What was looked up, and what came of it."""

    looked_up: int
    """Packages that the service knows."""
    left_out: tuple[str, ...]
    """Packages that it does not, which may be vulnerable or not."""
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found; a scan that looked nothing up found nothing wrong, and `told` says so."""
        return not self.findings and not (self.looked_up and self.left_out)

    def told(self) -> str:
        """The outcome in lines for people."""
        if not self.looked_up:
            return f"NOT SCANNED: the package index tells no vulnerabilities here; {len(self.left_out)} packages stay unknown."
        lines = [f"{self.looked_up} packages looked up, {len(self.findings)} known vulnerabilities.", *map(str, self.findings)]
        if self.left_out:
            shown = ", ".join(self.left_out[:NAMED]) + (", …" if len(self.left_out) > NAMED else "")
            lines.append(f"INCOMPLETE: {len(self.left_out)} packages could not be looked up: {shown}.")
        return "\n".join(lines)


def scan_of(report: dict[str, Any]) -> Scan:
    """A scan from pip-audit's JSON; ValueError where it is none."""
    try:
        rows = report["dependencies"]
        known = [row for row in rows if "skip_reason" not in row]
        findings = [
            Finding(str(row["name"]), str(row["version"]), str(each["id"]), tuple(map(str, each["fix_versions"])))
            for row in known
            for each in row["vulns"]
        ]
        left_out = [str(row["name"]) for row in rows if "skip_reason" in row]
    except (KeyError, TypeError) as error:
        raise ValueError(f"This is no report of pip-audit ({error!r} is missing). Pin the version that writes one.") from None
    return Scan(len(known), tuple(sorted(left_out)), tuple(sorted(findings, key=str)))


def run(command: Sequence[str | Path], constraints: Path, report: Path) -> Scan | None:
    """Ask pip-audit, given as a command; None where it ends without a report, as it does without a network."""
    report.unlink(missing_ok=True)
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--output", str(report)]
    whole = [*map(str, command), *options, "--requirement", str(constraints)]
    done = subprocess.run(whole, timeout=TIMEOUT_S, capture_output=True, text=True, check=False)
    try:
        return scan_of(json.loads(report.read_bytes()))
    except (FileNotFoundError, json.JSONDecodeError):
        sys.stderr.write(done.stderr)
        return None


def fetched(folder: Path) -> Path | None:
    """pip-audit in an environment of its own below the folder; None where it cannot be fetched."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP_AUDIT]
    done = subprocess.run(command, timeout=TIMEOUT_S, stderr=subprocess.DEVNULL, check=False)
    return folder / "bin" / "pip-audit" if done.returncode == 0 else None


def main(constraints: Path, folder: Path) -> int:
    """Scan and print; the exit code: 1 for vulnerabilities and for a scan that left packages out."""
    command = fetched(folder)
    if command is None:
        print("NOT SCANNED: pip-audit cannot be fetched; it needs the network.")  # noqa: T201 - a command
        return 0
    scan = run([command], constraints, folder / REPORT)
    if scan is None:
        print("NOT SCANNED: pip-audit gave no answer, see above; it needs the network.")  # noqa: T201 - a command
        return 0
    print(scan.told())  # noqa: T201 - a command
    return 0 if scan.is_sound else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
