"""A process that writes to a bucket as tests tell it, line by line: each writer is a fork of it, made before any bucket was used.

A line is JSON: `home` (folder of the copies), `partition`, `version` (content and code version), and what the writer is to do:
`die_before` (which of its writes to the bucket it dies before, by SIGKILL; its lease is short then), `wait_for` (a file that ends
its computation).
The answer is one line of JSON: `pid` at once, then `status` (negative: killed by that signal) and `said`.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mining_platform import artifacts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref
from mining_platform.store import remote_leases
from mining_platform.store.buckets import Bucket, open_bucket

ADDRESS = "s3://artifacts/kills"
SHORT_LEASE_S = 0.5
"""Of writers that are to die, so that the next one need not wait."""
FILES, FILE_BYTES = 2, 400_000
WRITES = FILES + 4
"""Of a publication: the files, `facts.json`, `manifest.json`, the record and the pointer."""
WAIT_S = 30
MADE, SKIPPED, REFUSED, FAILED = 0, 10, 20, 30
"""Exit statuses of writers."""


@dataclass(frozen=True)
class Dying(Bucket):
    """A bucket whose user is killed before the given one of its writes, counted from 0 and without those of the lease.

    After the last of these there is one more moment: before the lease is given back.
    """

    die_before: int = -1
    count: list[int] = field(default_factory=lambda: [0])

    def _put(self, key: str, content: Path | bytes, mode: Any) -> Any:
        is_lease = key.endswith("/lease")
        self.count[0] += not is_lease
        if self.count[0] > self.die_before or (is_lease and self.count[0] == self.die_before == WRITES):
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._put(key, content, mode)


def store_of(home: str, die_before: int | None = None) -> ArtifactStore:
    """A store whose copies lie in `home`."""
    bucket = open_bucket(ADDRESS)
    remote = bucket if die_before is None else Dying(bucket.place, bucket.client, die_before)
    return ArtifactStore(Path(home), remote)


def content_of(version: str) -> dict[str, bytes]:
    """The files of a version: all tell its name, again and again."""
    return {f"{number}.bin": (version.encode() * FILE_BYTES)[:FILE_BYTES] for number in range(FILES)}


def write(told: Mapping[str, Any]) -> int:
    """Make a version; the exit status."""

    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_S
        while "wait_for" in told and not Path(told["wait_for"]).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        for name, content in content_of(told["version"]).items():
            (out / name).write_bytes(content)
        return {"version": told["version"]}

    ref = Ref("mosaic", told["partition"])
    store = store_of(told["home"], told.get("die_before"))
    remote_leases.LEASE_S = SHORT_LEASE_S if "die_before" in told else remote_leases.LEASE_S
    try:
        made = artifacts.produce(
            store, ref, inputs=[], code_version=told["version"], config={}, compute=compute, run_id=told["version"]
        )
    except artifacts.LeaseHeld as error:
        return _say(told, str(error), REFUSED)
    except artifacts.ArtifactError as error:
        return _say(told, str(error), FAILED)
    return SKIPPED if made.skipped else MADE


def _say(told: Mapping[str, Any], words: str, status: int) -> int:
    Path(told["said"]).write_text(words)
    return status


def main() -> None:
    """Fork a writer for each line, and tell of its end in a thread of the caller's own choosing: one line after another."""
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                status = write(told)
            except BaseException as error:
                status = _say(told, repr(error), FAILED)
            os._exit(status)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, ended = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
