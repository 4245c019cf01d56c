"""An LSTM that is trained on a CPU with many sequences at once, in bfloat16, up to twice as fast as torch's own.

An LSTM over the frames of every bin has thousands of sequences and few units. What takes its time is not the matrix
products but all that is done to every unit between them: here one pass over memory, in C++ that is compiled for the
processor at hand when it is first needed (`fused_lstm.cpp`). Products are torch's, and so is what comes out, but for
rounding. `python -m tools.bench_lstm` measures it beside torch's.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

log = logging.getLogger(__name__)

CELLS = 16_384  # units of all sequences together: from here on it is faster than torch's
SOURCE = Path(__file__).with_suffix(".cpp")
# Not -ffast-math: with it, a library that is loaded makes all of its process take numbers near zero for zero.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC")
WIDE = ("-mprefer-vector-width=512",) if platform.machine() == "x86_64" else ()
COMPILER = os.environ.get("CXX", "g++")


@torch.compiler.disable
def suits(lstm: nn.LSTM, x: Tensor) -> bool:
    """Whether this LSTM is to be trained so on `x`, `[B, T, C]`, now."""
    return (
        type(lstm) is nn.LSTM  # neither rounded nor pruned ones
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and len(x) * lstm.hidden_size >= CELLS
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
        and frames() is not None
    )


@torch.compiler.disable
def fused_lstm(lstm: nn.LSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """What the LSTM gives for `x`, `[B, T, C]`, from a state `[B, hidden]` each; and `c` after it."""
    y, c = FusedLSTM.apply(x, h, c, lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0 + lstm.bias_hh_l0)
    return y, c


@cache
def frames() -> Any:
    """The compiled frames; None, and a warning, where they cannot be compiled."""
    if shutil.which(COMPILER) is None:
        return None  # as `models.training.trainer` says
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "fused_lstm.so"
        done = subprocess.run(
            [COMPILER, *FLAGS, *WIDE, str(SOURCE), "-o", str(library)], capture_output=True, text=True
        )
        try:
            found = ctypes.CDLL(str(library)) if done.returncode == 0 else None
        except OSError as error:
            done.stderr, found = str(error), None
    if found is None:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        log.warning("%s cannot compile %s (%s); LSTMs are trained by torch's, slower", COMPILER, SOURCE.name, why)
        return None
    number, place = ctypes.c_long, ctypes.c_void_p
    found.forward_frame.argtypes = [number, number, *[place] * 5, number]
    found.backward_frame.argtypes = [number, number, *[place] * 5, number, place, place]
    return found


class FusedLSTM(torch.autograd.Function):
    """Frames first: `rows[t]` has for every sequence what the sums of frame `t` are made of, its inputs, a one for the
    biases and the output of the frame before."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, c: Tensor, of_x: Tensor, of_h: Tensor, bias: Tensor) -> Any:
        (batch, length, inputs), units = x.shape, of_h.shape[1]
        weight = torch.cat([of_x, bias[:, None], of_h], dim=1).to(torch.bfloat16)
        rows = weight.new_empty(length + 1, batch, inputs + 1 + units)
        rows[:length, :, :inputs] = x.transpose(0, 1)
        rows[:, :, inputs] = 1
        rows[0, :, inputs + 1 :] = h
        memory = c.new_empty(length + 1, batch, units, dtype=torch.float32)
        memory[0] = c
        sums, gates = weight.new_empty(batch, 4 * units), weight.new_empty(length, batch, 4 * units)
        transposed, frame = weight.t().contiguous(), frames().forward_frame
        outputs, kept, memories = Places(rows[:, :, inputs + 1 :]), Places(gates), Places(memory)
        for t, row in enumerate(rows[:length]):
            torch.mm(row, transposed, out=sums)
            frame(batch, units, sums.data_ptr(), memories[t], kept[t], memories[t + 1], outputs[t + 1], rows.stride(1))
        ctx.save_for_backward(rows, memory, gates, weight)
        return rows[1:, :, inputs + 1 :].transpose(0, 1).clone(), memory[length].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_y: Tensor, of_c: Tensor) -> Any:
        rows, memory, gates, weight = ctx.saved_tensors
        length, batch, _ = gates.shape
        units, inputs = memory.shape[-1], rows.shape[-1] - memory.shape[-1] - 1
        of_sums, of_rows = torch.empty_like(gates), torch.empty_like(rows)
        of_rows[length] = 0
        of_memory = of_c.to(torch.float32, copy=True).contiguous()
        outside = of_y.transpose(0, 1).to(torch.bfloat16).contiguous()
        frame, stride = frames().backward_frame, rows.stride(1)
        kept, memories, given = Places(gates), Places(memory), Places(outside)
        later, made = Places(of_rows[:, :, inputs + 1 :]), Places(of_sums)
        for t in reversed(range(length)):
            frame(
                *(batch, units, kept[t], memories[t], memories[t + 1], given[t], later[t + 1], stride),
                *(of_memory.data_ptr(), made[t]),
            )
            torch.mm(of_sums[t], weight, out=of_rows[t])
        of_weight = (of_sums.flatten(0, 1).t() @ rows[:length].flatten(0, 1)).float()
        of_x, of_bias, of_h = of_weight.split([inputs, 1, units], dim=1)
        first = of_rows[0, :, inputs + 1 :]
        return of_rows[:length, :, :inputs].transpose(0, 1), first, of_memory, of_x, of_h, of_bias[:, 0]


class Places:
    """Where every frame of a tensor begins in memory."""

    def __init__(self, x: Tensor) -> None:
        self.first, self.apart = x.data_ptr(), x.stride(0) * x.element_size()

    def __getitem__(self, frame: int) -> int:
        return self.first + frame * self.apart
