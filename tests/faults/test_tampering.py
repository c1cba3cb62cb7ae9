"""One change to one file of a store, whatever file and wherever in it: a deep audit names the version and the file.

Only the lease is left out: it tells who writes, and nothing of what was published.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mining_platform.artifacts import ArtifactStore, DamagedArtifact, Ref, open_artifact
from mining_platform.audits.walk import audit, roots_of
from mining_platform.lineage import LineageError
from mining_platform.store import versions
from mining_platform.store.versions import LEASE_NAME, VERSIONS_NAME
from tests.mining_platform.audited_stores import COVERS, MODEL, PATCHES, known_store, put, version_path

SAMPLE = 150  # positions that the quick tier flips
SEED = 20261126


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """Maps, patches and a model, and an older version of a map that an older version of patches rests on."""
    store = known_store(tmp_path / "artifacts")
    put(store, COVERS[0], content="drawn again", version="2")
    put(store, PATCHES[0], [COVERS[0]], content="cut again", version="2")
    assert breaks(store) == []
    return store


def breaks(store: ArtifactStore) -> list[str]:
    return audit(store, roots_of(store), deep=True).breaks


def files_of(store: ArtifactStore) -> list[tuple[Ref, Path]]:
    """Every file with the partition that it lies in."""
    found = [
        (ref, path)
        for ref in versions.all_refs(store)
        for path in sorted(versions.partition_directory(store, ref).rglob("*"))
        if path.is_file() and path.name != LEASE_NAME
    ]
    kinds = {path.name for _, path in found}
    assert kinds == {"data.bin", "facts.json", "manifest.json", "current.json", "000001.json", "000002.json"}
    assert len(found) == 2 * 9 + 3 * 5, "a partition with two versions has 9 files, with one 5"
    return found


def unnamed(store: ArtifactStore, ref: Ref, path: Path) -> str:
    """Why a change to a file is not named by the audit; empty where it is."""
    found = breaks(store)
    version = path.parent.name[:12] if path.parent.parent.name == VERSIONS_NAME else ""
    named = [text for text in found if text.startswith(f"{ref}, version {version}") and path.name in text]
    return "" if named else f"{ref} {path.parent.name[:12]}/{path.name}: {found}"


def flipped(path: Path, position: int, bit: int) -> Iterator[None]:
    """A file with one bit flipped, in its own bytes again afterwards."""
    content, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(content[:position] + bytes([content[position] ^ (1 << bit)]) + content[position + 1 :])
    yield
    path.write_bytes(content)
    path.chmod(mode)


def unnamed_flips(store: ArtifactStore, places: list[tuple[Ref, Path, int]], dice: random.Random) -> list[str]:
    found = []
    for ref, path, position in places:
        bit = dice.randrange(8)
        for _ in flipped(path, position, bit):
            told = unnamed(store, ref, path)
            found += [f"{told} at byte {position}, bit {bit}"] if told else []
    return found


def places_of(store: ArtifactStore) -> list[tuple[Ref, Path, int]]:
    return [(ref, path, position) for ref, path in files_of(store) for position in range(path.stat().st_size)]


def test_a_bit_flipped_at_random_names_version_and_file(store: ArtifactStore) -> None:
    dice = random.Random(SEED)
    ends = [(ref, path, position) for ref, path in files_of(store) for position in (0, path.stat().st_size - 1)]
    assert unnamed_flips(store, [*ends, *dice.sample(places_of(store), SAMPLE)], dice) == []
    assert breaks(store) == []


@pytest.mark.slow
def test_a_bit_flipped_in_any_byte_of_the_store_names_version_and_file(store: ArtifactStore) -> None:
    assert unnamed_flips(store, places_of(store), random.Random(SEED)) == []


def test_each_file_removed_emptied_cut_or_grown_names_version_and_file(store: ArtifactStore) -> None:
    missed = []
    for ref, path in files_of(store):
        content, mode = path.read_bytes(), path.stat().st_mode
        for changed in (None, b"", content[:-1], content + b"\0"):
            path.unlink()
            if changed is not None:
                path.write_bytes(changed)
            missed += [told] if (told := unnamed(store, ref, path)) else []
            path.write_bytes(content)
            path.chmod(mode)
    assert missed == []


def test_each_file_replaced_by_a_link_to_its_own_bytes_is_named_where_it_is_of_a_version(
    store: ArtifactStore, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    for ref, path in files_of(store):
        if path.parent.parent.name == VERSIONS_NAME:
            shutil.copyfile(path, outside)
            content = path.read_bytes()
            path.unlink()
            path.symlink_to(outside)
            assert unnamed(store, ref, path) == ""
            path.unlink()
            path.write_bytes(content)


@pytest.mark.parametrize("name", ["added.bin", "data.bin.aux.xml", ".hidden", "facts.json.bak"])
def test_a_file_added_to_a_version_is_a_break_that_names_it(store: ArtifactStore, name: str) -> None:
    for ref, path in files_of(store):
        if path.name == "data.bin":
            added = path.with_name(name)
            added.write_bytes(b"x")
            assert unnamed(store, ref, added) == ""
            added.unlink()


def test_a_file_added_beside_pointer_records_or_versions_is_named_as_none_of_the_stores(store: ArtifactStore) -> None:
    for ref in versions.all_refs(store):
        top = versions.partition_directory(store, ref)
        for folder in (top, top / "records", top / VERSIONS_NAME):
            added = folder / "added.bin"
            added.write_bytes(b"x")
            notes = [text for node in audit(store, roots_of(store), deep=True).nodes.values() for text in node.notes]
            assert any("added.bin" in text for text in notes), folder
            added.unlink()
    assert breaks(store) == []


def test_a_record_added_to_a_chain_is_named_be_it_noise_or_a_copy(store: ArtifactStore) -> None:
    for ref in versions.all_refs(store):
        folder = versions.records_directory(store, ref)
        first = (folder / "000001.json").read_bytes()
        for content in (b"", b"{}", first):
            added = folder / "000003.json"
            added.write_bytes(content)
            assert unnamed(store, ref, added) == ""
            added.unlink()


def test_versions_of_two_partitions_exchanged_are_named(store: ArtifactStore, tmp_path: Path) -> None:
    north, south = version_path(store, PATCHES[0]), version_path(store, PATCHES[1])
    north.rename(tmp_path / "aside")
    south.rename(north)
    (tmp_path / "aside").rename(south)
    told = breaks(store)
    for ref, path in ((PATCHES[0], north), (PATCHES[1], south)):
        assert any(text.startswith(f"{ref}, version {path.name[:12]}: manifest.json was altered") for text in told)


def test_whoever_reads_what_was_tampered_with_gets_an_error_and_never_the_bytes(store: ArtifactStore) -> None:
    dice = random.Random(SEED)
    current = [version_path(store, ref) for ref in versions.all_refs(store)]
    for ref, path in files_of(store):
        if path.parent in current:
            for _ in flipped(path, dice.randrange(path.stat().st_size), dice.randrange(8)):
                with pytest.raises(DamagedArtifact, match=path.name):
                    open_artifact(store, ref)
        elif path.parent.name == "records":
            for _ in flipped(path, dice.randrange(path.stat().st_size), dice.randrange(8)):
                with pytest.raises(LineageError, match=path.name):
                    versions.records(store, ref)


def test_the_model_is_unsound_whatever_file_of_what_it_rests_on_was_flipped(store: ArtifactStore) -> None:
    (root,) = roots_of(store, MODEL.asset, MODEL.partition)
    walked = {version_path(store, ref) for ref in (COVERS[1], PATCHES[1])}
    for path in sorted(file for folder in walked for file in folder.iterdir()):
        for _ in flipped(path, 0, 0):
            assert audit(store, [root], deep=True).verdicts[root] == "unsound"
