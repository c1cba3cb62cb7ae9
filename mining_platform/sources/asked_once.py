"""A source of scenes that is asked once what identifies a region's scenes of a year: for looks at one moment, such as plans."""

from dataclasses import dataclass, field
from typing import Any, cast

from mining_platform.regions import Region
from mining_platform.sources.protocol import SceneSource, SourceError


def asked_once(source: SceneSource) -> SceneSource:
    """The source, but that `fingerprint_scenes` answers as it did the first time, refusals included; never hold on to it."""
    return cast(SceneSource, _AskedOnce(source))


@dataclass(frozen=True)
class _AskedOnce:
    """The answers so far; whatever else is asked goes to the source."""

    source: SceneSource
    answers: dict[tuple[str, int], dict[str, Any] | SourceError] = field(default_factory=dict)

    def fingerprint_scenes(self, region: Region, year: int) -> dict[str, Any]:
        """See SceneSource."""
        asked = (region.id, year)
        if asked not in self.answers:
            try:
                self.answers[asked] = self.source.fingerprint_scenes(region, year)
            except SourceError as error:
                self.answers[asked] = error
        answer = self.answers[asked]
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)
