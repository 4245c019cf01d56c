"""Bundles and models changed at random, as damage does it and as an attacker would."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge_sdk.contract import HEADER_SIZE
from edge_sdk.contract.container import LAYOUT, MAGIC, RELEASE_MAGIC, decode_envelope, encode_envelope, read_header
from edge_sdk.verifier.operators import OPTIONS
from edge_sdk.verifier.tflite import read_graph

NUMBERS = [0, 1, 2, 3, 4, 127, 128, 255, 2**15, 2**16 - 1, 2**30, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1]


def mutate(rng: random.Random, data: bytes, others: Sequence[bytes], places: Sequence[int] | None = None) -> bytes:
    """The data after one to four changes: bits, bytes, numbers, cuts, repeats, and pieces of other files.

    places: where changes that keep the length go; anywhere without.
    """
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.choice(places) if places else rng.randrange(max(1, len(out)))
        at = min(at, max(0, len(out) - 1))
        if (how := rng.randrange(100)) < 35:
            out[at : at + 1] = bytes([(out[at] if out else 0) ^ 1 << rng.randrange(8)])
        elif how < 55:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif how < 75:
            size = rng.choice([2, 4, 8])
            number = rng.choice(NUMBERS) % 256**size
            out[at : at + size] = number.to_bytes(size, rng.choice(["big", "little"]))
        elif how < 80:
            del out[at:]
        elif how < 85:
            del out[at : at + rng.randrange(1, 64)]
        elif how < 90:
            out[at:at] = out[at : at + rng.randrange(1, 64)]
        elif how < 95:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            piece = other[start : start + rng.randrange(1, 256)]
            out[at : at + len(piece)] = piece
        else:
            out += rng.randbytes(rng.randrange(1, 64))
    return bytes(out)


def with_right_checksum(data: bytes) -> bytes:
    """The bundle with a header that its envelope agrees with, as far as there is one."""
    if len(data) <= HEADER_SIZE:
        return data
    magic, length, _ = LAYOUT.unpack(data[:HEADER_SIZE])
    if magic not in (MAGIC, RELEASE_MAGIC):
        magic = MAGIC
    envelope = data[HEADER_SIZE : HEADER_SIZE + length]
    return LAYOUT.pack(magic, len(envelope), hashlib.sha256(envelope).digest()) + data[HEADER_SIZE:]


def with_another_document(rng: random.Random, bundle: bytes, others: Sequence[bytes]) -> bytes:
    """The bundle with a mutated document in an envelope that is right in all but its signature."""
    header = read_header(bundle[:HEADER_SIZE], "good.edge")
    end = HEADER_SIZE + header.length
    envelope = decode_envelope(bundle[HEADER_SIZE:end], header, "good.edge")
    payload = mutate(rng, envelope.payload, others)
    return encode_envelope(replace(envelope, payload=payload)) + bundle[end:]


def structure(model: bytes) -> list[int]:
    """The places of all bytes but the numbers in constants and the names of tensors: of what says what is computed."""
    whole, free = np.frombuffer(model, np.uint8), np.zeros(len(model), bool)
    for tensor in read_graph(model, OPTIONS).tensors:
        if tensor.data is not None:
            at = np.frombuffer(tensor.data, np.uint8).ctypes.data - whole.ctypes.data  # in place: a view of the file
            free[at : at + len(tensor.data)] = True
        name, at = tensor.name.encode(), -1
        while (at := model.find(name, at + 1)) >= 0:
            free[at : at + len(name)] = True
    return [int(at) for at in np.flatnonzero(~free)]
