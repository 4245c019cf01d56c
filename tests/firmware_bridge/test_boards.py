"""Boards as files, and bundles that do not fit one."""

import json
import platform
from pathlib import Path

import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.cli import main, parser
from edge_sdk.contract import Fits, read_bundle, to_plain
from firmware_bridge.boards import FOLDER, BoardError, known_boards, load_board
from firmware_bridge.slots import Slots
from tests.firmware_bridge.devices import bundle_file, device

TEXT = (FOLDER / "raspberry-pi-4.toml").read_text()


@pytest.mark.parametrize("name", known_boards())
def test_every_board_is_named_as_its_file_and_has_a_known_array(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.array is None or load_array(board.array).capture_channels >= 1


def test_a_board_without_wheels_of_litert_has_another_runtime() -> None:
    runtimes = {board.cpu: board.runtime for board in map(load_board, known_boards())}
    assert runtimes == {"aarch64": "ai-edge-litert", "armv7l": "tflite-runtime"}


def test_boards_lists_what_the_files_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == [to_plain(load_board(name)) for name in known_boards()]
    assert main(["boards"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(listed) + 1
    assert main(["boards", "raspberry-pi-4"]) == 0
    assert "four Cortex-A72" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "x = 1\n", "Board has no x"),
        ("memory_mib = 1024", 'memory_mib = "1 GB"', "expected a value of type int"),
        ("memory_mib = 1024", "memory_mib = 0", "memory_mib 0"),
        ("memory_mib = 1024\n", "", "memory_mib"),
        ('runtime = "ai-edge-litert"', 'runtime = "onnx"', "runtime 'onnx'"),
        ('name = "raspberry-pi-4"', 'name = "../x"', "name '../x'"),
        ('array = "a choice', 'other = "a choice', "sources"),
        ("[sources]", "[sources", "not a board"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    assert before in TEXT
    path.write_text(TEXT.replace(before, after, 1))
    with pytest.raises(BoardError) as caught:
        load_board(str(path))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    for name, said in (("mine.toml", "not a board"), ("none.toml", "No such file")):
        with pytest.raises(BoardError, match=said):
            load_board(str(tmp_path / name))
    with pytest.raises(BoardError, match=r"did you mean raspberry-pi-4"):
        load_board("raspberrypi4")


def own_board(tmp_path: Path, cpu: str | None = None, memory_mib: int = 1024) -> Path:
    """A Raspberry Pi 4 with another processor, by default this machine's, and memory."""
    path = tmp_path / "mine.toml"
    text = TEXT.replace('"aarch64"', f'"{cpu or platform.machine()}"', 1)
    path.write_text(text.replace("memory_mib = 1024", f"memory_mib = {memory_mib}"))
    return path


def install(tmp_path: Path, board: Path, *options: str, fits: Fits = Fits()) -> int:  # noqa: B008
    folder, bundle = device(tmp_path), bundle_file(tmp_path, "1", fits=(fits,))
    return main(["install", str(bundle), "--slots", str(folder), "--board-type", str(board), "--json", *options])


@pytest.mark.parametrize(
    ("fits", "said"),
    [
        (Fits(cpus=("riscv64",)), "made for processor riscv64"),
        (Fits(arrays=("respeaker-2mic",)), "made for array respeaker-2mic, not for respeaker-4mic"),
        (Fits(runtimes=("tflite-runtime",)), "made for runtime tflite-runtime, not for ai-edge-litert"),
    ],
)
def test_a_bundle_for_another_board_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fits: Fits, said: str
) -> None:
    assert install(tmp_path, own_board(tmp_path), "--no-trial", fits=fits) == 1
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and not out


def test_a_bundle_that_fits_is_installed_for_the_array_that_is_really_there(tmp_path: Path) -> None:
    fits = Fits((platform.machine(),), ("respeaker-2mic",), ("ai-edge-litert",))
    assert install(tmp_path, own_board(tmp_path), "--no-trial", "--array", "respeaker-2mic", fits=fits) == 0


def test_a_card_of_another_processor_takes_a_bundle_that_cannot_be_tried_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board, fits = own_board(tmp_path, "riscv64"), Fits(cpus=("riscv64",))
    assert install(tmp_path, board, fits=fits) == 1
    assert "cannot be tried here" in capsys.readouterr().err
    main_again = ["install", str(tmp_path / "1.edge"), "--slots", str(tmp_path / "device"), "--board-type", str(board)]
    assert main([*main_again, "--no-trial"]) == 0


def test_a_model_larger_than_its_share_of_the_memory_is_refused(tmp_path: Path) -> None:
    board, bundle = load_board(str(own_board(tmp_path, memory_mib=1))), read_bundle(bundle_file(tmp_path, "1"))
    board.check_memory(bundle, board.model_bytes - len(bundle.model))
    with pytest.raises(BoardError, match="131073 bytes, raspberry-pi-4 has 131072 for a model"):
        board.check_memory(bundle, board.model_bytes - len(bundle.model) + 1)


@pytest.mark.parametrize("name", known_boards())
def test_a_stream_finds_the_sound_of_its_board_unless_it_is_told_otherwise(name: str) -> None:
    board = load_board(name)
    own = parser().parse_args(["run", *board.stream_options()])
    assert (own.capture, own.playback, own.array) == (board.capture, board.playback, board.array)
    if board.array is not None:
        assert board.capture == f"hw:CARD={load_array(board.array).alsa_card}"
    told = parser().parse_args(["run", *board.stream_options("respeaker-6mic"), "--capture", "hw:1"])
    assert (told.capture, told.array) == ("hw:1", "respeaker-6mic")


def test_the_slots_are_where_the_board_has_them(tmp_path: Path) -> None:
    folder, board = device(tmp_path), own_board(tmp_path)
    board.write_text(f'slots = "{folder}"\n' + board.read_text())
    words = ["--board-type", str(board), "--json"]
    assert main(["install", str(bundle_file(tmp_path, "1")), "--no-trial", *words]) == 0
    assert main(["confirm", *words]) == 0
    assert Slots(folder).state().confirmed
