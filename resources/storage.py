"""Where artifacts are kept."""

from mining_platform.artifacts import ArtifactStore
from mining_platform.homes import artifacts_root


def artifact_store() -> ArtifactStore:
    """The installation's artifacts, under `MINING_PLATFORM_HOME`."""
    return ArtifactStore(artifacts_root())
