"""Whether an Ed25519 signature is right (RFC 8032, section 5.1.7), in Python alone, for boards without `cryptography`.

Only verification: everything here is public, so nothing needs to take constant time. As OpenSSL does, it compares
R with S B - h A as bytes, without the cofactor; unlike OpenSSL it takes a point in one spelling only.
"""

from __future__ import annotations

import hashlib

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X / Z, y = Y / Z, x y = T / Z

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the base point
D = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
NEUTRAL: Point = (0, 1, 1, 0)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the owner of a public key, 32 bytes, gave this signature, 64 bytes, to the message."""
    key = decode(public)
    s = int.from_bytes(signature[32:], "little")
    if key is None or len(signature) != 64 or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    x, y, z, t = key
    return encode(sum_of_multiples(s, BASE, h, (-x % PRIME, y, z, -t % PRIME))) == signature[:32]


def usable(public: bytes) -> bool:
    """Whether 32 bytes are a public key at all: a point, and none of the eight under which anything can be signed."""
    key = decode(public)
    if key is None:
        return False
    for _ in range(3):
        key = add(key, key)
    return encode(key) != encode(NEUTRAL)


def sum_of_multiples(a: int, p: Point, b: int, q: Point) -> Point:
    """a P + b Q, bit by bit for both at once (Shamir's trick)."""
    terms = (None, p, q, add(p, q))
    found = NEUTRAL
    for bit in range(max(a.bit_length(), b.bit_length()) - 1, -1, -1):
        found = add(found, found)
        if (term := terms[(a >> bit & 1) | (b >> bit & 1) << 1]) is not None:
            found = add(found, term)
    return found


def add(p: Point, q: Point) -> Point:
    """The sum of two points (Hisil et al., 2008); complete, so it doubles too."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % PRIME
    b = (p[1] + p[0]) * (q[1] + q[0]) % PRIME
    c = 2 * p[3] * q[3] * D % PRIME
    d = 2 * p[2] * q[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def encode(p: Point) -> bytes:
    """y, and the lowest bit of x as the highest one."""
    inverse = pow(p[2], -1, PRIME)
    x, y = p[0] * inverse % PRIME, p[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point | None:
    """The point of an encoding; None where there is none or it is spelled in another way than `encode` does."""
    if len(data) != 32:
        return None
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= PRIME:
        return None
    u, v = (y * y - 1) % PRIME, (D * y * y + 1) % PRIME
    x = u * pow(v, 3, PRIME) * pow(u * pow(v, 7, PRIME), (PRIME - 5) // 8, PRIME) % PRIME  # a root of u / v, or nearly
    if v * x * x % PRIME == -u % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if v * x * x % PRIME != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def base_point() -> Point:
    """The point with y = 4 / 5 and an even x."""
    point = decode((4 * pow(5, -1, PRIME) % PRIME).to_bytes(32, "little"))
    if point is None:
        raise AssertionError("4 / 5 is on the curve")
    return point


BASE = base_point()
