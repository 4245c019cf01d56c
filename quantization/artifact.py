"""A converted model on disk: NAME.tflite with NAME.json, its manifest, beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from edge_sdk.contract import Bundle, Manifest, manifest_from_json, write_file
from edge_sdk.errors import EdgeError, ManifestError


@dataclass(frozen=True)
class Artifact:
    """A TFLite model and the manifest that describes it."""

    manifest: Manifest
    model: bytes

    def with_model(self, model: bytes, recipe: str, name: str) -> Artifact:
        """The same step computed by other bytes."""
        sha256 = hashlib.sha256(model).hexdigest()
        return Artifact(
            replace(self.manifest, name=name, recipe=recipe, size=len(model), sha256=sha256, quality={}), model
        )

    @property
    def bundle(self) -> Bundle:
        """What a `Separator` runs."""
        return Bundle(self.manifest, self.model)


def write_artifact(artifact: Artifact, folder: Path, force: bool = False) -> Path:
    """Write both files, the manifest last; the path of the model. Refuses to overwrite unless `force`."""
    model = folder / f"{artifact.manifest.name}.tflite"
    if model.exists() and not force:
        raise EdgeError(f"{model} exists; choose another --out or give --force")
    try:
        write_file(model, artifact.model)
        write_file(model.with_suffix(".json"), artifact.manifest.to_json())
    except OSError as error:
        raise EdgeError(
            f"{folder}: cannot be written to ({error.strerror}); free space or choose another --out"
        ) from error
    return model


def read_artifact(model: Path) -> Artifact:
    """The model and its manifest; `ManifestError` where they are missing or do not belong together."""
    beside = model.with_suffix(".json")
    for path in (model, beside):
        if not path.is_file():
            raise ManifestError(
                f"{path}: no such file; expected NAME.tflite and NAME.json as edge-sdk export writes them"
            )
    data, manifest = model.read_bytes(), manifest_from_json(beside.read_bytes(), str(beside))
    if manifest.size != len(data) or manifest.sha256 != hashlib.sha256(data).hexdigest():
        raise ManifestError(f"{model}: not the model that {beside.name} describes; export it again")
    return Artifact(manifest, data)
