"""A bundle of several variants gives the one that fits, and every byte of it is pinned."""

import hashlib
import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.contract import Envelope, Fits, Machine, Release, canonical_json, encode_envelope, read_bundle
from edge_sdk.contract.bundle import Bundle, read_stream
from edge_sdk.contract.container import LAYOUT, RELEASE_TYPE
from edge_sdk.errors import BundleError, EdgeError, ManifestError
from edge_sdk.library import shipped_models
from firmware_bridge.bundle import Packed, pack, pack_release
from tests.edge_sdk.bundles import MODEL, manifest
from tests.edge_sdk.signing import RELEASE, STRANGER, key, policy

OTHER = MODEL + b"other"
VARIANTS = [
    Packed("int8", manifest(OTHER, recipe="dynamic_int8"), OTHER, Fits(("aarch64",), ("square",), ("ai-edge-litert",))),
    Packed("float32", manifest(), MODEL, Fits(("aarch64", "x86_64"))),
]
WHOLE = pack_release("small", "2.0", VARIANTS, security_epoch=3, created=1000, expires=2000)


def read(data: bytes, **about: Any) -> Bundle:
    return read_stream(io.BytesIO(data), len(data), "small.edge", **about)


def test_every_variant_reads_back_as_it_was_packed() -> None:
    for variant in VARIANTS:
        bundle = read(WHOLE, variant=variant.name)
        assert (bundle.manifest, bundle.model) == (variant.manifest, variant.model)
        assert bundle.security_epoch == 3 and bundle.release is not None and bundle.release.expires == 2000


def test_the_same_input_gives_the_same_bytes() -> None:
    again = pack_release("small", "2.0", VARIANTS, security_epoch=3, created=1000, expires=2000)
    assert again == WHOLE
    signed = [pack_release("small", "2.0", VARIANTS, [key(RELEASE), key(STRANGER)]) for _ in range(2)]
    assert signed[0] == signed[1]


@pytest.mark.parametrize(
    ("machine", "chosen"),
    [
        (Machine(), "int8"),
        (Machine("aarch64", "square", "ai-edge-litert"), "int8"),
        (Machine("aarch64"), "int8"),
        (Machine("aarch64", "line", "ai-edge-litert"), "float32"),
        (Machine("aarch64", "square", "tflite-runtime"), "float32"),
        (Machine("x86_64", "square", "ai-edge-litert"), "float32"),
    ],
)
def test_the_first_variant_that_fits_is_chosen(machine: Machine, chosen: str) -> None:
    recipe = next(variant.manifest.recipe for variant in VARIANTS if variant.name == chosen)
    assert read(WHOLE, machine=machine).manifest.recipe == recipe


def test_machines_that_nothing_fits_are_refused_with_a_reason() -> None:
    with pytest.raises(ManifestError, match=r"none of int8, float32 fits .*aarch64, not for armv7l"):
        read(WHOLE, machine=Machine("armv7l"))
    with pytest.raises(ManifestError, match="no variant 'int4'; choose one of int8, float32"):
        read(WHOLE, variant="int4")


def test_a_bundle_of_one_model_is_refused_for_another_array(tmp_path: Path) -> None:
    (tmp_path / "a.edge").write_bytes(pack(manifest(array="square"), MODEL))
    assert read_bundle(tmp_path / "a.edge", machine=Machine(array="square")).manifest.array == "square"
    with pytest.raises(ManifestError, match="made for array square, not for line"):
        read_bundle(tmp_path / "a.edge", machine=Machine(array="line"))


def test_shipped_models_are_read_as_before() -> None:
    for path in shipped_models().values():
        assert read_bundle(path).release is None


def test_every_flipped_byte_and_every_truncation_is_refused() -> None:
    # Files of the variant that is not chosen too: nothing of a bundle is left unread.
    for at in range(0, len(WHOLE), 17):
        with pytest.raises(BundleError):
            read(WHOLE[:at] + bytes([WHOLE[at] ^ 0x81]) + WHOLE[at + 1 :], machine=Machine())
        with pytest.raises(BundleError):
            read(WHOLE[:at], machine=Machine())
    with pytest.raises(BundleError):
        read(WHOLE + b"\0", machine=Machine())


def test_one_kind_of_bundle_cannot_pass_as_the_other() -> None:
    with pytest.raises(BundleError, match="malformed envelope"):
        read(WHOLE[:7] + b"\x01" + WHOLE[8:])


def test_a_signed_release_is_taken_and_an_unsigned_one_is_not() -> None:
    data = pack_release("small", "2.0", VARIANTS, [key(RELEASE)])
    assert read(data, policy=policy(), machine=Machine()).role == "release"
    with pytest.raises(BundleError, match="keys that are trusted"):
        read(WHOLE, policy=policy(), machine=Machine())


PLAIN: dict[str, Any] = json.loads(read(WHOLE, machine=Machine()).envelope.payload)  # type: ignore[union-attr]
FIRST = PLAIN["files"][0]


def with_file(**changes: Any) -> dict[str, Any]:
    return {**PLAIN, "files": [{**FIRST, **changes}, *PLAIN["files"][1:]]}


@pytest.mark.parametrize(
    "name",
    [
        "../int8.tflite",
        "/etc/passwd.json",
        "a/b.json",
        "a\\b.json",
        "Int8.json",
        ".json",
        "int8.manifest.json\0",
        "int8.exe",
        "ïnt8.json",
        "a" * 80 + ".json",
        "float32.manifest.json",  # there is one
        "",
    ],
)
def test_names_that_are_not_on_the_list_are_refused(name: str) -> None:
    with pytest.raises(BundleError, match="different names"):
        read(with_document(with_file(name=name)))


def with_document(plain: dict[str, Any]) -> bytes:
    files = WHOLE[LAYOUT.size + struct.unpack(">I", WHOLE[8:12])[0] :]
    return encode_envelope(Envelope(RELEASE_TYPE, canonical_json(plain))) + files


@pytest.mark.parametrize(
    "plain",
    [
        *(with_file(size=size) for size in (0, -1, 2**20 + 1, 2**31, 2**32, 2**63, 1.5, "1")),
        with_file(size=FIRST["size"] - 1),
        with_file(size=FIRST["size"] + 1),
        with_file(sha256="0" * 64),
        with_file(sha256=FIRST["sha256"].upper()),
        with_file(more=1),
        {**PLAIN, "files": PLAIN["files"][1:]},
        {**PLAIN, "files": PLAIN["files"][:-1]},
        {**PLAIN, "files": PLAIN["files"] * 7},
        {**PLAIN, "variants": []},
        {**PLAIN, "variants": PLAIN["variants"][:1]},  # a model that nobody asks for
        {**PLAIN, "variants": PLAIN["variants"] * 2},
        {**PLAIN, "variants": [{**PLAIN["variants"][0], "model": "sbom.cdx.json"}, PLAIN["variants"][1]]},
        {**PLAIN, "variants": [{**PLAIN["variants"][0], "manifest": "sbom.cdx.json"}, PLAIN["variants"][1]]},
        {**PLAIN, "variants": [{**PLAIN["variants"][0], "manifest": "float32.manifest.json"}, PLAIN["variants"][1]]},
        {**PLAIN, "created": 3000},
        {**PLAIN, "created": 10**400},
        {**PLAIN, "security_epoch": -1},
        {**PLAIN, "schema": 2},
        {**PLAIN, "name": "A b"},
        {**PLAIN, "more": 1},
    ],
)
def test_releases_that_contradict_themselves_are_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(EdgeError, match="small.edge"):
        read(with_document(plain), machine=Machine())


def test_the_parts_are_listed_as_cyclonedx_wants_it() -> None:
    parts = json.loads(read(WHOLE, machine=Machine()).documents["sbom.cdx.json"])
    assert (parts["bomFormat"], parts["specVersion"], parts["version"]) == ("CycloneDX", "1.5", 1)
    assert {c["type"] for c in parts["components"]} == {"machine-learning-model"}
    hashes = [c["hashes"] for c in parts["components"]]
    assert hashes == [[{"alg": "SHA-256", "content": hashlib.sha256(v.model).hexdigest()}] for v in VARIANTS]
    refs = [parts["metadata"]["component"]["bom-ref"], *(c["bom-ref"] for c in parts["components"])]
    assert len(set(refs)) == 3 and [d["ref"] for d in parts["dependencies"]] == refs


def test_provenance_names_every_model_by_its_hash() -> None:
    statement = json.loads(read(WHOLE, machine=Machine()).documents["provenance.json"])
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert [s["digest"]["sha256"] for s in statement["subject"]] == [v.manifest.sha256 for v in VARIANTS]


def test_what_contradicts_itself_is_not_packed() -> None:
    with pytest.raises(ManifestError, match="not packed"):
        pack_release("small", "2.0", [VARIANTS[0], VARIANTS[0]])
    with pytest.raises(ManifestError, match="not packed"):
        pack_release("small", "2.0", [])
    with pytest.raises(ManifestError, match="describes another model"):
        pack_release("small", "2.0", [Packed("a", manifest(OTHER), MODEL)])


def test_the_release_document_reads_back() -> None:
    release = read(WHOLE, machine=Machine()).release
    assert isinstance(release, Release) and release.to_json() == canonical_json(PLAIN)
