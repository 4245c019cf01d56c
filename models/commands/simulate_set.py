"""`edge-sdk simulate set`: the evaluation set of a recipe, written down."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def register(nested: Any) -> None:
    """Add `set` to what `simulate` can make."""
    frozen = nested.add_parser("set", help="write down the evaluation set of a recipe; run it again to go on")
    frozen.add_argument("recipe", type=Path, metavar="RECIPE.toml", help="its [dev] table says what is in the set")
    frozen.add_argument("--data", type=Path, required=True, help="folder that the recipe's folders are in")
    frozen.add_argument("--out", type=Path, required=True, metavar="SET", help="folder for the set")
    frozen.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    frozen.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core; 0: none besides)")
    frozen.add_argument("--cluster", metavar="ADDRESS", help="mix on a Ray cluster: auto, local or ray://HOST:PORT")
    frozen.add_argument("--force", action="store_true", help="replace the set that is in the folder")
    frozen.add_argument("--json", action="store_true", help="print the result as JSON")
    frozen.set_defaults(run=run_set)


def run_set(args: argparse.Namespace) -> int:
    from models.data.freezing import write_set
    from models.data.mixing import Mixtures
    from models.recipe import load_recipe
    from models.runs import default_cache, load_corpora, load_rooms

    recipe = load_recipe(args.recipe)
    dev, rate = recipe.dev, recipe.network.sample_rate
    speech, noise = load_corpora(dev.data, args.data, rate, args.cache or default_cache())
    mixtures = Mixtures(speech, noise, dev.mix, rate, dev.seed, load_rooms(dev.data, args.data))
    made_of = provenance(dev, args.data, mixtures)
    made = write_set(args.out, mixtures, dev.count, recipe.name, made_of, args.force, args.workers, args.cluster)
    minutes = dev.count * dev.mix.seconds / 60
    result = {
        "set": str(made.folder),
        "name": made.name,
        "mixtures": len(made),
        "minutes": round(minutes, 2),
        "mics": made.mics,
        "sources": made.sources,
        "sample_rate_hz": made.sample_rate,
        "sha256": made.sha256,
    }
    if args.json:
        print(json.dumps(result))
    else:
        what = f"{len(made)} mixtures of {made.sources} talkers at {made.mics} microphones, {minutes:.1f} minutes"
        print(f"{made.folder}: {what}, sha256 {made.sha256}")
    return 0


def provenance(dev: Any, data: Path, mixtures: Any) -> dict[str, Any]:
    """Recipe, data, code and versions that a set is made of."""
    import platform

    from edge_sdk.contract import to_plain
    from models.training.provenance import commit, describe_recordings, version_of

    packages = ("edge-sdk", "numpy", "scipy", "soundfile", "soxr")  # that samples depend on
    stores = getattr(mixtures.rooms, "stores", [mixtures.rooms]) if mixtures.rooms is not None else []
    return {
        "dev": to_plain(dev),
        "recordings": describe_recordings(dev.data, data),
        "rooms": [store.sha256 for store in stores],
        "commit": commit(),
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in packages}},
    }
