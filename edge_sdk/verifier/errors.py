"""The refusal of a model."""

from __future__ import annotations

from edge_sdk.errors import EdgeError

LONGEST = 300


class ModelError(EdgeError):
    """A model breaks a rule of ours, so no interpreter gets to see it; or it failed when it was tried.

    rule: which one, in a word or two.
    """

    def __init__(self, rule: str, found: str) -> None:
        found = found if len(found) <= LONGEST else f"{found[:LONGEST]}..."  # shapes and lists may be of any length
        super().__init__(f"model refused: {rule}: {found}; export it again with edge-sdk export, or do not use it")
        self.rule = rule
