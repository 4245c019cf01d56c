"""What stands between a model that nobody has vouched for and the interpreter: an allow-list, and a trial apart.

`verify_model` looks at the file in Python alone; `admit` runs what has passed in a process of its own, with limits.
"""

from edge_sdk.verifier.admission import Admission, Limits, admit
from edge_sdk.verifier.errors import ModelError
from edge_sdk.verifier.model import Budget, Verified, verify_model

__all__ = ["Admission", "Budget", "Limits", "ModelError", "Verified", "admit", "verify_model"]
