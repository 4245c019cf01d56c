"""Steps are taken where they are needed, on boards that are what they are taken for."""

from pathlib import Path

import pytest

from firmware_bridge.provision import ProvisionError, Step, Target, as_root, probe, provision
from firmware_bridge.provision_wheels import downloads, wheels_in
from firmware_bridge.transports import Done, open_board
from tests.firmware_bridge.targets import HERE, OLD_PI, PI, this_machine


def test_a_step_is_taken_once(tmp_path: Path) -> None:
    board, path = open_board("local"), tmp_path / "file"
    step = Step("a file", f"[ -e {path} ]", f"touch {path}")
    assert [each.outcome for each in provision(board, HERE, [step], dry_run=True)] == ["to be done"]
    assert not path.exists()
    assert [each.outcome for each in provision(board, HERE, [step, step])] == ["done", "already so"]
    assert [each.outcome for each in provision(board, HERE, [step], dry_run=True)] == ["already so"]


def test_files_that_a_step_needs_are_there_while_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "wheel.whl").write_bytes(b"a wheel")
    board = open_board("local")
    folder = this_machine().arrivals
    step = Step(
        "a wheel", f"[ -e {tmp_path}/kept ]", f"cp {folder}/wheel.whl {tmp_path}/kept", (tmp_path / "wheel.whl",)
    )
    provision(board, HERE, [step], dry_run=True)
    assert not Path(folder).exists()
    provision(board, HERE, [step])
    assert (tmp_path / "kept").read_bytes() == b"a wheel" and not list(Path(folder).iterdir())


def test_the_first_step_that_fails_is_the_last_one(tmp_path: Path) -> None:
    board, path = open_board("local"), tmp_path / "file"
    never = Step("later", "false", f"touch {path}")
    with pytest.raises(ProvisionError, match="local: broken: no such thing; mend that") as caught:
        provision(board, HERE, [Step("broken", "false", "echo first >&2; echo no such thing >&2; exit 3"), never])
    assert "\n" not in str(caught.value)
    with pytest.raises(ProvisionError, match="silent: exit status 3"):
        provision(board, HERE, [Step("silent", "false", "exit 3"), never])
    with pytest.raises(ProvisionError, match="done without an error, but it is not so"):
        provision(board, HERE, [Step("forgetful", "false", "true"), never])
    assert not path.exists()


def test_what_needs_a_password_is_asked_of_sudo_without_one() -> None:
    class Noting:
        place, words = "board", ()

        def run(self, words: list[str]) -> Done:
            self.words = tuple(words)
            return Done(0)

    board = Noting()
    as_root(board, PI, "id")
    assert board.words == ("sudo", "-n", "sh", "-c", "id")
    as_root(board, HERE, "id")
    assert board.words == ("sh", "-c", "id")


class Answering:
    """A board that describes itself in these words."""

    place = "board"

    def __init__(self, **about: str) -> None:
        usual = {
            "cpu": "aarch64",
            "bits": "64",
            "glibc": "2.36",
            "python": "3.11",
            "user": "pi",
            "uid": "1000",
            "sudo": "yes",
        }
        self._said = {**usual, "arrivals": "/var/tmp/edge-sdk-1000", **about}

    def run(self, words: list[str]) -> Done:
        return Done(0, "".join(f"{name}={text}\n" for name, text in self._said.items()).encode())


def test_a_board_is_known_by_what_its_programs_are() -> None:
    assert probe(Answering()) == Target("aarch64", (3, 11), (2, 36), "pi", "/var/tmp/edge-sdk-1000", needs_sudo=True)
    assert probe(Answering(bits="32")).cpu == "armv7l"  # a 32-bit system whose kernel has 64
    assert not probe(Answering(uid="0", sudo="")).needs_sudo
    assert this_machine().python >= (3, 10)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"python": "3.6"}, "is 3.6, 3.10 or later expected"),
        ({"python": ""}, "is missing"),
        ({"glibc": ""}, "not glibc"),
        ({"sudo": ""}, "pi needs a password to become root"),
    ],
)
def test_boards_that_cannot_be_set_up_are_refused_before_anything_is_done(about: dict[str, str], said: str) -> None:
    with pytest.raises(ProvisionError, match=said):
        probe(Answering(**about))


def test_wheels_are_asked_for_in_the_name_of_the_board(tmp_path: Path) -> None:
    (tmp_path / "edge_sdk-0.1.0-py3-none-any.whl").touch()
    words, source = downloads(PI, "ai-edge-litert", tmp_path)
    assert {"--python-version=3.13", "--platform=manylinux_2_41_aarch64", "--only-binary=:all:"} <= set(words)
    assert f"{tmp_path}/edge_sdk-0.1.0-py3-none-any.whl[device]" in words  # not what PyPI may have of that name
    assert "--no-binary=:all:" in source
    words, _ = downloads(OLD_PI, "tflite-runtime", tmp_path)
    assert {"tflite-runtime==2.14.0", "--no-deps", "--platform=manylinux_2_36_armv7l"} <= set(words)
    words, _ = downloads(Target("aarch64", (3, 10), (2, 35), "", ""), "ai-edge-litert", tmp_path)
    assert "tomli>=2" in words  # a Jetson's Python has no TOML of its own


def test_folders_of_wheels_that_cannot_be_installed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match=r"holds no edge_sdk-\*.whl"):
        wheels_in(tmp_path)
    for name in (
        "numpy-2.0-cp311-cp311-x.whl",
        "edge_sdk-0.1.0-py3-none-any.whl",
        "pyalsaaudio-0.11.0.tar.gz",
        "notes",
    ):
        (tmp_path / name).touch()
    assert [path.name.split("-")[0] for path in wheels_in(tmp_path)] == ["numpy", "pyalsaaudio", "edge_sdk"]
    (tmp_path / "numpy-2.1-cp311-cp311-x.whl").touch()
    with pytest.raises(ProvisionError, match="more than one numpy"):
        wheels_in(tmp_path)
