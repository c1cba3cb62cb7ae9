"""A lease in an object store: one writer of a partition among all machines, who says who he is, and for how long.

The object `lease` names its holder until a time that a thread moves on while the work lasts. Each change is conditional on what
was read before, so of two that come at the same moment one wins. It is taken over once its time is past, or at once from a
process of the same installation, since the lock on the disk has shown that one to be dead. A holder that slept through its time
goes on if nobody came, and fails if somebody did; so it does where clocks differ by more than the lease lasts.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mining_platform.store import durable
from mining_platform.store.leases import Holder
from mining_platform.store.refs import LEASE_NAME, LeaseLost, Ref, StoreUnreachable, partition_key
from mining_platform.store.remote import Remote, Token

LEASE_S = 60.0
"""How long a lease lasts unless it is renewed: so long others wait after the death of a machine."""
RENEWALS = 4  # within that time, so that some may fail
_TRIES = 5  # of those who come at the same moment

HOME_NAME = "installation"
"""File below the root of the copies that names the installation."""


@dataclass(frozen=True)
class Claim:
    """What the object `lease` says."""

    holder: Holder
    home: str
    """Machine and installation of the holder."""
    nonce: str
    """Of one holding, never used again; empty once it is given back."""
    until_s: float
    """End, in seconds since 1970, by the holder's clock."""

    def content(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), sort_keys=True).encode()


@dataclass
class _Held:
    """The lease of this process, which a thread renews."""

    remote: Remote
    key: str
    claim: Claim
    token: Token
    stop: threading.Event = field(default_factory=threading.Event)
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Of the thread that renews it, and of the writer that makes sure of it."""
    is_lost: bool = False


@contextmanager
def remote_lease(remote: Remote, ref: Ref, run_id: str, home: str) -> Iterator["Holder | _Held"]:
    """Hold a partition for the body: yields what `require` takes, or without waiting whoever else holds it."""
    key = f"{partition_key(ref)}/{LEASE_NAME}"
    since = datetime.now(UTC).isoformat(timespec="seconds")
    holder = Holder(os.getpid(), socket.gethostname(), run_id, since)
    got = _taken(remote, key, Claim(holder, home, secrets.token_hex(16), time.time() + LEASE_S))
    if isinstance(got, Holder):
        yield got
        return
    renewing = threading.Thread(target=_renew, args=(got,), name="lease", daemon=True)
    renewing.start()
    try:
        yield got
    finally:
        got.stop.set()
        renewing.join()
        _give_back(got)


def _taken(remote: Remote, key: str, mine: Claim) -> "_Held | Holder":
    other = Holder(0, "an unknown host", "", "an unknown time")
    for _ in range(_TRIES):
        kept = remote.get(key)
        claim = _read(kept.content) if kept else None
        if claim is not None and not _is_free(claim, mine.home):
            return claim.holder
        other = claim.holder if claim else other
        mine = replace(mine, until_s=time.time() + LEASE_S)
        token = remote.put_new(key, mine.content()) if kept is None else remote.swap(key, mine.content(), kept.token)
        if token is not None:
            return _Held(remote, key, mine, token)
    return other


def _read(content: bytes) -> Claim | None:
    """None for what is no claim: nobody who wrote it can be at work, since it is written whole."""
    with suppress(ValueError, TypeError):
        told: dict[str, Any] = json.loads(content)
        return Claim(**{**told, "holder": Holder(**told["holder"])})
    return None


def _is_free(claim: Claim, home: str) -> bool:
    return not claim.nonce or claim.home == home or claim.until_s < time.time()


def _renew(held: _Held) -> None:
    while not held.stop.wait(LEASE_S / RENEWALS):
        with suppress(StoreUnreachable):  # the time may pass; what counts is whether somebody takes it then
            if not _is_renewed(held):
                return


def _is_renewed(held: _Held) -> bool:
    """Whether nobody has taken the lease since it was last written here: it is written anew, and only then lasts longer."""
    with held.turn:
        if held.is_lost:
            return False
        claim = replace(held.claim, until_s=time.time() + LEASE_S)
        token = held.remote.swap(held.key, claim.content(), held.token)
        if token is None:
            held.is_lost = True
            return False
        held.claim, held.token = claim, token
        return True


def require(held: _Held, ref: Ref) -> None:
    """Make sure of the lease, by renewing it; LeaseLost where another has taken it, or may have."""
    if not _is_renewed(held):
        kept = held.remote.get(held.key)
        claim = _read(kept.content) if kept else None
        whose = f", and {claim.holder} took it" if claim and claim.nonce != held.claim.nonce else ""
        raise LeaseLost(f"{ref}: the lease ran out during the work{whose}. Readers keep the version before. Run again.")


def _give_back(held: _Held) -> None:
    """Say that nobody holds it; where that fails its time passes by itself."""
    with suppress(StoreUnreachable):
        held.remote.swap(held.key, replace(held.claim, nonce="", until_s=0.0).content(), held.token)


def is_held(remote: Remote, ref: Ref) -> bool:
    """Whether somebody, on whatever machine, holds a partition at this moment."""
    kept = remote.get(f"{partition_key(ref)}/{LEASE_NAME}")
    claim = _read(kept.content) if kept else None
    return claim is not None and not _is_free(claim, home="")


def installation(root: Path) -> str:
    """Name of the installation whose copies lie below `root`, on this machine; made up once."""
    path = root / HOME_NAME
    if not path.is_file():
        durable.make_directory(root)
        durable.write(path, secrets.token_hex(16).encode())
    return f"{socket.gethostname()}/{path.read_text()}"
