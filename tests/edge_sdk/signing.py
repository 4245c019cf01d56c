"""Keys from small numbers and what they signed, for tests; none of them is a secret."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_sdk.contract import Role, Trust, TrustPolicy
from firmware_bridge.signing import SigningKey, signature_check

ROOT, ROOT2, RELEASE, RELEASE2, DEV, STRANGER = range(1, 7)


def key(number: int) -> SigningKey:
    """The key whose secret is this number."""
    private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    return SigningKey(private.public_key().public_bytes_raw(), private)


def role(*numbers: int, threshold: int = 1) -> Role:
    return Role(tuple(key(number).public.hex() for number in numbers), threshold)


def trust(version: int = 1, **roles: Role) -> Trust:
    """One key in every role, where it says nothing else."""
    return Trust(version, **{"root": role(ROOT), "release": role(RELEASE), "dev": role(DEV), **roles})


def trust_file(document: Trust, *numbers: int) -> bytes:
    """The document signed by these keys."""
    envelope = document.envelope()
    for number in numbers:
        envelope = key(number).sign(envelope)
    return envelope.to_json()


def policy(unlocked: bool = False, **roles: Role) -> TrustPolicy:
    return TrustPolicy(trust(**roles), unlocked, signature_check())
