"""A bundle is what was packed, to the last bit, or it is refused in one line that names the file."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_sdk.contract import HEADER_SIZE, MAX_ENVELOPE, MAX_MODEL, FilterAndSum, canonical_json, read_bundle
from edge_sdk.contract.container import LAYOUT, MAGIC
from edge_sdk.errors import BundleError, EdgeError, ManifestError
from edge_sdk.library import shipped_models
from tests.edge_sdk.bundles import MODEL, as_dict, bundle_bytes, manifest, with_payload

WHOLE = bundle_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "small.edge"


def refused(path: Path, data: bytes, kind: type[EdgeError] = BundleError) -> str:
    """The line that refuses these bytes."""
    path.write_bytes(data)
    with pytest.raises(kind) as caught:
        read_bundle(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_a_bundle_reads_back_as_it_was_packed(path: Path) -> None:
    path.write_bytes(WHOLE)
    bundle = read_bundle(path)
    assert bundle.manifest == manifest() and bundle.model == MODEL


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_refused(path: Path, mask: int) -> None:
    for at in range(len(WHOLE)):
        refused(path, WHOLE[:at] + bytes([WHOLE[at] ^ mask]) + WHOLE[at + 1 :])


def test_every_truncation_is_refused(path: Path) -> None:
    for length in range(len(WHOLE)):
        refused(path, WHOLE[:length])


@pytest.mark.parametrize("more", [b"\0", b"\n", WHOLE])
def test_appended_bytes_are_refused(path: Path, more: bytes) -> None:
    assert "expected" in refused(path, WHOLE + more)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.binary(max_size=2 * HEADER_SIZE) | st.binary(max_size=300).map(lambda b: MAGIC + b))
def test_arbitrary_bytes_are_refused(path: Path, data: bytes) -> None:
    refused(path, data)


def test_an_envelope_longer_than_allowed_is_refused_before_it_is_read(path: Path) -> None:
    assert "at most" in refused(path, LAYOUT.pack(MAGIC, MAX_ENVELOPE + 1, bytes(32)))


def test_a_model_larger_than_allowed_is_refused_before_it_is_read(path: Path) -> None:
    huge = manifest(size=MAX_MODEL + 1).to_json()
    assert "at most" in refused(path, with_payload(huge))


def test_a_file_that_is_no_bundle_is_named_so(path: Path) -> None:
    assert "not an edge-sdk bundle" in refused(path, b"RIFF" + bytes(1000))


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.edge", tmp_path, Path(os.devnull)):
        with pytest.raises(BundleError, match="expected a bundle"):
            read_bundle(path)


def test_a_newer_schema_asks_for_an_update(path: Path) -> None:
    newer = canonical_json({**as_dict(), "schema": 3, "unheard_of": True})
    assert "newer than this edge-sdk reads" in refused(path, with_payload(newer), ManifestError)


@pytest.mark.parametrize("schema", [0, -1, 1.0, "1", None, True, 2])  # nothing in it needs schema 2
def test_other_schemas_are_refused(path: Path, schema: object) -> None:
    refused(path, with_payload(canonical_json({**as_dict(), "schema": schema})), ManifestError)


FILTERS = FilterAndSum(alignment=3, reference=1, windows="windows")
OF_FILTERS = {"mics": 2, "latency": 51, "filter_and_sum": FILTERS, "schema": 2}


def test_filter_and_sum_is_schema_2_and_reads_back(path: Path) -> None:
    path.write_bytes(bundle_bytes(**OF_FILTERS))
    m = read_bundle(path).manifest
    assert m == manifest(**OF_FILTERS) and b'"schema":2' in m.to_json()
    assert (m.delay, m.alignment) == (32 - 16 + 3, 3)
    assert m.inputs == {"frames": (2, 2, 40), "likeness": (2, 2, 9), "shares": (2, 2), "windows": (2, 2, 9, 32)}
    assert m.outputs == {"sources_out": (2, 2, 2, 9)}


def test_what_schema_1_can_say_is_written_as_before_there_was_another() -> None:
    assert "filter_and_sum" not in as_dict() and as_dict()["schema"] == 1
    for shipped in shipped_models().values():
        assert b"filter_and_sum" not in read_bundle(shipped).manifest.to_json()  # and it reads: to_json is its bytes


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 1},
        {"filter_and_sum": None},
        {"latency": 48},
        {"filter_and_sum": {"alignment": 9}, "latency": 57},  # beyond the context
        {"filter_and_sum": {"alignment": -1}, "latency": 47},
        {"filter_and_sum": {"alignment": 3, "reference": 2}},
        {"filter_and_sum": {"alignment": 3, "reference": -1}},
        {"filter_and_sum": {"alignment": 3, "shares": "likeness"}},  # a name that is taken
        {"filter_and_sum": {"alignment": 3, "windows": "frames"}},
        {"filter_and_sum": {"alignment": 3, "unheard_of": 1}},
        {"filter_and_sum": {}},
        {"window": 2**16, "hop": 2**15, "context": 2**16, "latency": 2**16 + 2**15 + 3},  # all windows of a frame
    ],
)
def test_filter_and_sum_that_contradicts_itself_is_refused(path: Path, change: dict[str, object]) -> None:
    plain = json.loads(manifest(**OF_FILTERS).to_json())
    refused(path, with_payload(canonical_json({**plain, **change})), ManifestError)


def test_duplicate_keys_are_refused(path: Path) -> None:
    twice = manifest().to_json()[:-1] + b',"mics":1}'
    assert "appears twice" in refused(path, with_payload(twice), ManifestError)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_has_not_are_refused(path: Path, constant: bytes) -> None:
    spoiled = manifest().to_json().replace(b'"si_sdr":10.5', b'"si_sdr":' + constant)
    assert "not a JSON number" in refused(path, with_payload(spoiled), ManifestError)


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"mics": 0},
            {"mics": "1"},
            {"hop": 15},
            {"latency": 47},
            {"sha256": "0"},
            {"name": "A b"},
            {"unheard_of": 1},
        ),
        {"sample_rate": 10**309},  # would overflow the first division
        {"delays": [{"taps": "t", "rows": "r", "width": 1, "lines": [{"kernel": 10**9, "dilation": 1}]}]},
        {"delays": [{"taps": "t", "rows": "r", "width": 1, "lines": [{"kernel": 1, "dilation": 1}]}]},
        {"carries": [{"input": "frames", "output": "x", "shape": [1]}]},  # a name that is taken
    ],
)
def test_manifests_that_contradict_themselves_are_refused(path: Path, change: dict[str, object]) -> None:
    refused(path, with_payload(canonical_json({**as_dict(), **change})), ManifestError)


@pytest.mark.parametrize("key", [key for key in as_dict() if key in manifest().__match_args__[:15]])
def test_missing_values_are_refused(path: Path, key: str) -> None:
    plain = as_dict()
    del plain[key]
    refused(path, with_payload(canonical_json(plain)), ManifestError)


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 40_000])
def test_text_that_is_no_manifest_is_refused(path: Path, payload: bytes) -> None:
    refused(path, with_payload(payload), ManifestError)


@pytest.mark.parametrize("depth", [15, 16, 100, 900, 8000])
def test_nested_values_are_read_up_to_a_depth(path: Path, depth: int) -> None:
    plain = as_dict()
    payload = canonical_json({**plain, "quality": {"a": 1}}).replace(b'{"a":1}', b'{"a":' * depth + b"1" + b"}" * depth)
    if depth < 16:
        path.write_bytes(with_payload(payload))
        assert read_bundle(path).manifest.to_json() == payload
    else:
        assert "nested too deeply" in refused(path, with_payload(payload), ManifestError)


def test_a_manifest_in_another_spelling_is_refused(path: Path) -> None:
    pretty = json.dumps(as_dict(), indent=1).encode()
    assert "canonical" in refused(path, with_payload(pretty))


@pytest.mark.parametrize(
    "envelope",
    [b"{}", b"[]", b"[[]]", b'{"payload":1,"payloadType":"x","signatures":[]}', b"\xff", WHOLE[HEADER_SIZE:200]],
)
def test_malformed_envelopes_are_refused(path: Path, envelope: bytes) -> None:
    header = LAYOUT.pack(MAGIC, len(envelope), hashlib.sha256(envelope).digest())
    assert "malformed envelope" in refused(path, header + envelope + MODEL)


def test_the_checksum_of_another_model_is_refused(path: Path) -> None:
    refused(path, bundle_bytes(sha256="0" * 64))
