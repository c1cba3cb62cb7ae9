"""Decisions of people in an object store: of several installations in one log, under races, altered, and copied."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mining_platform.reviews import log_transfers
from mining_platform.reviews.decisions import Decision, ReviewError
from mining_platform.reviews.detection_decisions import CHANGES, DetectionDecision, append_detection_decisions, read_detection_log
from mining_platform.reviews.log_objects import LogObject
from mining_platform.reviews.logs import append_decisions, read_log
from mining_platform.store import places
from mining_platform.store.buckets import Bucket, open_bucket
from mining_platform.store.refs import ArtifactStore, StoreUnreachable
from mining_platform.store.remote import Token
from tests import object_stores
from tests.object_stores import memory_bucket

KEY, DETECTION_KEY = "reviews/sim_ranges.jsonl", "reviews/detections/sim-igarape.jsonl"
ACCEPTED = Decision("sim_ranges", "sim-igarape", 2024, "32722_400000_9300000_128", "accept", "", "Ana", "", "")
REJECTED = replace(ACCEPTED, decision="reject", reason="cloud over the pit")
RELABELLED = replace(ACCEPTED, decision="relabel", range="010_020", reason="pit is larger")
OUTLINE = "POLYGON ((0 0, 1 0, 1 1, 0 0))"
CONFIRMED = DetectionDecision("sim-igarape", 2024, CHANGES, "a", "confirm", False, "Ana", "", "", OUTLINE)


def log_of(bucket: Bucket, home: Path) -> LogObject:
    return LogObject(bucket, KEY, "sim_ranges", home / KEY)


def decided(log: LogObject | Path) -> list[str]:
    return [entry.decision for entry in read_log(log).entries]


@pytest.fixture
def bucket() -> Bucket:
    return memory_bucket()


@pytest.fixture
def here(bucket: Bucket, tmp_path: Path) -> LogObject:
    return log_of(bucket, tmp_path / "here")


@pytest.fixture
def there(bucket: Bucket, tmp_path: Path) -> LogObject:
    return log_of(bucket, tmp_path / "there")


def content(bucket: Bucket, key: str = KEY) -> bytes:
    kept = bucket.get(key)
    assert kept is not None
    return kept.content


def test_people_of_two_installations_decide_in_one_log_which_is_that_of_a_file(
    here: LogObject, there: LogObject, bucket: Bucket, tmp_path: Path
) -> None:
    assert decided(here) == []
    append_decisions(here, [ACCEPTED, REJECTED])
    (last,) = append_decisions(there, [RELABELLED])
    assert (last.number, last.previous) == (3, read_log(here).entries[1].hash)
    assert decided(here) == decided(there) == ["accept", "reject", "relabel"]
    assert not (tmp_path / "here").exists()
    copied = tmp_path / "sim_ranges.jsonl"
    copied.write_bytes(content(bucket))
    assert read_log(copied).entries == read_log(here).entries


@dataclass(frozen=True)
class Overtaken(Bucket):
    """A bucket in which somebody else writes after each of the first looks."""

    others: list[Decision] = field(default_factory=list)

    def put_new(self, key: str, content: bytes) -> Token | None:
        self._be_overtaken()
        return super().put_new(key, content)

    def swap(self, key: str, content: bytes, token: Token) -> Token | None:
        self._be_overtaken()
        return super().swap(key, content, token)

    def _be_overtaken(self) -> None:
        if self.others:
            append_decisions(LogObject(Bucket(self.place, self.client), KEY, "sim_ranges"), [self.others.pop()])


def test_who_is_overtaken_decides_after_the_other(bucket: Bucket, here: LogObject, tmp_path: Path) -> None:
    slow = log_of(Overtaken(bucket.place, bucket.client, [REJECTED, ACCEPTED]), tmp_path / "slow")
    (entry,) = append_decisions(slow, [RELABELLED])
    assert entry.number == 3
    assert decided(here) == ["accept", "reject", "relabel"]


def test_who_is_always_overtaken_is_told_and_took_nothing_down(bucket: Bucket, here: LogObject, tmp_path: Path) -> None:
    slow = log_of(Overtaken(bucket.place, bucket.client, [ACCEPTED] * 50), tmp_path / "slow")
    with pytest.raises(ReviewError, match=r"Others write to .* all the time\. Nothing was taken down"):
        append_decisions(slow, [REJECTED])
    assert "reject" not in decided(here)


def test_decisions_from_before_the_bucket_count_and_go_up_with_the_next(here: LogObject, there: LogObject) -> None:
    assert here.earlier is not None
    append_decisions(here.earlier, [ACCEPTED, REJECTED])
    assert decided(here) == ["accept", "reject"]
    assert decided(there) == []
    append_decisions(here, [RELABELLED])
    assert decided(here) == decided(there) == ["accept", "reject", "relabel"]
    assert decided(here.earlier) == ["accept", "reject"]


def test_decisions_that_two_homes_took_down_apart_are_never_joined(here: LogObject, there: LogObject) -> None:
    assert here.earlier is not None
    append_decisions(here.earlier, [ACCEPTED])
    append_decisions(there, [REJECTED])
    for act in (lambda: read_log(here), lambda: append_decisions(here, [RELABELLED])):
        with pytest.raises(ReviewError, match=rf"{here.earlier} has decisions that .*--apply"):
            act()
    assert decided(there) == ["reject"]
    here.earlier.rename(here.earlier.with_suffix(".aside"))
    assert decided(here) == ["reject"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda log: log.replace(b"cloud", b"clouds"), "line 2 was altered"),
        (lambda log: log.split(b"\n", 1)[1], "line 1 does not follow the line before"),
        (lambda log: log[:-20], "ends in the middle of a line"),
        (lambda log: b"no log\n" + log, "line 1 is no JSON"),
    ],
)
def test_a_log_that_was_altered_in_the_bucket_is_named_and_not_added_to(
    here: LogObject, bucket: Bucket, spoil: object, told: str
) -> None:
    append_decisions(here, [ACCEPTED, REJECTED])
    spoilt = spoil(content(bucket))  # type: ignore[operator]
    bucket.put(KEY, spoilt)
    for act in (lambda: read_log(here), lambda: append_decisions(here, [RELABELLED])):
        with pytest.raises(ReviewError, match=rf"s3://in-memory/tests/{KEY}.* {told}"):
            act()
    assert content(bucket) == spoilt


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with object_stores.s3_server(tmp_path_factory.mktemp("moto")) as environment:
        yield environment


def test_writers_at_the_same_moment_lose_nothing_on_a_real_server(
    server: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    logs = [log_of(open_bucket(f"s3://{object_stores.BUCKET}/races"), tmp_path / str(number)) for number in range(4)]

    def decide(writer: int) -> None:
        for number in range(5):
            append_decisions(logs[writer], [replace(ACCEPTED, reviewer=f"writer {writer}", reason=f"decision {number}")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(decide, range(4)))
    entries = read_log(logs[0]).entries
    assert [entry.number for entry in entries] == list(range(1, 21))
    for writer in range(4):
        assert [each.reason for each in entries if each.reviewer == f"writer {writer}"] == [f"decision {n}" for n in range(5)]


def test_a_store_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("mining_platform.store.buckets.MAX_RETRIES", 0)
    away = log_of(open_bucket("s3://bucket/prefix"), tmp_path)
    for act in (lambda: read_log(away), lambda: append_decisions(away, [ACCEPTED])):
        with pytest.raises(StoreUnreachable):
            act()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a decision on a window and one on a detection."""
    append_decisions(tmp_path / "home" / KEY, [ACCEPTED])
    append_detection_decisions(tmp_path / "home" / DETECTION_KEY, [CONFIRMED])
    (tmp_path / "home" / "artifacts").mkdir()
    return tmp_path / "home"


def copy_logs(source: places.Readable, target: ArtifactStore) -> dict[str, int]:
    return {key: log_transfers.copy_log(source, target, key) for key in log_transfers.keys_of(source)}


def test_logs_are_copied_from_a_home_to_a_bucket_to_a_folder_and_into_a_home(home: Path, bucket: Bucket, tmp_path: Path) -> None:
    remote, folder = ArtifactStore(tmp_path / "copies", bucket), ArtifactStore(tmp_path / "backup")
    restored = ArtifactStore(tmp_path / "restored" / "artifacts")
    whole = {KEY: 1, DETECTION_KEY: 1}
    assert copy_logs(places.Folder(home / "artifacts"), remote) == whole
    assert copy_logs(bucket, folder) == whole
    folder.root.joinpath("reviews", "sim_ranges.jsonl.torn").write_bytes(b"half a line")
    assert copy_logs(places.Folder(folder.root), restored) == whole
    for key in whole:
        assert content(bucket, key) == (home / key).read_bytes() == (tmp_path / "restored" / key).read_bytes()
    assert read_detection_log(tmp_path / "restored" / DETECTION_KEY).entries[0].detection_id == "a"


def test_a_second_copy_brings_what_is_new_and_a_target_that_is_ahead_stays(home: Path, bucket: Bucket, tmp_path: Path) -> None:
    source = places.Folder(home / "artifacts")
    for target in (ArtifactStore(tmp_path / "copies", bucket), ArtifactStore(tmp_path / "backup")):
        copy_logs(source, target)
        assert copy_logs(source, target) == {KEY: 0, DETECTION_KEY: 0}
    append_decisions(home / KEY, [REJECTED])
    for target in (ArtifactStore(tmp_path / "copies", bucket), ArtifactStore(tmp_path / "backup")):
        assert copy_logs(source, target)[KEY] == 2
    append_decisions(log_of(bucket, tmp_path / "none"), [RELABELLED])
    append_decisions(tmp_path / "backup" / KEY, [RELABELLED])
    for target in (ArtifactStore(tmp_path / "copies", bucket), ArtifactStore(tmp_path / "backup")):
        assert copy_logs(source, target)[KEY] == 0
    assert decided(log_of(bucket, tmp_path / "none")) == decided(tmp_path / "backup" / KEY) == ["accept", "reject", "relabel"]


def test_a_log_whose_last_end_of_line_was_lost_is_copied_to_and_from(home: Path, tmp_path: Path) -> None:
    source, target = places.Folder(home / "artifacts"), ArtifactStore(tmp_path / "backup")
    copy_logs(source, target)
    for log in (home / KEY, tmp_path / "backup" / KEY):
        log.write_bytes(log.read_bytes().removesuffix(b"\n"))
    assert copy_logs(source, target)[KEY] == 0
    append_decisions(home / KEY, [REJECTED])
    assert copy_logs(source, target)[KEY] == 2
    assert decided(tmp_path / "backup" / KEY) == ["accept", "reject"]


def test_logs_with_other_decisions_and_altered_ones_are_refused_and_named(home: Path, bucket: Bucket, tmp_path: Path) -> None:
    source, target = places.Folder(home / "artifacts"), ArtifactStore(tmp_path / "copies", bucket)
    append_decisions(log_of(bucket, tmp_path / "none"), [REJECTED])
    with pytest.raises(ReviewError, match=f"{KEY} has decisions that the log it is to follow lacks"):
        log_transfers.copy_log(source, target, KEY)
    append_decisions(tmp_path / "backup" / KEY, [REJECTED])
    with pytest.raises(ReviewError, match=f"{KEY} has decisions that the log it is to follow lacks"):
        log_transfers.copy_log(source, ArtifactStore(tmp_path / "backup"), KEY)
    assert [log_transfers.check_log(source, key) for key in log_transfers.keys_of(source)] == [[], []]

    line = json.loads((home / KEY).read_text())
    (home / KEY).write_text(json.dumps({**line, "reviewer": "Eva"}) + "\n")
    (home / "reviews" / "other").mkdir()
    (home / "reviews" / "other" / "x.jsonl").write_text("{}\n")
    assert log_transfers.check_log(source, KEY) == [
        f"{home}/{KEY}, line 1 was altered. Restore the file from a backup; "
        "decisions are not taken down or used while it is like this."
    ]
    assert "is the log of nothing known" in log_transfers.check_log(source, "reviews/other/x.jsonl")[0]
    with pytest.raises(ReviewError, match="was altered"):
        log_transfers.copy_log(source, ArtifactStore(tmp_path / "fresh"), KEY)
    assert not (tmp_path / "fresh").exists()
