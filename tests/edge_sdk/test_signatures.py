"""Signatures are DSSE's and Ed25519's, to the bit, whoever checks them."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.contract import Envelope, Signature, canonical_json, keys_ed25519
from edge_sdk.contract.signatures import MAX_SIGNATURES, envelope_from_json, pae, signers
from edge_sdk.errors import BundleError
from firmware_bridge.signing import signature_check
from tests.edge_sdk.signing import RELEASE, STRANGER, key

# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
        "24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
        "eeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
        "8dc027beceea1ec40a",
    ),
]
# Points of order 1, 2, 4 and 8: under them a signature of anything can be made without any secret.
SMALL_ORDER = [
    "01" + "00" * 31,
    "ec" + "ff" * 30 + "7f",
    "00" * 32,
    "00" * 31 + "80",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]
CHECKS = [keys_ed25519.verify, signature_check()]
KIND = "application/vnd.edge-sdk.manifest+json"


def test_what_is_signed_is_the_specification_s_own_example() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    # The specification's signature of that example, ECDSA on P-256, checked by an implementation that is not ours.
    public = ec.EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        ec.SECP256R1(),
    ).public_key()
    raw = base64.b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public.verify(signature, pae("http://example.com/HelloWorld", b"hello world"), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, pae("http://example.com/HelloWorld", b"hello worle"), ec.ECDSA(hashes.SHA256()))


def test_lengths_are_those_of_bytes() -> None:
    assert pae("é", "ü".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xbc"


@given(st.text(max_size=5), st.binary(max_size=9), st.text(max_size=5), st.binary(max_size=9))
def test_different_documents_are_never_signed_as_the_same(a: str, b: bytes, c: str, d: bytes) -> None:
    assert (pae(a, b) == pae(c, d)) == ((a, b) == (c, d))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_examples_of_rfc_8032_are_right_and_no_others(check, public, message, signature) -> None:  # type: ignore[no-untyped-def]
    p, m, s = (bytes.fromhex(text) for text in (public, message, signature))
    assert check(p, s, m) and not check(p, s, m + b"\0")
    for at in range(64):
        assert not check(p, s[:at] + bytes([s[at] ^ 1 << at % 8]) + s[at + 1 :], m)
    for at in range(32):
        assert not check(p[:at] + bytes([p[at] ^ 1 << at % 8]) + p[at + 1 :], s, m)
    for length in (0, 32, 63):
        assert not check(p, s[:length], m)
    assert not check(p, s + b"\0", m) and not check(p[:31], s, m)


@settings(max_examples=30)
@given(st.integers(1, 2**256 - 1), st.binary(max_size=300))
def test_python_alone_agrees_with_cryptography(number: int, message: bytes) -> None:
    signer = key(number)
    signature = signer.sign(Envelope(KIND, message)).signatures[0].value
    for check in CHECKS:
        assert check(signer.public, signature, pae(KIND, message))
        assert not check(key(number ^ 1).public, signature, pae(KIND, message))
        assert not check(signer.public, signature, pae(KIND, message + b"\0"))


@pytest.mark.parametrize("check", CHECKS)
def test_the_same_signature_in_another_spelling_is_refused(check) -> None:  # type: ignore[no-untyped-def]
    public, message, signature = (bytes.fromhex(text) for text in RFC_8032[1])
    s = int.from_bytes(signature[32:], "little") + keys_ed25519.ORDER
    assert not check(public, signature[:32] + s.to_bytes(32, "little"), message)


@pytest.mark.parametrize("public", [*SMALL_ORDER, "ed" + "ff" * 30 + "7f", "02" + "00" * 31, "ab" * 31])
def test_keys_that_are_none_are_not_usable(public: str) -> None:
    assert not keys_ed25519.usable(bytes.fromhex(public))


def test_keys_that_are_some_are_usable() -> None:
    assert all(keys_ed25519.usable(bytes.fromhex(public)) for public, _, _ in RFC_8032)


def test_an_envelope_reads_back_and_every_key_counts_once() -> None:
    envelope = key(STRANGER).sign(key(RELEASE).sign(Envelope(KIND, b"{}")))
    assert envelope_from_json(envelope.to_json(), KIND, "x") == envelope
    assert key(RELEASE).sign(envelope).to_json() != envelope.to_json()  # its signature is the last one now
    twice = Envelope(KIND, b"{}", envelope.signatures[:1] * 3)
    keys = {key(n).id: key(n).public for n in (RELEASE, STRANGER)}
    assert signers(twice, keys, CHECKS[0]) == {key(RELEASE).id}
    assert signers(envelope, keys, CHECKS[0]) == set(keys)


def test_a_signature_under_another_key_s_name_counts_for_neither() -> None:
    value = key(STRANGER).sign(Envelope(KIND, b"{}")).signatures[0].value
    forged = Envelope(KIND, b"{}", (Signature(key(RELEASE).id, value),))
    assert not signers(forged, {key(n).id: key(n).public for n in (RELEASE, STRANGER)}, CHECKS[0])


def spoiled() -> dict[str, bytes]:
    good = key(RELEASE).sign(Envelope(KIND, b'{"a":1}')).to_json()
    plain = json.loads(good)
    signature = plain["signatures"][0]
    return {
        "pretty": json.dumps(plain).encode(),
        "another key": canonical_json({**plain, "more": 1}),
        "another type": good.replace(b"manifest", b"malicious"),
        "type with escapes": good.replace(b"manifest", b"m\\u0061nifest"),
        "key id in capitals": good.replace(signature["keyid"].encode(), signature["keyid"].upper().encode()),
        "no key id": canonical_json({**plain, "signatures": [{"sig": signature["sig"]}]}),
        "short signature": canonical_json({**plain, "signatures": [{**signature, "sig": "AAAA"}]}),
        "url-safe base64": canonical_json({**plain, "payload": "-_-_"}),
        "half a byte": canonical_json({**plain, "payload": "A"}),
        "bits that stand for nothing": canonical_json({**plain, "payload": "AB=="}),
        "a null instead of signatures": canonical_json({**plain, "signatures": None}),
        "too many signatures": canonical_json({**plain, "signatures": [signature] * (MAX_SIGNATURES + 1)}),
        "a byte order mark": b"\xef\xbb\xbf" + good,
        "something after it": good + b"\n",
        "nested lists": b"[" * 60_000,
    }


@pytest.mark.parametrize("how", spoiled())
def test_an_envelope_in_any_other_spelling_is_refused(how: str) -> None:
    with pytest.raises(BundleError, match="malformed envelope"):
        envelope_from_json(spoiled()[how], KIND, "x.edge")
