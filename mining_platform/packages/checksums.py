"""The list of every file of a package with its digest, so that a reader can prove that the copy is whole."""

from pathlib import Path

from blake3 import blake3

CHECKSUMS = "checksums.txt"


def write_checksums(package: Path) -> int:
    """Write `checksums.txt`: lines `<blake3 hex>  <path>`, sorted by path, as the tool b3sum reads; number of files listed."""
    lines = [f"{_digest(package / name)}  {name}\n" for name in _files(package)]
    (package / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    return len(lines)


def wrong_files(package: Path) -> list[str]:
    """Paths that are missing, damaged or not listed, sorted; empty where the package is whole."""
    lines = (package / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    present = set(_files(package))
    damaged = {name for name in present & listed.keys() if _digest(package / name) != listed[name]}
    return sorted(damaged | (present ^ listed.keys()))


def _files(package: Path) -> list[str]:
    names = (path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file())
    return sorted(name for name in names if name != CHECKSUMS)


def _digest(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest()
