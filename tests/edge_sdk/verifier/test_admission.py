"""A trial run ends with an answer or a refusal, whatever the model does; who asked lives on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.contract import Bundle
from edge_sdk.verifier import Limits, ModelError, admit
from edge_sdk.verifier.admission import reason
from firmware_bridge.bundle import pack
from tests.quantization.flatbuffers import edited, set_values, values


def test_a_model_is_run_with_silence_noise_and_a_sweep(tiny: Bundle) -> None:
    found = admit(tiny)
    assert found.blocks == 3 * 0.5 * tiny.manifest.sample_rate / tiny.manifest.block
    assert found.peak > 0 and found.real_time_factor > 0


def test_a_trial_gives_the_same_sound_every_time(tiny: Bundle) -> None:
    assert admit(tiny).peak == admit(tiny).peak


def changed(bundle: Bundle, model: bytes) -> Bundle:
    return Bundle(bundle.manifest, model)


def test_a_model_that_answers_nan_is_refused(tiny: Bundle) -> None:
    def overflow(model):  # type: ignore[no-untyped-def]
        for tensor in model.subgraphs[0].tensors:
            if tensor.type == 0 and model.buffers[tensor.buffer].data is not None and len(tensor.shape) == 4:
                set_values(model, tensor, np.full_like(values(model, tensor), 3e38))

    with pytest.raises(ModelError, match=r"trial: model refused: trial: it answers \w+ with NaN"):
        admit(changed(tiny, edited(tiny.model, overflow)))


def test_a_model_that_crashes_the_interpreter_is_refused(tiny: Bundle) -> None:
    def weightless(model):  # type: ignore[no-untyped-def]
        for op in model.subgraphs[0].operators:
            if len(op.inputs) == 3:
                op.inputs = np.array([op.inputs[0], -1, op.inputs[2]], np.int32)

    with pytest.raises(ModelError, match="trial"):
        admit(changed(tiny, edited(tiny.model, weightless)))


@pytest.mark.parametrize("model", [b"", b"x", bytes(5000)])
def test_what_is_no_model_is_refused_in_one_line(tiny: Bundle, model: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        admit(changed(tiny, model))
    assert "\n" not in str(caught.value)


def test_a_process_that_takes_more_memory_than_it_may_is_refused(tiny: Bundle) -> None:
    with pytest.raises(ModelError, match="trial"):
        admit(tiny, Limits(memory=2**26))


def test_a_process_that_hangs_is_killed(tiny: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # An interpreter of Python that sleeps in place of the trial: neither its processor time nor its memory grows.
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 1000\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    with pytest.raises(ModelError, match="more than 3 s"):
        admit(tiny, Limits(seconds=1))


def test_a_process_that_talks_without_end_is_stopped(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    talker = tmp_path / "python"
    talker.write_text(f"#!/bin/sh\nulimit -f 64\nexec {sys.executable} -c \"print('[' * 10**8)\"\n")
    talker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(talker))
    with pytest.raises(ModelError):
        admit(tiny)


def test_the_limits_of_the_process_are_those_that_were_asked_for() -> None:
    script = (
        "import resource, socket; from edge_sdk.verifier.trial import confine; cut = confine(2**30, 7, 65536)\n"
        "assert resource.getrlimit(resource.RLIMIT_AS) == (2**30, 2**30)\n"
        "assert resource.getrlimit(resource.RLIMIT_CPU) == (7, 7)\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
        "assert 'NoNewPrivs:\\t1' in open('/proc/self/status').read()\n"
        "names = [name for _, name in socket.if_nameindex()]\n"
        "assert not cut or names == ['lo'], names\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_reasons_are_words() -> None:
    assert "SIGSEGV" in reason(-11, "") and "processor time" in reason(-24, "")
    assert reason(1, "no such thing") == "no such thing" and "status 3" in reason(3, "")


def test_limits_that_are_none_are_refused() -> None:
    for wrong in ({"seconds": 0}, {"seconds": 10**6}, {"memory": 2**20}):
        with pytest.raises(ValueError, match="expected"):
            Limits(**wrong)


def test_the_module_prints_what_a_model_takes(tiny: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "tiny.edge"
    path.write_bytes(pack(tiny.manifest, tiny.model))
    done = subprocess.run([sys.executable, "-m", "edge_sdk.verifier", str(path)], capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["trial"]["blocks"] > 0
    path.write_bytes(b"no")
    done = subprocess.run([sys.executable, "-m", "edge_sdk.verifier", str(path)], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count(os.linesep) == 1
