"""Errors of the world outside the program: files, models, boards, devices.

Every message says what was given, what was expected and what to do. The command line prints it as one line and exits
with code 1. Mistakes of a caller in Python (a wrong shape, a negative size) are plain `ValueError`s instead.
"""


class EdgeError(Exception):
    """Something outside the program is not as it must be."""


class AudioError(EdgeError):
    """An audio file or stream cannot be used."""


class ArrayError(EdgeError):
    """A microphone array is unknown, or its description cannot be used."""


class ManifestError(EdgeError):
    """A manifest is malformed, of an unknown schema, or does not fit what it describes."""


class BundleError(EdgeError):
    """A bundle is missing, truncated or altered."""


class BackendError(EdgeError):
    """The interpreter asked for is not installed or refuses the model."""


class DataError(EdgeError):
    """A folder of recordings cannot be used for training or evaluation."""


class RecipeError(EdgeError):
    """A recipe file cannot be read or asks for something impossible."""


class CheckpointError(EdgeError):
    """A checkpoint is missing, damaged or of another network."""


class ParityError(EdgeError):
    """An exported model does not compute what the network computes."""
