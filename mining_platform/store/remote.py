"""What the platform asks of an object store: whole objects, streams, and writes that happen only under a condition.

Keys are texts with `/` between their parts, below the place that the store was opened at. Every method raises
`StoreUnreachable` where the store does not answer or refuses, after the tries that its client makes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Token = Mapping[str, str]
"""Names one state of an object (its ETag or generation); only handed back to `swap`."""


@dataclass(frozen=True)
class Kept:
    """A small object as it was read."""

    content: bytes
    token: Token


@dataclass(frozen=True)
class Listed:
    """An object of a listing."""

    key: str
    size: int
    """Bytes."""


class Readable(Protocol):
    """Published versions that can be read by their keys."""

    @property
    def place(self) -> str:
        """The URL it was opened at, for messages; it holds no secret."""
        ...

    def get(self, key: str) -> Kept | None:
        """A small object, whole; None where there is none."""
        ...

    def chunks(self, key: str, size: int) -> Iterator[bytes] | None:
        """The content of an object that should have `size` bytes, piece by piece; None where there is none.

        A small one by one request, a large one by several: its reader holds the whole against a digest.
        """
        ...

    def folders(self, prefix: str) -> list[str]:
        """Names right below a prefix (empty, or ending in `/`) below which there are objects, sorted."""
        ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """All objects below a prefix that ends in `/`."""
        ...


class Remote(Readable, Protocol):
    """An object store whose reads see what was last written, as those of S3, Google and Azure do."""

    def put(self, key: str, content: Path | bytes) -> None:
        """Write an object, replacing the one before; large files in several parts, which appear together."""
        ...

    def put_new(self, key: str, content: bytes) -> Token | None:
        """Write an object where there is none; None, with nothing changed, where there is another.

        Equal content that is there already counts as written: an answer may have got lost on its way.
        """
        ...

    def swap(self, key: str, content: bytes, token: Token) -> Token | None:
        """Replace the state of an object that `token` names; None, with nothing changed, where it has another by now.

        As in `put_new`, equal content that is there already counts as written.
        """
        ...
