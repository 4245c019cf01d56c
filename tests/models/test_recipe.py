"""A wrong recipe is refused with the reason."""

from pathlib import Path

import pytest

from edge_sdk.errors import RecipeError
from models.recipe import load_recipe
from tests.models.recordings import edit, write_recipe


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 20", "steps = 0", "must be positive"),
        ("steps = 20", 'steps = "many"', "expected a value of type int"),
        ("batch = 4", "batsh = 4", "no batsh"),
        ("window = 32", "window = 33", "multiple of the hop"),
        ("sources = 1\nsample_rate", "sources = 2\nsample_rate", "sources equal"),
        ('[data]\nspeech = ["speech"]', "[data]", "speech"),
        ("[fit]", "[fit", "not a readable TOML file"),
        ('name = "tiny"', 'name = "../tiny"', "expected small letters"),
        ("seed = 3", 'seed = "3"', "expected a value of type int"),
        ("seed = 3", "seed = -3", "from 0 on"),
        ("seconds = 0.5", "seconds = 0.001", "expected 0.25 to 600"),
        ("seconds = 0.5", "seconds = nan", "expected 0.25 to 600"),
        ("seconds = 0.5", "seconds = 1" + 400 * "0", "digits"),
        ("learning_rate = 3e-3", "learning_rate = nan", "learning_rate and clip must be positive"),
        ("warmup = 5", "warmup = -5", "must not be negative"),
        ("warmup = 5", "patience = -1", "must not be negative"),
        ("workers = 0", "workers = -1", "must not be negative"),
        ("babble_talkers = 2", "babble = 7.0", "expected a chance"),
        ("count = 3", "count = 0", "count from 1 on"),
        ("blocks = 3", 'blocks = 3\nnorm = "cumulative"\nhorizon = 10', "a horizon of 10 frames"),
        ("blocks = 3", "blocks = 3\nkernel = 1", "two taps or more"),
        ("[mix]", '[data.weights]\n"speech" = 0.0\n[mix]', "expected positive numbers"),
        ("[dev]", '[distill]\nteacher = "t"\nweight = 0.0\n[dev]', "expected a share above 0"),
        ("[dev]", "[distill]\nweight = 0.5\n[dev]", "teacher"),
        ("spectral_weight = 0.0", "spectral_weight = -1.0", "a number from 0 on"),
        (
            "spectral_weight = 0.0",
            'kind = "l2"',
            "loss.kind = 'l2': expected one of 'si-sdr', 'snr', 'phase-sensitive'",
        ),
        ("spectral_weight = 0.0", "ceiling_db = 0.0", "expected a ratio above 0 dB, or inf"),
        ("spectral_weight = 0.0", 'kind = "phase-sensitive"\nceiling_db = 30.0', "which is no ratio"),
        ("spectral_weight = 0.0", 'silent = "quiet"', "give ceiling_db"),
        ("warmup = 5", "suited = 0.5", "fit.suited = 0.5 is for networks of two views; leave it out"),
        ("babble_talkers = 2", "augment.noise_only = 0.1", "give fit.loss.silent"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml")
    edit(recipe, old, new)
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe)
