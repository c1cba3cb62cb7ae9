"""The list of every file of a package with its digest, so that a reader can prove that the copy is whole."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mining_platform.store.digests import HASHING_THREADS, file_digest, listing

CHECKSUMS = "checksums.txt"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


class ChecksumError(ValueError):
    """A list of checksums that cannot be read."""


def write_checksums(package: Path) -> int:
    """Write `checksums.txt`: lines `<blake3 hex>  <path>`, sorted by path, as the tool b3sum reads; number of files listed."""
    lines = [f"{digest}  {name}\n" for name, digest in _digests(package, _files(package)).items()]
    (package / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    return len(lines)


def file_problems(package: Path) -> dict[str, str]:
    """What is wrong with files, by path, sorted: `is missing`, `was altered`, `is not listed`; empty where the package is whole.

    ChecksumError where `checksums.txt` is missing or is no such list, or where the package holds links or special files.
    """
    listed = _listed(package)
    try:
        present = _files(package)
    except ValueError as error:
        raise ChecksumError(f"{package}: {error}.") from None
    found = _digests(package, sorted(present & listed.keys()))
    problems = {name: "was altered" for name, digest in found.items() if digest != listed[name]}
    problems |= dict.fromkeys(listed.keys() - present, "is missing")
    problems |= dict.fromkeys(present - listed.keys(), "is not listed")
    return dict(sorted(problems.items()))


def wrong_files(package: Path) -> list[str]:
    """Paths that are missing, altered or not listed, sorted; raises as `file_problems`."""
    return list(file_problems(package))


def _listed(package: Path) -> dict[str, str]:
    try:
        lines = (package / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ChecksumError(
            f"{package / CHECKSUMS} cannot be read ({error}); a package has it. Name the folder of one."
        ) from None
    listed = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in listed:
            raise ChecksumError(f"{package / CHECKSUMS}, line {number}: {line[:80]!r} is no digest and new path.")
        listed[match[2]] = match[1]
    return listed


def _files(package: Path) -> set[str]:
    files, _ = listing(package)
    return set(files) - {CHECKSUMS}


def _digests(package: Path, names: set[str] | list[str]) -> dict[str, str]:
    """Hex blake3 of files, in order of their paths."""
    ordered = sorted(names)
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        return dict(zip(ordered, pool.map(lambda name: file_digest(package / name), ordered), strict=True))
