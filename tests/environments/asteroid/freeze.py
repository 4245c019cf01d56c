"""Write the small networks, a mixture and what they made of it to tests/models/assets/imported, for the default tests.

usage: freeze.py     (in the environment of make test-import)
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from models.importing import import_checkpoint
from tests.environments.asteroid import originals
from tests.models import imported

SAMPLES = 800


def freeze(name: str, network: torch.nn.Module) -> None:
    contents, given, toolkit = originals.contents(network), originals.unsaid(network), originals.toolkit_of(network)
    with tempfile.TemporaryDirectory() as folder:  # only for the frames: the output below is theirs
        path = Path(folder) / "model.pth"
        torch.save(contents, path)
        silence = imported.silence(import_checkpoint(path, given).network, toolkit)
    mixture = originals.levels(network)[-1] * originals.mixture(network, SAMPLES)
    sources = originals.separated(network, mixture, silence)
    about: dict[str, Any] = {"toolkit": toolkit, "given": given, "contents": {}}
    if toolkit == "asteroid":
        about["contents"] = {key: value for key, value in contents.items() if key != "state_dict"}
        contents = contents["state_dict"]
    tensors = {f"state_dict.{key}": tensor.clone() for key, tensor in contents.items()}
    tensors |= {"mixture": mixture, "sources": sources.contiguous()}
    path = imported.FROZEN / f"{name}.safetensors"
    save_file(tensors, path, {"about": json.dumps(about, sort_keys=True)})
    path.chmod(0o644)


def main() -> int:
    imported.FROZEN.mkdir(parents=True, exist_ok=True)
    for seed, (name, build) in enumerate(originals.SMALL.items()):
        freeze(name, originals.make(build, seed))
    size = sum(path.stat().st_size for path in imported.FROZEN.glob("*.safetensors"))
    print(f"{len(originals.SMALL)} networks in {imported.FROZEN}, {size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
