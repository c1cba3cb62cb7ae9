"""What readers get after processes were killed, and what an audit names after files were tampered with: counted, as Markdown.

`python -m benchmarks.reliability` in the root of the project; exit code 1 where a single reading was wrong or a change went
unnoticed. `--quick` takes fewer and smaller kills. Nothing is measured against a clock: the counts are the same on any machine,
but for how many of the killed had come how far.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import kills, races
from mining_platform.artifacts import ArtifactError, ArtifactStore, Ref, produce
from mining_platform.audits.walk import audit, roots_of
from mining_platform.lineage import LineageError

FULL_KILLS, QUICK_KILLS = (200, 1_000_000), (20, 100_000)
"""Kills at random times, and bytes of each of the files."""
FULL_RACES, QUICK_RACES = (30.0, 100), (3.0, 10)
"""Seconds of readers beside a writer and garbage collection, and rounds of writers of one partition."""
FILE = Ref("land_cover", "north|2024")
USER = Ref("ranges/patches", "north|2024")


@dataclass(frozen=True)
class Count:
    """One line of the table."""

    what: str
    kills: int
    before: int
    """Readings that gave the version before, or none where there was none."""
    new: int
    refused: int
    wrong: int


def killed(folder: Path, kills_of_each: int, size: int) -> Iterator[Count]:
    """Writers killed at random times, then processes killed before each of their changes to the file system."""
    for overwrite, what in ((False, "first write"), (True, "overwrite")):
        found = kills.random_kills(folder / what.replace(" ", "-"), kills_of_each, size, overwrite=overwrite)
        yield _count(f"{what}, at random times", found)
    for name, situation in kills.SITUATIONS.items():
        yield _count(f"{name}, before each change", kills.kills_before_every_step(folder / name.replace(" ", "-"), situation))


def _count(what: str, found: Counter[str]) -> Count:
    total = found.total() - found[kills.SURVIVED]
    return Count(what, total, found["absent"] + found["old"], found["new"], found["refused"], found[kills.WRONG])


def at_once(folder: Path, seconds: float, rounds: int) -> tuple[str, int]:
    """What came of processes that used a store at the same time, as a Markdown table, and how much of it was wrong."""
    beside, writers = folder / "beside", folder / "writers"
    for each in (beside, writers):
        each.mkdir()
    read, made = races.readers_beside_writers(beside, seconds), races.writers_at_once(writers, rounds)
    broken = f"{read['published']} versions published, {read['collected']} collected, {read['broken']} of use collected"
    told = f"{made['made']} published, {made['refused']} refused naming the holder, {made['skipped']} found it done"
    gone = f"{read['read']} readings, {read['gone']} ended in FileNotFoundError, of a path kept on to"
    rows = [
        ("at the same time", "what came of it", "wrong"),
        ("---", "---", "---:"),
        ("two readers, a writer of two partitions, garbage collection", f"{gone}; {broken}", read["wrong"] + read["broken"]),
        (f"four writers of one partition, {rounds} times", told, made["wrong"]),
    ]
    wrong = read["wrong"] + read["broken"] + made["wrong"]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows), wrong


def tampered(folder: Path) -> tuple[int, int]:
    """How many changes were made to the files of a store, each alone, and how many of them a deep audit did not name.

    A flipped bit at the start, in the middle and at the end of every file, and every file removed.
    """
    store = _small_store(folder)
    files = sorted(path for path in store.root.rglob("*") if path.is_file() and path.name != "lease")
    unnamed = sum(not _is_named(store, path, place) for path in files for place in (0.0, 0.5, 1.0, None))
    return 4 * len(files), unnamed


def _small_store(folder: Path) -> ArtifactStore:
    store = ArtifactStore(folder)
    for ref, inputs in ((FILE, ()), (USER, (FILE,))):
        for version in ("1", "2"):
            produce(
                store, ref, inputs=inputs, code_version=version, config={"version": version},
                compute=lambda _inputs, out, version=version: {"bytes": (out / "data.bin").write_bytes(version.encode() * 3000)},
            )  # fmt: skip
    return store


def _is_named(store: ArtifactStore, path: Path, place: float | None) -> bool:
    """Whether a deep audit finds a break after one bit of a file was flipped, or (None) the file was removed; then mends it."""
    content, mode = path.read_bytes(), path.stat().st_mode
    if place is None:
        path.unlink()
    else:
        position = round(place * (len(content) - 1))
        path.chmod(0o644)
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
    try:
        found = audit(store, roots_of(store), deep=True)
        return bool(found.breaks)
    except (ArtifactError, LineageError):
        return True
    finally:
        path.write_bytes(content)
        path.chmod(mode)


def table(counts: list[Count]) -> str:
    """The counts as a Markdown table, with their sums."""
    numbers = [(each.kills, each.before, each.new, each.refused, each.wrong) for each in counts]
    rows = [(each.what, *row) for each, row in zip(counts, numbers, strict=True)]
    rows.append(("**all**", *(sum(column) for column in zip(*numbers, strict=True))))
    head = ("killed while", "kills", "version before", "new version", "refused", "wrong reads")
    lines = [head, ("---", *["---:"] * 5), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main(arguments: list[str]) -> int:
    """Print the tables; 1 where a reading was wrong or a change was not named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller kills")
    quick = parser.parse_args(arguments).quick
    number, size = QUICK_KILLS if quick else FULL_KILLS
    with tempfile.TemporaryDirectory() as folder:
        counts = list(killed(Path(folder), number, size))
        beside, wrong = at_once(Path(folder), *(QUICK_RACES if quick else FULL_RACES))
        changes, unnamed = tampered(Path(folder) / "tampered")
    print(f"{table(counts)}\n\n{beside}")
    print(f"\nOne change to one file, {changes} times: {changes - unnamed} named by a deep audit, {unnamed} not.")
    return int(unnamed > 0 or wrong > 0 or any(each.wrong for each in counts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
