"""Ed25519 keys in files, and signatures by them (through `cryptography`, which is loaded only here)."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.contract import Envelope, Signature, SignatureError, key_id, write_file
from edge_sdk.contract import keys_ed25519 as pure
from edge_sdk.contract.signatures import Check

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_KEY_FILE = 4096  # bytes; a key in PEM has 119


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs and is never shown, and the public one of it."""

    public: bytes
    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def id(self) -> str:
        return key_id(self.public)

    def sign(self, envelope: Envelope) -> Envelope:
        """The envelope with this key's signature."""
        return envelope.with_signature(Signature(self.id, self._private.sign(envelope.message)))


def generate_key(path: Path, force: bool = False) -> SigningKey:
    """A new key: the private one in a file that only its owner can read, the public one beside it in NAME.pub.

    Both are PEM, as `openssl pkey` reads them. An existing key is replaced only with `force`.
    """
    private = cryptography_keys().Ed25519PrivateKey.generate()
    from cryptography.hazmat.primitives import serialization as s

    if path.suffix == ".pub":
        raise SignatureError(f"{path}: the name of a public key; give another name, the public key is put beside it")
    public = path.with_suffix(".pub")
    if not force and (there := [p for p in (path, public) if os.path.lexists(p)]):
        raise SignatureError(f"{there[0]} exists; choose another name or give --force, which destroys that key")
    secret = private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Never readable by others, not for a moment: whatever the umask is, and no file of another's is written to.
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            os.fchmod(out.fileno(), 0o600)
            out.write(secret)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    write_file(public, private.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    return load_key(path)


def load_key(path: Path) -> SigningKey:
    """The private key in a file; `SignatureError` where others can read it or it is no Ed25519 key."""
    module = cryptography_keys()
    from cryptography.hazmat.primitives import serialization as s

    data, status = read_small(path)
    if status.st_mode & 0o077:
        raise SignatureError(f"{path}: others can read this private key; chmod 600 it, and replace it if they may have")
    try:
        private = s.load_pem_private_key(data, password=None)
        if not isinstance(private, module.Ed25519PrivateKey):
            raise ValueError
    except Exception:  # cryptography's own classes too; what they say may quote the file
        raise SignatureError(
            f"{path}: not an Ed25519 private key without password; make one with edge-sdk keygen"
        ) from None
    return SigningKey(private.public_key().public_bytes(s.Encoding.Raw, s.PublicFormat.Raw), private)


def load_public(path: Path) -> bytes:
    """The 32 bytes of the public key in a file."""
    module = cryptography_keys()
    from cryptography.hazmat.primitives import serialization as s

    data, _ = read_small(path)
    try:
        public = s.load_pem_public_key(data)
        if not isinstance(public, module.Ed25519PublicKey):
            raise ValueError
    except Exception:
        raise SignatureError(
            f"{path}: not an Ed25519 public key; give the .pub file that edge-sdk keygen writes"
        ) from None
    raw: bytes = public.public_bytes(s.Encoding.Raw, s.PublicFormat.Raw)
    return raw


def signature_check() -> Check:
    """How signatures are checked here: by `cryptography`, or in Python alone where there is no wheel of it."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return pure.verify

    def check(public: bytes, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


def read_small(path: Path) -> tuple[bytes, os.stat_result]:
    """All of a key file, and its mode; never waits for a pipe, never reads more than a key can have."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_KEY_FILE + 1) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        raise SignatureError(
            f"{path}: cannot be read ({error.strerror}); give a key made by edge-sdk keygen"
        ) from error
    if not 0 < len(data) <= MAX_KEY_FILE:
        raise SignatureError(f"{path}: not a key file; give a key made by edge-sdk keygen")
    return data, status


def cryptography_keys() -> Any:
    """The module of Ed25519 keys; `SignatureError` where it is not installed."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise SignatureError("keys and signing need cryptography; pip install 'edge-sdk[bridge]'") from None
    return ed25519
