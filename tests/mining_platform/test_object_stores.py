"""Artifacts in an object store: published, read by another installation, fenced, damaged, unreachable."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mining_platform import artifacts, lineage
from mining_platform.artifacts import Artifact, ArtifactError, ArtifactStore, DamagedArtifact, LeaseHeld, LeaseLost, Ref
from mining_platform.store import digests, mirror, remote_garbage, remote_leases, versions
from mining_platform.store.buckets import Bucket, open_bucket
from mining_platform.store.leases import Holder
from mining_platform.store.refs import StoreUnreachable
from mining_platform.store.remote import Kept, Token
from tests.object_stores import memory_bucket

SCENES, MOSAIC = Ref("scenes", "lourenco|2022"), Ref("mosaic", "lourenco|2022")
FOLDER = "mosaic/@lourenco+2022"


@dataclass(frozen=True)
class Counting(Bucket):
    """A bucket that notes which keys were asked for."""

    asked: list[str] = field(default_factory=list)
    may_list: bool = False

    def get(self, key: str) -> Kept | None:
        self.asked.append(key)
        return super().get(key)

    def chunks(self, key: str, size: int) -> Any:
        self.asked.append(key)
        return super().chunks(key, size)

    def folders(self, prefix: str) -> list[str]:
        assert self.may_list, f"{prefix} is listed"
        self.asked.append(prefix)
        return super().folders(prefix)

    list = folders  # type: ignore[assignment]


@pytest.fixture
def bucket() -> Bucket:
    return memory_bucket()


@pytest.fixture
def here(bucket: Bucket, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "here", bucket)


@pytest.fixture
def there(bucket: Bucket, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "there", bucket)


def writes(content: str, **facts: Any) -> artifacts.Compute:
    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "deep").mkdir()
        (out / "deep" / "data é#.txt").write_text(content)
        (out / "empty").write_bytes(b"")
        return {"count": len(content), **facts}

    return compute


def never(*_: Any) -> dict[str, Any]:
    raise AssertionError("computed although it had to be skipped")


def make(store: ArtifactStore, ref: Ref = MOSAIC, compute: artifacts.Compute | None = None, **changed: Any) -> artifacts.Produced:
    defaults: dict[str, Any] = {"inputs": [], "code_version": "1", "config": {"seed": 7}}
    return artifacts.produce(store, ref, compute=compute or writes("one"), **{**defaults, **changed})


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def objects(bucket: Bucket) -> dict[str, bytes]:
    keys = [each.key for name in bucket.folders("") for each in bucket.list(f"{name}/")]
    return {key: kept.content for key in keys if (kept := bucket.get(key))}


# Publishing and reading


def test_the_bucket_holds_what_a_directory_would_under_the_same_names_and_digest(here: ArtifactStore, tmp_path: Path) -> None:
    local = ArtifactStore(tmp_path / "local")
    made, told = make(local), make(here)
    assert told.digest == made.digest
    assert isinstance(here.remote, Bucket)
    stored = objects(here.remote)
    of_directory = files(local.root)
    assert set(stored) == {name for name in of_directory if name != "lease"}
    versions_of = {name for name in stored if "/versions/" in name}
    assert {name: stored[name] for name in versions_of} == {name: of_directory[name] for name in versions_of}


def test_another_installation_reads_every_byte_and_need_not_make_it_again(here: ArtifactStore, there: ArtifactStore) -> None:
    made = make(here)
    read = artifacts.open_artifact(there, MOSAIC)
    assert (read.digest, read.facts) == (made.digest, {"count": 3, "simulated": False})
    assert files(read.path) == files(made.path)
    assert make(there, compute=never).reason == artifacts.UNCHANGED
    assert [record.number for record in artifacts.records(there, MOSAIC)] == [1]


def test_records_of_two_installations_form_one_chain(here: ArtifactStore, there: ArtifactStore) -> None:
    make(here)
    second = make(there, compute=writes("two"), code_version="2")
    third = make(here, compute=writes("three"), code_version="3")
    assert [record.digest for record in artifacts.records(there, MOSAIC)][1:] == [second.digest, third.digest]
    assert artifacts.open_artifact(there, MOSAIC).digest == third.digest
    assert artifacts.open_artifact(there, MOSAIC, second.digest).digest == second.digest


def test_reading_and_skipping_list_nothing_and_read_what_is_there_once(here: ArtifactStore, there: ArtifactStore) -> None:
    made = make(here)
    assert isinstance(here.remote, Bucket)
    counting = Counting(here.remote.place, here.remote.client)
    reader = ArtifactStore(there.root, counting)
    artifacts.open_artifact(reader, MOSAIC)
    version = f"{FOLDER}/versions/{made.digest}"
    assert sorted(counting.asked) == sorted(
        [f"{FOLDER}/current.json", f"{FOLDER}/records/000001.json"]
        + [f"{version}/{name}" for name in ("manifest.json", "facts.json", "deep/data é#.txt", "empty")]
    )
    counting.asked.clear()
    artifacts.open_artifact(reader, MOSAIC)
    assert counting.asked == [f"{FOLDER}/current.json"]
    counting.asked.clear()
    assert artifacts.freshness(reader, MOSAIC, inputs=[], code_version="1", config={"seed": 7}) == ()
    assert counting.asked == [f"{FOLDER}/current.json", f"{FOLDER}/records/000002.json"]


def test_partitions_and_refs_of_a_bucket_are_those_that_others_published(here: ArtifactStore, there: ArtifactStore) -> None:
    make(here)
    make(here, Ref("ranges/quotas", "2022"))
    make(here, Ref("model"))
    assert versions.all_refs(there) == [Ref("model"), MOSAIC, Ref("ranges/quotas", "2022")]
    assert artifacts.partitions(there, "mosaic") == ["lourenco|2022"]
    assert artifacts.partitions(there, "model") == [""]


def test_a_copy_that_was_damaged_on_the_disk_is_fetched_again(here: ArtifactStore) -> None:
    made = make(here)
    data = made.path / "deep" / "data é#.txt"
    data.chmod(0o644)
    data.write_text("onE")
    assert (artifacts.open_artifact(here, MOSAIC).path / "deep" / "data é#.txt").read_text() == "one"


def test_records_that_were_moved_away_in_the_bucket_are_forgotten_here_too(here: ArtifactStore) -> None:
    make(here)
    make(here, compute=writes("two"), code_version="2")
    assert isinstance(here.remote, Bucket)
    for number in (1, 2):
        here.remote.client.delete(f"{FOLDER}/records/00000{number}.json")
    assert artifacts.records(here, MOSAIC) == []
    assert make(here, compute=writes("two"), code_version="2").digest
    assert [record.number for record in artifacts.records(here, MOSAIC)] == [1]


def test_a_copy_of_a_record_that_was_damaged_on_the_disk_is_read_again(here: ArtifactStore) -> None:
    make(here)
    make(here, compute=writes("two"), code_version="2")
    (here.root / FOLDER / "records" / "000001.json").write_bytes(b"{}")
    assert [record.number for record in artifacts.records(here, MOSAIC)] == [1, 2]


def test_a_look_at_one_moment_asks_for_no_partition_that_was_never_made(here: ArtifactStore, there: ArtifactStore) -> None:
    made = make(here)
    assert isinstance(here.remote, Bucket)
    listing = Counting(here.remote.place, here.remote.client, may_list=True)
    now = artifacts.at_one_moment(ArtifactStore(there.root, listing))
    years = [Ref("mosaic", f"lourenco|{year}") for year in range(2000, 2030)]
    assert [ref for ref in years if artifacts.current_digest(now, ref)] == [MOSAIC]
    assert artifacts.current_digest(now, MOSAIC) == made.digest
    assert listing.asked == ["mosaic/", f"{FOLDER}/current.json", f"{FOLDER}/records/000001.json"]


def test_what_was_on_its_way_to_the_disk_is_removed_once_it_is_a_day_old(here: ArtifactStore) -> None:
    make(here)
    old, new = (here.root / mirror.FETCHING_NAME / name for name in ("tmp-1-old", "tmp-2-new"))
    for path in (old, new):
        path.mkdir(parents=True)
        (path / "half").write_bytes(b"half")
    os.utime(old, (0, 0))
    mirror.sweep(here)
    assert (old.exists(), new.exists()) == (False, True)


# Damage


@pytest.mark.parametrize("name", ["deep/data é#.txt", "facts.json", "manifest.json"])
def test_a_damaged_file_in_the_bucket_is_named_and_producing_mends_it(
    here: ArtifactStore, there: ArtifactStore, bucket: Bucket, name: str
) -> None:
    made = make(here)
    key = f"{FOLDER}/versions/{made.digest}/{name}"
    kept = bucket.get(key)
    assert kept is not None
    bucket.put(key, bytes([kept.content[0] ^ 1]) + kept.content[1:])
    with pytest.raises(DamagedArtifact, match=rf"version {made.digest}: {name} was altered.*materialize --assets mosaic"):
        artifacts.open_artifact(there, MOSAIC)
    assert not (there.root / FOLDER / "versions" / made.digest).exists()
    again = make(there)
    assert (again.digest, again.skipped) == (made.digest, False)
    assert (bucket.get(key) or Kept(b"", {})).content == kept.content


def test_a_file_that_is_gone_or_longer_in_the_bucket_is_named(here: ArtifactStore, there: ArtifactStore, bucket: Bucket) -> None:
    made = make(here)
    version = f"{FOLDER}/versions/{made.digest}"
    bucket.put(f"{version}/empty", b"x" * 10)
    bucket.client.delete(f"{version}/facts.json")
    with pytest.raises(DamagedArtifact, match=r"empty has more than 0 bytes; facts.json is missing"):
        artifacts.open_artifact(there, MOSAIC)


def test_a_manifest_that_leads_out_of_its_version_writes_nothing(there: ArtifactStore, bucket: Bucket) -> None:
    content = digests.canonical_json([["../../../../out", 1, "0" * 64]], "x")
    digest = digests.digest_of(content)
    bucket.put(f"{FOLDER}/versions/{digest}/manifest.json", content)
    assert mirror.fetch(there, bucket, MOSAIC, digest) == ["../../../../out leads out of the version"]
    assert files(there.root) == {}


def test_an_altered_record_in_the_bucket_stops_production(here: ArtifactStore, there: ArtifactStore, bucket: Bucket) -> None:
    make(here)
    key = f"{FOLDER}/records/000001.json"
    kept = bucket.get(key)
    assert kept is not None
    bucket.put(key, kept.content.replace(b'"seed":7', b'"seed":8'))
    with pytest.raises(lineage.LineageError, match=r"records/000001.json was altered"):
        make(there, compute=never, code_version="2")


def test_an_unreadable_pointer_in_the_bucket_is_told_and_mended(here: ArtifactStore, bucket: Bucket) -> None:
    made = make(here)
    bucket.put(f"{FOLDER}/current.json", b"{}")
    with pytest.raises(DamagedArtifact, match=r"current.json is unreadable"):
        artifacts.current_digest(here, MOSAIC)
    assert make(here, compute=never).reason == artifacts.FINISHED
    assert artifacts.current_digest(here, MOSAIC) == made.digest


# Two writers


def test_the_second_installation_is_told_who_holds_a_partition_and_may_make_others(
    here: ArtifactStore, there: ArtifactStore
) -> None:
    def meanwhile(inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        with pytest.raises(
            LeaseHeld, match=r"mosaic@lourenco\|2022 is being made by process \d+ on .*, run first, since .*Wait for it"
        ):
            make(there, compute=never)
        assert not make(there, SCENES).skipped
        return writes("one")(inputs, out)

    make(here, compute=meanwhile, run_id="first")
    assert make(there, compute=never).skipped


def claim(home: str, until_s: float) -> bytes:
    return remote_leases.Claim(Holder(1, "elsewhere", "gone", "2026"), home, "n" * 32, until_s).content()


def test_the_lease_of_a_dead_machine_is_taken_over_once_its_time_is_past(here: ArtifactStore, bucket: Bucket) -> None:
    bucket.put(f"{FOLDER}/lease", claim("elsewhere/1", time.time() + 30))
    with pytest.raises(LeaseHeld, match="process 1 on elsewhere, run gone"):
        make(here)
    bucket.put(f"{FOLDER}/lease", claim("elsewhere/1", time.time() - 1))
    assert not make(here).skipped


def test_the_lease_of_a_dead_process_of_this_installation_is_taken_over_at_once(here: ArtifactStore, bucket: Bucket) -> None:
    bucket.put(f"{FOLDER}/lease", claim(remote_leases.installation(here.root), time.time() + 30))
    assert not make(here).skipped


def test_a_lease_that_says_nothing_is_taken_over(here: ArtifactStore, bucket: Bucket) -> None:
    bucket.put(f"{FOLDER}/lease", b"\xff")
    assert not make(here).skipped


def test_a_lease_is_renewed_while_the_work_lasts(
    here: ArtifactStore, there: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_leases, "LEASE_S", 0.4)

    def slow(inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        time.sleep(0.9)
        with pytest.raises(LeaseHeld):
            make(there, compute=never)
        return writes("one")(inputs, out)

    assert not make(here, compute=slow).skipped


def test_a_writer_that_lost_its_lease_publishes_nothing_and_says_to_whom(
    here: ArtifactStore, there: ArtifactStore, bucket: Bucket
) -> None:
    def overtaken(inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        told = json.loads((bucket.get(f"{FOLDER}/lease") or Kept(b"", {})).content)
        bucket.put(f"{FOLDER}/lease", json.dumps({**told, "until_s": 0.0}).encode())
        make(there, compute=writes("theirs"), code_version="2", run_id="second")
        return writes("ours")(inputs, out)

    with pytest.raises(LeaseLost, match=r"the lease ran out during the work.*Run again"):
        make(here, compute=overtaken)
    (record,) = artifacts.records(here, MOSAIC)
    assert record.run_id == "second"
    assert artifacts.current_digest(here, MOSAIC) == record.digest


@dataclass(frozen=True)
class LateCheck(Bucket):
    """A bucket in which another writer comes between the last look at the lease and a conditional write."""

    moments: dict[str, Any] = field(default_factory=dict)

    def put_new(self, key: str, content: bytes) -> Token | None:
        self.moments.pop(key, lambda: None)()
        return super().put_new(key, content)


@pytest.mark.parametrize("name", ["records/000001.json", "current.json"])
def test_a_writer_that_is_overtaken_after_its_last_look_never_replaces_the_others_work(
    here: ArtifactStore, there: ArtifactStore, bucket: Bucket, name: str
) -> None:
    late = LateCheck(bucket.place, bucket.client)

    def other() -> None:
        bucket.put(f"{FOLDER}/lease", claim("elsewhere/1", 0.0))
        make(there, compute=writes("theirs"), code_version="2", run_id="second")

    late.moments[f"{FOLDER}/{name}"] = other
    with pytest.raises(LeaseLost, match="another writer has"):
        make(ArtifactStore(here.root, late))
    assert artifacts.records(there, MOSAIC)[-1].run_id == "second"
    assert artifacts.current_digest(here, MOSAIC) == artifacts.records(there, MOSAIC)[-1].digest


def test_what_an_interrupted_writer_had_recorded_is_finished_by_another_installation(
    here: ArtifactStore, there: ArtifactStore, bucket: Bucket
) -> None:
    made = make(here)
    bucket.client.delete(f"{FOLDER}/current.json")
    assert artifacts.current_digest(there, MOSAIC) is None
    assert make(there, compute=never).reason == artifacts.FINISHED
    assert artifacts.current_digest(here, MOSAIC) == made.digest


def test_garbage_in_a_bucket_is_named_and_left(here: ArtifactStore, bucket: Bucket) -> None:
    old = make(here)
    make(here, compute=writes("two"), code_version="2")
    bucket.put(f"{FOLDER}/versions/{'0' * 64}/data", b"half")
    named = {item.name: item.why for item in remote_garbage.named(here)}
    assert named == {
        f"versions/{old.digest}": "no current version rests on it",
        f"versions/{'0' * 64}": "an upload was broken off: no manifest says that it is whole",
    }
    assert len(list(bucket.list(f"{FOLDER}/versions/"))) == 9


# Addresses and reach


@pytest.mark.parametrize("address", ["ftp://a/b", "s3:///b", "file:///tmp", "a/b", "s3://bucket/a/../b"])
def test_an_address_that_is_no_bucket_is_refused(address: str) -> None:
    with pytest.raises(ArtifactError, match=r"is no address of an artifact store. Known are s3://bucket/prefix"):
        open_bucket(address)


@pytest.mark.parametrize("address", ["s3://AKIA:topsecret@bucket/x", "s3://bucket/x?sig=topsecret", "s3://bucket/x#topsecret"])
def test_an_address_with_a_secret_in_it_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ArtifactError, match="Credentials come from the environment") as caught:
        open_bucket(address)
    assert "topsecret" not in str(caught.value)


def test_a_store_that_does_not_answer_is_told_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ALLOW_HTTP": "true", "REGION": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "topsecret")
    monkeypatch.setattr("mining_platform.store.buckets.MAX_RETRIES", 1)
    store = ArtifactStore(tmp_path / "copies", open_bucket("s3://bucket/x"))
    with pytest.raises(
        StoreUnreachable, match=r"s3://bucket/x cannot be reached \(.*Check the address, the network and"
    ) as caught:
        make(store, compute=never)
    assert "topsecret" not in str(caught.value)
    assert files(store.root) == {}


def test_an_endpoint_without_tls_is_asked_only_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.delenv("AWS_ALLOW_HTTP", raising=False)
    with pytest.raises(StoreUnreachable, match="the endpoint has no TLS; set AWS_ALLOW_HTTP=true"):
        open_bucket("s3://bucket/x").get("a")
