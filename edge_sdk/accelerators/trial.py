"""The process of a trial: `python -m edge_sdk.accelerators.trial ORDER < request`, started by `probe`.

It loads drivers that may crash or hang, so that nobody else has to. The request is the length of the manifest in four
bytes, the manifest, and the model. The answer goes to a descriptor of its own, because drivers like to print: a line of
JSON for every stage that it enters, and one for what it found.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import IO

from edge_sdk.accelerators.accelerator import Accelerator
from edge_sdk.accelerators.verdict import Trial
from edge_sdk.contract import Bundle, from_plain, manifest_from_json
from edge_sdk.errors import EdgeError

SOUND_S = 1.0  # of sound in the end; a slow accelerator gets no further than LONGEST_S
LONGEST_S = 2.0
FEWEST = 20  # blocks, however long they take
WARM_UP = 5  # blocks that are compared, but not timed


@dataclass(frozen=True)
class Order:
    """What to try; answer: an open descriptor to write to."""

    accelerator: Accelerator
    backend: str
    threads: int
    answer: int


def main(argv: list[str]) -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    order = from_plain(Order, json.loads(argv[0]))
    request = sys.stdin.buffer.read()
    end = 4 + int.from_bytes(request[:4], "big")
    bundle = Bundle(manifest_from_json(request[4:end]), request[end:])
    with open(order.answer, "w", encoding="ascii") as answer:
        try:
            found: dict[str, object] = {"found": asdict(run(bundle, order, answer))}
        except EdgeError as error:
            found = {"refused": " ".join(str(error).split())}
        say(answer, found)
        os._exit(0)  # some drivers crash when they are unloaded, after everything has been said


def say(answer: IO[str], what: object) -> None:
    answer.write(json.dumps(what) + "\n")
    answer.flush()


def run(bundle: Bundle, order: Order, answer: IO[str]) -> Trial:
    """Both outputs compared, both timed."""
    import numpy as np

    from edge_sdk.accelerators.comparison import agreement_db, speech_like
    from edge_sdk.errors import BackendError
    from edge_sdk.separator import Separator

    say(answer, {"stage": "when it was loaded"})
    tried = Separator(bundle, order.backend, order.threads, order.accelerator)
    if refusal := tried.interpreter.failure:
        raise BackendError(refusal)
    cpu = Separator(bundle, order.backend, order.threads)
    say(answer, {"stage": "in a step"})
    m = bundle.manifest
    most = max(FEWEST, round(SOUND_S * m.sample_rate / m.block)) + WARM_UP
    x = speech_like(m.mics, most * m.block, m.sample_rate)
    times_s, outputs = np.zeros((most, 2)), np.zeros((most, 2, m.sources, m.block), np.float32)
    begin, number = time.perf_counter(), 0
    while number < most and (number < FEWEST + WARM_UP or time.perf_counter() - begin < LONGEST_S):
        block = x[:, number * m.block : (number + 1) * m.block]
        for who, separator in enumerate((tried, cpu)):
            start = time.perf_counter()
            separator.process(block, outputs[number, who])
            times_s[number, who] = time.perf_counter() - start
        number += 1
    if failure := tried.interpreter.failure:
        raise BackendError(failure)
    given, expected = outputs[:number].swapaxes(0, 1)
    p50, p99 = 1e6 * np.percentile(times_s[WARM_UP:number], [50, 99], axis=0)
    return Trial(
        agreement_db=agreement_db(expected, given),
        blocks=number,
        block_us=1e6 * m.block / m.sample_rate,
        p50_us=float(p50[0]),
        p99_us=float(p99[0]),
        cpu_p50_us=float(p50[1]),
        cpu_p99_us=float(p99[1]),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
