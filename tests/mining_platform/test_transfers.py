"""Artifacts copied between stores: byte by byte, resumable, never joining two histories; and a store checked where it lies."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mining_platform import artifacts
from mining_platform.artifacts import Artifact, ArtifactError, ArtifactStore, DamagedArtifact, Ref
from mining_platform.store import places, transfers
from mining_platform.store.buckets import Bucket
from mining_platform.store.refs import StoreUnreachable
from tests.object_stores import memory_bucket

SCENES, MOSAIC = Ref("scenes", "lourenco|2022"), Ref("mosaic", "lourenco|2022")
VERSION = "mosaic/@lourenco+2022/versions"


def make(store: ArtifactStore, ref: Ref = MOSAIC, content: str = "one", inputs: tuple[Ref, ...] = ()) -> str:
    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "deep").mkdir()
        (out / "deep" / "data.txt").write_text(content)
        return {}

    return artifacts.produce(store, ref, inputs=inputs, code_version=content, config={}, compute=compute).digest


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    """A directory of two partitions, one of which has two versions."""
    store = ArtifactStore(tmp_path / "local")
    make(store, SCENES)
    make(store, MOSAIC, "one", (SCENES,))
    make(store, MOSAIC, "two", (SCENES,))
    return store


@pytest.fixture
def bucket(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "copies", memory_bucket())


def copy_all(source: ArtifactStore, target: ArtifactStore, staging: Path, **options: Any) -> list[transfers.Copied]:
    reading = source.remote or places.Folder(source.root)
    return [transfers.copy_partition(reading, target, ref, staging, **options) for ref in transfers.refs_of(reading)]


def files(root: Path) -> dict[str, bytes]:
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file() and path.name != "lease"}
    return {name: path.read_bytes() for name, path in found.items()}


def test_a_directory_copied_to_a_bucket_and_back_is_the_same_byte_by_byte(
    local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path
) -> None:
    sent = copy_all(local, bucket, tmp_path / "staging")
    assert [(each.ref, each.sent, each.there, each.records) for each in sent] == [(MOSAIC, 2, 0, 2), (SCENES, 1, 0, 1)]
    back = ArtifactStore(tmp_path / "back")
    copy_all(bucket, back, tmp_path / "other staging")
    assert files(back.root) == files(local.root)
    assert artifacts.open_artifact(back, MOSAIC).digest == artifacts.current_digest(local, MOSAIC)


def test_directories_and_buckets_are_copied_among_themselves(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    beside, second = ArtifactStore(tmp_path / "beside"), ArtifactStore(tmp_path / "copies 2", memory_bucket())
    copy_all(local, beside, tmp_path / "s1")
    assert files(beside.root) == files(local.root)
    copy_all(local, bucket, tmp_path / "s2")
    copy_all(bucket, second, tmp_path / "s3")
    assert artifacts.open_artifact(second, MOSAIC).digest == artifacts.current_digest(local, MOSAIC)


def test_a_second_copy_sends_what_is_new_only(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    copy_all(local, bucket, tmp_path / "staging")
    make(local, MOSAIC, "three", (SCENES,))
    again = copy_all(local, bucket, tmp_path / "staging")
    assert [(each.sent, each.there, each.records) for each in again] == [(1, 2, 1), (0, 1, 0)]


@dataclass(frozen=True)
class Failing(Bucket):
    """A bucket that answers no write any more after some."""

    left: list[int] = field(default_factory=lambda: [0])

    def _put(self, key: str, content: Path | bytes, mode: Any) -> Any:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise StoreUnreachable("the line is down")
        return super()._put(key, content, mode)


@pytest.mark.parametrize("writes", [0, 3, 4, 6, 8, 9])
def test_a_copy_that_breaks_off_shows_readers_nothing_and_goes_on_where_it_was(
    local: ArtifactStore, tmp_path: Path, writes: int
) -> None:
    whole = memory_bucket()
    failing = ArtifactStore(tmp_path / "first", Failing(whole.place, whole.client, [writes]))
    reading = places.Folder(local.root)
    with pytest.raises(StoreUnreachable):
        transfers.copy_partition(reading, failing, MOSAIC, tmp_path / "s1")
    reader = ArtifactStore(tmp_path / "reader", whole)
    assert artifacts.current_digest(reader, MOSAIC) is None
    whole.client.delete("mosaic/@lourenco+2022/lease")
    done = transfers.copy_partition(reading, ArtifactStore(tmp_path / "second", whole), MOSAIC, tmp_path / "s2")
    assert done.sent + done.there == 2
    assert done.there == (writes >= 4) + (writes >= 7)
    assert artifacts.open_artifact(reader, MOSAIC).digest == artifacts.current_digest(local, MOSAIC)


def test_two_histories_are_never_joined(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    make(bucket, MOSAIC, "one")
    before = artifacts.records(bucket, MOSAIC)
    with pytest.raises(ArtifactError, match=r"mosaic@lourenco\|2022 has another history in the target than in .*local"):
        transfers.copy_partition(places.Folder(local.root), bucket, MOSAIC, tmp_path / "staging")
    assert artifacts.records(bucket, MOSAIC) == before


def test_a_target_that_is_ahead_is_left_as_it_is(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    copy_all(local, bucket, tmp_path / "staging")
    newer = make(bucket, MOSAIC, "three")
    assert copy_all(local, bucket, tmp_path / "staging")[0].records == 0
    assert artifacts.current_digest(bucket, MOSAIC) == newer


def test_a_damaged_source_is_named_and_not_copied(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    digest = artifacts.current_digest(local, MOSAIC)
    data = local.root / VERSION / str(digest) / "deep" / "data.txt"
    data.chmod(0o644)
    data.write_text("tWo")
    with pytest.raises(DamagedArtifact, match=rf"version {digest} in .*local: deep/data.txt was altered. Make it again there"):
        transfers.copy_partition(places.Folder(local.root), bucket, MOSAIC, tmp_path / "staging")
    assert artifacts.current_digest(bucket, MOSAIC) is None


def test_an_older_version_that_was_collected_is_not_missed(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    first = artifacts.records(local, MOSAIC)[0].digest
    shutil.rmtree(local.root / VERSION / first)
    assert copy_all(local, bucket, tmp_path / "staging")[0].sent == 1


def test_a_checked_store_names_each_damaged_file(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    copy_all(local, bucket, tmp_path / "staging")
    assert isinstance(bucket.remote, Bucket)
    assert [transfers.check_partition(bucket.remote, ref, tmp_path / "check") for ref in (MOSAIC, SCENES)] == [[], []]
    first, current = (record.digest for record in artifacts.records(local, MOSAIC))
    bucket.remote.put(f"{VERSION}/{first}/deep/data.txt", b"oNe")
    bucket.remote.client.delete(f"{VERSION}/{current}/facts.json")
    assert transfers.check_partition(bucket.remote, MOSAIC, tmp_path / "check") == [
        f"{MOSAIC}, version {first[:12]}: deep/data.txt was altered",
        f"{MOSAIC}, version {current[:12]}: facts.json is missing",
    ]


def test_a_check_mends_what_was_damaged_in_the_copy(local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path) -> None:
    copy_all(local, bucket, tmp_path / "staging")
    assert bucket.remote is not None
    key = f"{VERSION}/{artifacts.current_digest(local, MOSAIC)}/deep/data.txt"
    bucket.remote.put(key, b"tWo")
    assert copy_all(local, bucket, tmp_path / "staging", check=True)[0].sent == 1
    assert (bucket.remote.get(key) or pytest.fail("gone")).content == b"two"


def test_a_place_that_is_neither_folder_nor_bucket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing is no directory. Name the folder `artifacts` of a home, or a bucket"):
        places.readable(str(tmp_path / "nothing"))


def test_a_link_out_of_a_folder_of_artifacts_is_refused(local: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (local.root / "leak").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="leads out of"):
        places.Folder(local.root).get("leak/file")
    assert transfers.refs_of(places.Folder(local.root), ["scen*"]) == [SCENES]


def test_a_partition_that_was_put_there_from_elsewhere_is_damaged_and_not_copied(
    local: ArtifactStore, bucket: ArtifactStore, tmp_path: Path
) -> None:
    (local.root / "mosaic/@lourenco+2022").rename(local.root / "mosaic/@serra+2022")
    source, moved = places.Folder(local.root), Ref("mosaic", "serra|2022")
    told = r"record 000001.json of mosaic@serra\|2022 in .*local is of mosaic@lourenco\|2022: it was put there from elsewhere\.$"
    with pytest.raises(DamagedArtifact, match=told):
        transfers.copy_partition(source, bucket, moved, tmp_path / "staging")
    assert artifacts.current_digest(bucket, moved) is None
    (problem,) = transfers.check_partition(source, moved, tmp_path / "check")
    assert re.search(told, problem)


def test_a_whole_home_is_no_store_and_its_folder_of_artifacts_is_named(tmp_path: Path, bucket: ArtifactStore) -> None:
    make(ArtifactStore(tmp_path / "home" / "artifacts"))
    home = places.Folder(tmp_path / "home")
    (ref,) = transfers.refs_of(home)
    told = r"Name .*home/artifacts, where the store begins \(in a home its folder `artifacts`\)"
    with pytest.raises(DamagedArtifact, match=told):
        transfers.copy_partition(home, bucket, ref, tmp_path / "staging")


def located(place: str, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "copies", Bucket(place, None)) if "://" in place else ArtifactStore(tmp_path / place)


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("store", "store", "Source and target are the same"),
        ("store", "other/../store/", "Source and target are the same"),
        ("store", "link", "Source and target are the same"),
        ("store", "store/backup", r"The target \S*store/backup lies below the source \S*store: name"),
        ("store", "link/backup", "The target .* lies below the source"),
        ("store/artifacts", "store", r"The source \S*store/artifacts lies below the target \S*store: name"),
        ("s3://bucket/x", "s3://bucket/x", "Source and target are the same"),
        ("s3://bucket/x", "s3://bucket//x", "Source and target are the same"),
        ("s3://bucket", "s3://bucket/x", "The target s3://bucket/x lies below the source s3://bucket: name"),
        ("gs://bucket/x/y", "gs://bucket/x", "The source gs://bucket/x/y lies below the target gs://bucket/x: name"),
    ],
)
def test_a_store_is_not_copied_into_itself(source: str, target: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to("store")
    origin = located(source, tmp_path)
    with pytest.raises(ArtifactError, match=told):
        places.require_apart(origin.remote or places.Folder(origin.root), located(target, tmp_path))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("store", "store-2"),
        ("store", "s3://bucket/store"),
        ("s3://bucket/x", "s3://bucket/x-2"),
        ("s3://bucket/x", "gs://bucket/x"),
    ],
)
def test_stores_that_lie_side_by_side_are_apart(source: str, target: str, tmp_path: Path) -> None:
    origin = located(source, tmp_path)
    places.require_apart(origin.remote or places.Folder(origin.root), located(target, tmp_path))
