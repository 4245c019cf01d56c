"""Private keys stay private, and a bundle is signed without being changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import SignatureError, read_bundle
from firmware_bridge.bundle import pack, sign_bundle
from firmware_bridge.signing import generate_key, load_key, load_public
from tests.edge_sdk.bundles import MODEL, manifest
from tests.edge_sdk.signing import RELEASE, STRANGER, key, policy
from tests.firmware_bridge.devices import bundle_file, device


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    generate_key(tmp_path / "a.key")
    return tmp_path / "a.key"


def test_a_key_reads_back_and_its_public_half_lies_beside_it(key_file: Path) -> None:
    assert load_public(key_file.with_suffix(".pub")) == load_key(key_file).public


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_only_its_owner_can_read_a_private_key(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        generate_key(tmp_path / "a.key")
    finally:
        os.umask(before)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.key", "a.pub"]


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o644, 0o666, 0o610, 0o601])
def test_a_private_key_that_others_can_read_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(SignatureError, match="chmod 600"):
        load_key(key_file)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_key_that_only_its_owner_can_read_is_taken(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert load_key(key_file).public


def test_a_key_is_never_overwritten_by_chance(key_file: Path) -> None:
    before = key_file.read_bytes()
    with pytest.raises(SignatureError, match="--force"):
        generate_key(key_file)
    key_file.unlink()  # its public half is still there
    with pytest.raises(SignatureError, match="a.pub exists"):
        generate_key(key_file)
    generate_key(key_file, force=True)
    assert key_file.read_bytes() != before


def test_a_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"mine")
    (tmp_path / "a.key").symlink_to(tmp_path / "target")
    with pytest.raises(SignatureError, match="exists"):
        generate_key(tmp_path / "a.key")
    generate_key(tmp_path / "a.key", force=True)
    assert (tmp_path / "target").read_bytes() == b"mine"


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 100, b"a" * 5000])
def test_files_that_are_no_keys_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(content)
    path.chmod(0o600)
    for load in (load_key, load_public):
        with pytest.raises(SignatureError, match="a.key") as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_keys_of_other_kinds_missing_ones_folders_and_pipes_are_refused(tmp_path: Path, key_file: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec

    path = tmp_path / "ec.key"
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    path.chmod(0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for wrong in (path, tmp_path / "none", tmp_path, tmp_path / "pipe", key_file.with_suffix(".pub")):
        with pytest.raises(SignatureError):
            load_key(wrong)
    with pytest.raises(SignatureError, match="Ed25519 public key"):
        load_public(key_file)  # the private one in its place


def test_signing_changes_nothing_but_the_signatures(tmp_path: Path) -> None:
    path, plain = tmp_path / "a.edge", pack(manifest(), MODEL)
    path.write_bytes(plain)
    sign_bundle(path, path, [key(RELEASE)])
    bundle = read_bundle(path, policy())
    assert (bundle.manifest, bundle.model, bundle.role) == (manifest(), MODEL, "release")
    assert path.read_bytes() == pack(manifest(), MODEL, [key(RELEASE)])
    sign_bundle(path, path, [key(RELEASE)])  # again: the same signature once
    assert path.read_bytes() == pack(manifest(), MODEL, [key(RELEASE)])


def test_a_damaged_bundle_is_not_signed(tmp_path: Path) -> None:
    path = tmp_path / "a.edge"
    path.write_bytes(pack(manifest(), MODEL)[:-1] + b"!")
    with pytest.raises(Exception, match="damaged"):
        sign_bundle(path, path, [key(RELEASE)])


def test_commands_make_keys_and_trust_sign_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def edge(*words: str) -> int:
        return main([word.replace("@", f"{tmp_path}/") for word in words])

    for name in ("root", "release", "dev", "stranger"):
        assert edge("keygen", f"@{name}.key") == 0
    assert edge("trust", "--root", "@root.pub", "--release", "@release.pub", "--dev", "@dev.pub",
                "--sign", "@root.key", "--out", "@trust.json") == 0  # fmt: skip
    (tmp_path / "m.tflite").write_bytes(MODEL)
    (tmp_path / "m.json").write_bytes(manifest().to_json())
    assert edge("pack", "@m.tflite", "--sign", "@release.key", "--out", "@m.edge") == 0
    assert edge("verify", "@m.edge", "--trust", "@trust.json") == 0
    assert edge("pack", "@m.tflite", "--out", "@n.edge") == 0
    assert edge("verify", "@n.edge", "--trust", "@trust.json") == 1
    assert edge("verify", "@n.edge", "--allow-unsigned") == 0
    assert edge("sign", "@n.edge", "--key", "@dev.key") == 0
    assert edge("verify", "@n.edge", "--trust", "@trust.json") == 1
    assert edge("verify", "@n.edge", "--trust", "@trust.json", "--unlocked") == 0
    assert edge("sign", "@n.edge", "--key", "@stranger.key", "--out", "@m.edge") == 1  # there is one
    capsys.readouterr()
    assert edge("inspect", "@n.edge", "--json") == 0
    signatures = json.loads(capsys.readouterr().out)["signatures"]
    assert signatures == [load_key(tmp_path / "dev.key").id]
    assert edge("trust", "--root", "@stranger.pub", "--release", "@dev.pub", "--after", "@trust.json",
                "--sign", "@stranger.key", "--out", "@next.json") == 1  # fmt: skip
    assert edge("trust", "--root", "@stranger.pub", "--release", "@dev.pub", "--after", "@trust.json",
                "--sign", "@stranger.key", "--sign", "@root.key", "--out", "@next.json") == 0  # fmt: skip
    assert edge("verify", "@n.edge", "--trust", "@next.json") == 0
    with pytest.raises(SystemExit) as caught:
        edge("verify", "@n.edge")  # neither trusted nor unsigned: nobody has said what to take
    assert caught.value.code == 2


def test_no_private_key_is_ever_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_sdk.cli", "-v", "keygen", str(tmp_path / "a.key"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    secret = (tmp_path / "a.key").read_text().splitlines()[1]
    signing_key = load_key(tmp_path / "a.key")
    seed = signing_key._private.private_bytes_raw()
    shown = done.stdout + done.stderr + repr(signing_key) + str(signing_key)
    assert not any(text in shown for text in (secret, secret[-43:], seed.hex(), repr(seed)))
    (tmp_path / "a.key").write_text((tmp_path / "a.key").read_text().replace(secret[:8], "AAAAAAAA"))
    with pytest.raises(SignatureError) as caught:
        load_key(tmp_path / "a.key")
    assert secret[8:20] not in str(caught.value) and caught.value.__cause__ is None


def test_a_board_without_cryptography_verifies_and_installs_all_the_same(tmp_path: Path) -> None:
    folder, source = device(tmp_path), bundle_file(tmp_path, "1")
    script = (
        "import sys; from pathlib import Path; sys.modules['cryptography'] = None\n"
        "from firmware_bridge.install import install; from firmware_bridge.slots import Slots\n"
        "slots = Slots(Path(sys.argv[1])); install(slots, Path(sys.argv[2]))\n"
        "slots.confirm(); print(slots.start().bundle.role)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder), str(source)], capture_output=True, text=True)
    assert done.stdout == "release\n", done.stderr
    forged = bundle_file(tmp_path, "2", STRANGER)
    done = subprocess.run([sys.executable, "-c", script, str(folder), str(forged)], capture_output=True, text=True)
    assert done.returncode and "SignatureError" in done.stderr


def test_keys_without_cryptography_are_refused_with_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from edge_sdk.cli import main; sys.exit(main(['keygen', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.key")], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "edge-sdk[bridge]" in done.stderr
