"""An audit that others can trust: an in-toto statement about the audited versions, signed with a key of the user's.

Statement: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. Envelope and what exactly is signed:
DSSE, https://github.com/secure-systems-lab/dsse/blob/master/protocol.md. Signature: Ed25519, RFC 8032.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mining_platform.artifacts import Ref
from mining_platform.audits.json_form import audit_json
from mining_platform.audits.walk import Audit
from mining_platform.store import digests

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:mining-platform:lineage-audit:v1"
"""Of a type of our own: the predicate is the audit's JSON form, as docs/audit.md describes it."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MAKE_KEYS = "`openssl genpkey -algorithm ed25519 -out key.pem` and `openssl pkey -in key.pem -pubout -out pub.pem` make a pair."


class SignatureError(ValueError):
    """A key or an envelope that cannot be used, or a signature that does not hold."""


def statement(audit: Audit) -> dict[str, Any]:
    """The in-toto statement: a subject a root, named by its `manifest.json`, whose BLAKE3 is the version's digest."""
    subjects = [
        {"name": f"{Ref(root.asset, root.partition)}/{digests.MANIFEST_NAME}", "digest": {"blake3": root.digest}}
        for root in audit.roots
    ]
    return {"_type": STATEMENT_TYPE, "subject": subjects, "predicateType": PREDICATE_TYPE, "predicate": audit_json(audit)}


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """The bytes that DSSE signs (PAE), so that a payload cannot be taken for one of another type."""
    kind = payload_type.encode()
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload))


def signed(audit: Audit, key_path: Path) -> dict[str, Any]:
    """The DSSE envelope of an audit's statement; SignatureError where the key is no unencrypted Ed25519 private key in PEM."""
    key = _private_key(key_path)
    payload = digests.canonical_json(statement(audit), "the statement")
    signature = key.sign(pre_authentication(PAYLOAD_TYPE, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }


def verified(envelope: bytes, key_path: Path) -> dict[str, Any]:
    """The statement of an envelope that one of its signatures by this public key holds for; SignatureError else."""
    from cryptography.exceptions import InvalidSignature

    key = _public_key(key_path)
    payload_type, payload, signatures = _opened(envelope)
    message = pre_authentication(payload_type, payload)
    for signature in signatures:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return _statement_of(payload_type, payload)
    raise SignatureError(
        f"No signature of the envelope is by the key {key_path.name}: it was signed with another key, or it was altered since. "
        "Ask whoever sent it for their public key, or for the file again."
    )


def key_id(key: "Ed25519PublicKey") -> str:
    """SHA-256 of the public key's raw 32 bytes, hex: a hint for readers, not part of the proof."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def _private_key(path: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):  # the message of a failure might hold parts of the key
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(f"{path} is no Ed25519 private key in PEM without a password. {_MAKE_KEYS}")
    return key


def _public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _read(path)
    try:
        key = load_pem_public_key(content)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError(f"{path} is no Ed25519 public key in PEM. {_MAKE_KEYS}")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SignatureError(f"{path} cannot be read ({error.strerror}). {_MAKE_KEYS}") from None


def _opened(envelope: bytes) -> tuple[str, bytes, list[bytes]]:
    """Type, payload and signatures of an envelope."""
    try:
        content = digests.read_json(envelope)
        payload = base64.b64decode(content["payload"], validate=True)
        signatures = [base64.b64decode(each["sig"], validate=True) for each in content["signatures"]]
        return str(content["payloadType"]), payload, signatures
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise SignatureError(
            f"This is no DSSE envelope ({error}). `mining-platform audit --sign KEY.pem --out FILE` makes one."
        ) from None


def _statement_of(payload_type: str, payload: bytes) -> dict[str, Any]:
    content = digests.read_json(payload) if payload_type == PAYLOAD_TYPE else None
    if (
        not isinstance(content, Mapping)
        or content.get("_type") != STATEMENT_TYPE
        or content.get("predicateType") != PREDICATE_TYPE
    ):
        raise SignatureError("The signature holds, but what it signs is no lineage audit of this platform.")
    return dict(content)
