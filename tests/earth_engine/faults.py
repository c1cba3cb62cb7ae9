"""What can go wrong on the way, to be injected by tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

METHODS = ("discovery", "algorithms", "getAsset", "listAssets", "computePixels", "value", "computeFeatures")
"""Names of the REST methods here (`value` is `value:compute`)."""

TOO_MANY = "Too Many Requests: Request was rejected because the request rate or concurrency limit was exceeded."


@dataclass(frozen=True)
class Fault:
    """One failure of one request."""

    kind: Literal["status", "drop", "truncate", "cut", "slow"]
    code: int = 0
    seconds: float = 0
    message: str = ""


TOO_MANY_REQUESTS = Fault("status", 429, message=TOO_MANY)
SERVER_ERROR = Fault("status", 500, message="An internal error has occurred.")
UNAVAILABLE = Fault("status", 503, message="The service is currently unavailable.")
UNAUTHENTICATED = Fault("status", 401, message="Request had invalid authentication credentials.")
"""As with an expired token: the client tries to refresh its credentials, and raises what that raises."""
FORBIDDEN = Fault("status", 403, message="Caller does not have required permission to use project stand-in.")
TIMED_OUT = Fault("status", 400, message="Computation timed out.")
OUT_OF_MEMORY = Fault("status", 400, message="User memory limit exceeded.")
DROPPED = Fault("drop")
"""The connection is closed without an answer."""
TRUNCATED = Fault("truncate")
"""The connection is closed in the middle of the body: the length in the header says more."""
CUT_SHORT = Fault("cut")
"""Half of the body, and a header that agrees with it."""


def slow(seconds: float) -> Fault:
    """The right answer, late."""
    return Fault("slow", seconds=seconds)


Faults = Mapping[str, Sequence[Fault]]
"""Method -> faults of its requests in the order of their arrival; when they are used up, requests succeed."""
