"""All errors behind an error."""

from collections.abc import Iterator


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
