"""A small store with known lineage: two land-cover maps, patches of each, a model on both."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Artifact, ArtifactStore, Ref, current_digest, produce
from mining_platform.audits.walk import Audit, audit, roots_of
from mining_platform.lineage import Input

NORTH, SOUTH = "north|2024", "south|2024"
MODEL = Ref("model", "cnn|2024")
COVERS = (Ref("land_cover", NORTH), Ref("land_cover", SOUTH))
PATCHES = (Ref("ranges/patches", NORTH), Ref("ranges/patches", SOUTH))
OUTSIDE = {"source": "mapbiomas", "collection": "8", "href": "maps/{year}.tif", "year": 2024, "blake3": "ab" * 32}


def put(
    store: ArtifactStore,
    ref: Ref,
    inputs: Sequence[Ref] = (),
    *,
    content: str = "pixels",
    version: str = "1",
    config: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Input:
    """Publish a version of one file `data.bin` of a content, and return its name."""

    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        (out / "data.bin").write_text(f"{ref} {content}")
        return dict(facts or {})

    made = produce(store, ref, inputs=inputs, code_version=version, config=config or {}, compute=compute, run_id="run-a")
    return Input(ref.asset, ref.partition, made.digest)


def known_store(root: Path, *, collection: str = "8", config: Mapping[str, Any] | None = None) -> ArtifactStore:
    """Two maps, patches of each, a model on both."""
    store = ArtifactStore(root)
    for ref in COVERS:
        put(store, ref, content=collection, config={"outside": {**OUTSIDE, "collection": collection}})
    for ref, cover in zip(PATCHES, COVERS, strict=True):
        put(store, ref, [cover], config=config)
    put(store, MODEL, PATCHES, config={"experiment": {"id": "cnn", "seed": 7}})
    return store


def version_path(store: ArtifactStore, ref: Ref) -> Path:
    """Directory of the current version."""
    digest = current_digest(store, ref)
    assert digest
    return partition_path(store, ref) / "versions" / digest


def partition_path(store: ArtifactStore, ref: Ref) -> Path:
    """Directory of a partition."""
    return store.root.joinpath(*ref.asset.split("/"), "@" + ref.partition.replace("|", "+"))


def flip(path: Path, position: int = 0) -> None:
    """Change one bit of a file and leave its size."""
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def of_model(store: ArtifactStore, *, deep: bool = True) -> Audit:
    """The audit of the model."""
    return audit(store, roots_of(store, MODEL.asset, MODEL.partition), deep=deep)


def verdicts(found: Audit) -> dict[str, str]:
    """Verdicts by asset partition; of several versions the worst."""
    return {str(Ref(version.asset, version.partition)): verdict for version, verdict in found.verdicts.items()}
