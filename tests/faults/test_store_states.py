"""Whatever order of publishing, reading, dying, collecting and reconciling: a reader sees a whole version that was allowed.

The model knows what was asked for. A partition shows one of the contents that a production of it was begun with and that a
kill may have left; never a mixture, never nothing once something was published.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from benchmarks.kills import collect, die_before_step, in_child
from mining_platform.artifacts import (
    Artifact,
    ArtifactStore,
    MissingArtifact,
    Ref,
    current_digest,
    finish_publication,
    open_artifact,
    produce,
    records,
)

MAPS = (Ref("land_cover", "a|2024"), Ref("land_cover", "b|2024"))
RELEASE = Ref("release", "2024")
EVERYTHING = (*MAPS, RELEASE)
CONTENTS = st.integers(0, 3)
STEP = st.integers(0, 45)
"""Changes to the file system before which a process dies: some productions have fewer, and live."""


class Store(RuleBasedStateMachine):
    """An artifact store used by several processes, of which some die."""

    @initialize()
    def empty(self) -> None:
        """Begin without anything."""
        self.folder = TemporaryDirectory()
        self.store = ArtifactStore(Path(self.folder.name) / "artifacts")
        self.allowed: dict[Ref, set[int | None]] = {ref: {None} for ref in EVERYTHING}

    def make(self, ref: Ref, content: int, *, resumable: bool = False) -> None:
        """Produce a content; the release rests on both maps and repeats what they hold. Nothing of the dead is left."""
        inputs = MAPS if ref == RELEASE else ()

        def compute(found: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
            below = [(found[each].path / "a.txt").read_text() for each in sorted(found)]
            for name in ("a.txt", "b.txt"):
                (out / name).write_text(f"{content} {' '.join(below)}".strip())
            return {"content": content}

        made = produce(
            self.store, ref, inputs=inputs, code_version="1", config={"content": content}, compute=compute, resumable=resumable
        )
        left = [path for path in made.path.parents[1].iterdir() if path.name.startswith(("tmp-", "unfinished-"))]
        assert made.skipped or not left

    @rule(ref=st.sampled_from(EVERYTHING), content=CONTENTS, resumable=st.booleans())
    def publish(self, ref: Ref, content: int, resumable: bool) -> None:
        """A production that lives: readers see its content."""
        try:
            self.make(ref, content, resumable=resumable)
        except MissingArtifact:
            assert ref == RELEASE
            assert any(None in self.allowed[each] for each in MAPS)
            return
        self.allowed[ref] = {content}

    @rule(ref=st.sampled_from(EVERYTHING), content=CONTENTS, resumable=st.booleans(), step=STEP)
    def publish_and_die(self, ref: Ref, content: int, resumable: bool, step: int) -> None:
        """A production that is killed before one of its changes: the content before, or its own."""

        def dying() -> None:
            die_before_step(self.store.root, step)
            try:
                self.make(ref, content, resumable=resumable)
            except MissingArtifact:
                assert ref == RELEASE

        if in_child(dying):
            self.allowed[ref] = self.allowed[ref] | {content}
        elif ref != RELEASE or current_digest(self.store, ref) is not None:
            self.allowed[ref] = {self.shown(ref)}

    @rule()
    def collect_garbage(self) -> None:
        """What readers see stays as it is."""
        before = {ref: current_digest(self.store, ref) for ref in EVERYTHING}
        collect(self.store)
        assert before == {ref: current_digest(self.store, ref) for ref in EVERYTHING}

    @rule(step=st.integers(0, 24))
    def collect_garbage_and_die(self, step: int) -> None:
        """As above, broken off."""

        def dying() -> None:
            die_before_step(self.store.root, step)
            collect(self.store)

        before = {ref: current_digest(self.store, ref) for ref in EVERYTHING}
        in_child(dying)
        assert before == {ref: current_digest(self.store, ref) for ref in EVERYTHING}

    @rule(ref=st.sampled_from(EVERYTHING))
    def reconcile(self, ref: Ref) -> None:
        """Nothing is shown that no production was begun with, and a second time there is nothing to do."""
        if records(self.store, ref):
            finish_publication(self.store, ref)
            assert not finish_publication(self.store, ref)

    def shown(self, ref: Ref) -> int | None:
        """The content that a reader gets, every file of it the same; None where nothing was published."""
        if current_digest(self.store, ref) is None:
            return None
        artifact = open_artifact(self.store, ref)
        texts = {path.read_text() for path in artifact.path.glob("*.txt")}
        assert len(texts) == 1, f"{ref} is a mixture: {texts}"
        content = int(texts.pop().split()[0])
        assert artifact.facts["content"] == content
        return content

    @invariant()
    def readers_see_what_they_may(self) -> None:
        """Of every partition, at any moment; and records that verify, the newest about the version that is shown or is to be."""
        for ref in EVERYTHING:
            assert self.shown(ref) in self.allowed[ref], ref
            chain = records(self.store, ref)
            assert (current_digest(self.store, ref) in [None, *(record.digest for record in chain)]) or not chain

    @invariant()
    def what_a_release_rests_on_is_there(self) -> None:
        """However often garbage was collected: every input of the current release opens, by its digest."""
        chain = records(self.store, RELEASE)
        digest = current_digest(self.store, RELEASE)
        for record in (each for each in chain if each.digest == digest):
            for each in record.inputs if record is chain[-1] else ():
                open_artifact(self.store, Ref(each.asset, each.partition), each.digest)

    def teardown(self) -> None:
        """Remove the store."""
        self.folder.cleanup()


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Store,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_order_of_work_and_deaths_shows_readers_whole_versions() -> None:
    run(examples=40, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_many_orders_of_work_and_deaths_show_readers_whole_versions() -> None:
    run(examples=80, steps=40)
