"""Signed audits: the envelope is the standard's, and what was altered or signed by another does not pass."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mining_platform.artifacts import current_digest
from mining_platform.audits.signing import SignatureError, pre_authentication, signed, verified
from mining_platform.audits.walk import Audit
from tests.mining_platform.audited_stores import MODEL, known_store, of_model


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Private and public key in PEM."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}-pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def found(tmp_path: Path) -> Audit:
    return of_model(known_store(tmp_path / "artifacts"))


def test_the_pre_authentication_encoding_is_that_of_the_specification() -> None:
    # the example of DSSE's protocol.md
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_signed_audit_is_verified_with_the_public_key_and_holds_the_digest_and_the_audit(found: Audit, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "a")
    told = verified(json.dumps(signed(found, private)).encode(), public)
    store = known_store(tmp_path / "artifacts")
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["subject"] == [{"name": "model@cnn|2024/manifest.json", "digest": {"blake3": current_digest(store, MODEL)}}]
    assert told["predicateType"] == "urn:mining-platform:lineage-audit:v1"
    assert told["predicate"]["verdict"] == "whole"
    assert len(told["predicate"]["nodes"]) == 5


def test_the_signature_is_over_the_pre_authentication_encoding_of_the_payload(found: Audit, tmp_path: Path) -> None:
    private, _ = keys(tmp_path, "a")
    envelope = signed(found, private)
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private.read_bytes(), None)
    message = pre_authentication(envelope["payloadType"], base64.b64decode(envelope["payload"]))
    assert isinstance(key, Ed25519PrivateKey)
    key.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)


def test_an_altered_payload_type_or_signature_does_not_pass(found: Audit, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "a")
    envelope = signed(found, private)
    payload = base64.b64decode(envelope["payload"]).replace(b'"verdict":"whole"', b'"verdict":"fine!"')
    signature = base64.b64encode(bytes(64)).decode()
    for altered in (
        {**envelope, "payload": base64.b64encode(payload).decode()},
        {**envelope, "payloadType": "text/plain"},
        {**envelope, "signatures": [{"sig": signature}]},
        {**envelope, "signatures": []},
    ):
        with pytest.raises(SignatureError, match=r"No signature of the envelope is by the key a-pub.pem"):
            verified(json.dumps(altered).encode(), public)


def test_another_persons_key_does_not_verify(found: Audit, tmp_path: Path) -> None:
    (private, _), (_, other) = keys(tmp_path, "a"), keys(tmp_path, "b")
    with pytest.raises(SignatureError, match="signed with another key, or it was altered since"):
        verified(json.dumps(signed(found, private)).encode(), other)


def test_one_good_signature_of_several_is_enough(found: Audit, tmp_path: Path) -> None:
    private, public = keys(tmp_path, "a")
    envelope = signed(found, private)
    envelope["signatures"].insert(0, {"sig": base64.b64encode(bytes(64)).decode()})
    assert verified(json.dumps(envelope).encode(), public)["predicate"]["deep"] is True


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"payload": "!", "payloadType": "", "signatures": []}', b"\xff"])
def test_what_is_no_envelope_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="This is no DSSE envelope"):
        verified(content, keys(tmp_path, "a")[1])


def test_a_signed_payload_of_another_kind_is_refused(tmp_path: Path) -> None:
    private, public = keys(tmp_path, "a")
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    payload = b'{"_type": "https://in-toto.io/Statement/v1", "predicateType": "other"}'
    signature = key.sign(pre_authentication("application/vnd.in-toto+json", payload))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    with pytest.raises(SignatureError, match="no lineage audit of this platform"):
        verified(json.dumps(envelope).encode(), public)


def test_a_key_of_another_kind_or_no_key_is_refused_without_showing_it(found: Audit, tmp_path: Path) -> None:
    _, public = keys(tmp_path, "a")
    curve, junk = tmp_path / "ec.pem", tmp_path / "junk.pem"
    curve.write_bytes(generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    junk.write_text("secret words")
    for path in (curve, junk, public):
        with pytest.raises(SignatureError, match=r"no Ed25519 private key in PEM.*openssl genpkey -algorithm ed25519") as raised:
            signed(found, path)
        assert "secret words" not in str(raised.value)
    with pytest.raises(SignatureError, match="cannot be read"):
        signed(found, tmp_path / "absent.pem")
