"""Where artifacts are kept."""

from mining_platform.artifacts import ArtifactStore
from mining_platform.store.places import own_store


def artifact_store() -> ArtifactStore:
    """The installation's artifacts: under `MINING_PLATFORM_HOME`, or in the object store that `MINING_PLATFORM_STORE` names."""
    return own_store()
