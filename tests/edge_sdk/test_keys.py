"""Who may sign what, and how that changes: thresholds of roles, rotation, and no way back."""

import hashlib
import io
import json
from collections.abc import Callable

import pytest

from edge_sdk.contract import (
    HEADER_SIZE,
    Envelope,
    Role,
    SignatureError,
    Trust,
    TrustPolicy,
    canonical_json,
    encode_envelope,
    encode_header,
    trust_from_bytes,
    updated_trust,
)
from edge_sdk.contract.bundle import read_stream
from edge_sdk.contract.container import LAYOUT, MAGIC, MANIFEST_TYPE
from edge_sdk.contract.keys import TRUST_TYPE
from edge_sdk.contract.signatures import Signature
from edge_sdk.errors import BundleError
from tests.edge_sdk.bundles import MODEL, manifest
from tests.edge_sdk.signing import DEV, RELEASE, RELEASE2, ROOT, ROOT2, STRANGER, key, policy, role, trust, trust_file

DOCUMENT = Envelope(MANIFEST_TYPE, manifest().to_json())


def signed_by(*numbers: int, document: Envelope = DOCUMENT) -> bytes:
    for number in numbers:
        document = key(number).sign(document)
    return encode_envelope(document) + MODEL


def read(data: bytes, taken: TrustPolicy) -> str | None:
    return read_stream(io.BytesIO(data), len(data), "small.edge", taken).role


BOTH = {"release": role(RELEASE, RELEASE2, threshold=2)}


@pytest.mark.parametrize(
    ("data", "taken", "expected"),
    [
        (signed_by(RELEASE), policy(), "release"),
        (signed_by(STRANGER, RELEASE), policy(), "release"),
        (signed_by(RELEASE, RELEASE2), policy(**BOTH), "release"),
        (signed_by(DEV), policy(unlocked=True), "dev"),
        (signed_by(DEV, RELEASE), policy(unlocked=True), "release"),
        (signed_by(RELEASE), policy(dev=Role()), "release"),
    ],
)
def test_a_threshold_of_keys_of_one_role_is_enough(data: bytes, taken: TrustPolicy, expected: str) -> None:
    assert read(data, taken) == expected


def forged(change: Callable[[bytes], bytes]) -> bytes:
    """Another document under a signature that was right for the first."""
    document = key(RELEASE).sign(DOCUMENT)
    return encode_envelope(Envelope(MANIFEST_TYPE, change(DOCUMENT.payload), document.signatures)) + MODEL


FAILING = {
    "unsigned": (signed_by(), policy()),
    "by a stranger": (signed_by(STRANGER), policy()),
    "by a root key, which is for trust files": (signed_by(ROOT), policy()),
    "by a development key on a locked device": (signed_by(DEV), policy()),
    "by one of two": (signed_by(RELEASE), policy(**BOTH)),
    "twice by one of two": (
        encode_envelope(Envelope(MANIFEST_TYPE, DOCUMENT.payload, key(RELEASE).sign(DOCUMENT).signatures * 2)) + MODEL,
        policy(**BOTH),
    ),
    "by one release and one development key of two": (signed_by(RELEASE, DEV), policy(**BOTH)),
    "of another document": (forged(lambda p: p.replace(b'"mics":1', b'"mics":2')), policy()),
    "of what is no JSON": (forged(lambda p: b"\xff" * 100), policy()),
    "of nesting": (forged(lambda p: b"[" * 40_000), policy()),
    "of another kind of document": (
        encode_envelope(
            Envelope(
                MANIFEST_TYPE, DOCUMENT.payload, key(RELEASE).sign(Envelope(TRUST_TYPE, DOCUMENT.payload)).signatures
            )
        )
        + MODEL,
        policy(),
    ),
    "of a stranger in the name of a key": (
        encode_envelope(
            Envelope(
                MANIFEST_TYPE,
                DOCUMENT.payload,
                (Signature(key(RELEASE).id, key(STRANGER).sign(DOCUMENT).signatures[0].value),),
            )
        )
        + MODEL,
        policy(),
    ),
    "by a role that has no keys": (signed_by(RELEASE), policy(release=Role())),
}


@pytest.mark.parametrize("how", FAILING)
def test_every_way_in_which_a_signature_fails_is_one_class_of_error(how: str) -> None:
    data, taken = FAILING[how]
    with pytest.raises(SignatureError) as caught:
        read(data, taken)
    assert str(caught.value).startswith("small.edge: ") and "\n" not in str(caught.value)


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.mark.parametrize("how", FAILING)
def test_nothing_but_header_and_envelope_is_read_before_the_signature(how: str) -> None:
    # The payloads of some are no JSON at all: were one parsed, it would be refused as a manifest.
    data, taken = FAILING[how]
    file = Counting(data)
    with pytest.raises(SignatureError):
        read_stream(file, len(data), "small.edge", taken)
    assert file.taken == len(data) - len(MODEL)


def test_no_byte_of_a_signed_bundle_can_be_changed_even_with_right_checksums() -> None:
    good = signed_by(RELEASE)
    end = len(good) - len(MODEL)
    envelope = good[HEADER_SIZE:end]
    for at in range(0, len(envelope), 3):
        other = envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :]
        data = LAYOUT.pack(MAGIC, len(other), hashlib.sha256(other).digest()) + other + MODEL
        with pytest.raises(BundleError):
            read(data, policy())


def test_a_trust_file_reads_back() -> None:
    assert trust_from_bytes(trust_file(trust(), ROOT), "trust.json") == trust()


@pytest.mark.parametrize(
    ("document", "signing"),
    [
        (trust(), ()),
        (trust(), (RELEASE,)),
        (trust(root=role(ROOT, ROOT2, threshold=2)), (ROOT,)),
        (trust(root=role(ROOT, ROOT2, threshold=2)), (ROOT2, STRANGER)),
    ],
)
def test_a_trust_file_that_its_own_roots_have_not_signed_is_refused(document: Trust, signing: tuple[int, ...]) -> None:
    with pytest.raises(SignatureError, match="root keys"):
        trust_from_bytes(trust_file(document, *signing), "trust.json")


def test_keys_rotate_when_old_and_new_roots_agree() -> None:
    new = trust(2, root=role(ROOT2), release=role(RELEASE2))
    rotated = updated_trust(trust(), trust_file(new, ROOT, ROOT2), "new.json")
    assert rotated == new
    with pytest.raises(SignatureError):
        read(signed_by(RELEASE), TrustPolicy(rotated))
    assert read(signed_by(RELEASE2), TrustPolicy(rotated)) == "release"


TWO = role(ROOT, ROOT2, threshold=2)


@pytest.mark.parametrize(
    ("old", "new", "signing"),
    [
        (trust(), trust(2, root=role(ROOT2)), (ROOT2,)),  # the new alone
        (trust(), trust(2, root=role(ROOT2)), (ROOT,)),  # the old alone
        (trust(root=TWO), trust(2, root=role(STRANGER)), (ROOT, STRANGER)),  # too few of the old
        (trust(), trust(2, root=TWO), (ROOT,)),  # too few of the new
        (trust(2), trust(2, release=role(RELEASE2)), (ROOT,)),  # not later
        (trust(3), trust(2), (ROOT,)),  # earlier
        (trust(), trust(2, root=role(STRANGER)), (RELEASE, DEV, STRANGER)),  # other roles
    ],
)
def test_any_other_change_of_keys_is_refused(old: Trust, new: Trust, signing: tuple[int, ...]) -> None:
    with pytest.raises(SignatureError):
        updated_trust(old, trust_file(new, *signing), "new.json")


PLAIN = json.loads(trust().envelope().payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"[" * 40_000,
        canonical_json({**PLAIN, "schema": 2}),
        canonical_json({**PLAIN, "version": 0}),
        canonical_json({**PLAIN, "more": 1}),
        canonical_json({**PLAIN, "release": {"keys": ["00" * 32], "threshold": 1}}),  # of small order
        canonical_json({**PLAIN, "release": {"keys": PLAIN["dev"]["keys"], "threshold": 1}}),  # in two roles
        canonical_json({**PLAIN, "release": {**PLAIN["release"], "threshold": 2}}),
        canonical_json({**PLAIN, "release": {**PLAIN["release"], "threshold": 0}}),
        canonical_json({**PLAIN, "root": {"keys": [], "threshold": 1}}),
        json.dumps(PLAIN, indent=1).encode(),
    ],
)
def test_a_trust_file_that_contradicts_itself_is_refused(payload: bytes) -> None:
    envelope = key(ROOT).sign(Envelope(TRUST_TYPE, payload))
    with pytest.raises(SignatureError, match="trust.json: not a valid trust file"):
        trust_from_bytes(envelope.to_json(), "trust.json")


@pytest.mark.parametrize("data", [b"", b"{}", b"x" * 70_000, encode_header(b"{}"), key(ROOT).sign(DOCUMENT).to_json()])
def test_what_is_no_trust_file_is_named_so(data: bytes) -> None:
    with pytest.raises(SignatureError, match="not a trust file"):
        trust_from_bytes(data, "trust.json")
