"""A converted model on disk: NAME.tflite with NAME.json, its manifest, beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from edge_sdk.contract import Bundle, Manifest, manifest_from_json, write_files
from edge_sdk.errors import EdgeError, ManifestError

PARITY = "parity"  # in the provenance of a manifest: what the parity gate found of the model


@dataclass(frozen=True)
class Artifact:
    """A TFLite model and the manifest that describes it."""

    manifest: Manifest
    model: bytes

    def with_model(self, model: bytes, recipe: str, name: str) -> Artifact:
        """The same step computed by other bytes, of which nothing is proved or scored yet."""
        m, sha256 = self.manifest, hashlib.sha256(model).hexdigest()
        provenance = {key: value for key, value in m.provenance.items() if key != PARITY}
        made = replace(m, name=name, recipe=recipe, size=len(model), sha256=sha256, quality={}, provenance=provenance)
        return Artifact(made, model)

    @property
    def bundle(self) -> Bundle:
        """What a `Separator` runs."""
        return Bundle(self.manifest, self.model)


def write_artifact(artifact: Artifact, folder: Path, force: bool = False) -> Path:
    """Write both files, or none; the path of the model. Refuses to overwrite unless `force`."""
    if not force:
        check_free(folder, artifact.manifest.name)
    model, beside = paths(folder, artifact.manifest.name)
    try:
        write_files({model: artifact.model, beside: artifact.manifest.to_json()})
    except OSError as error:
        raise EdgeError(
            f"{folder}: cannot be written to ({error.strerror}); free space or choose another --out"
        ) from error
    return model


def check_free(folder: Path, name: str) -> None:
    """`EdgeError` where an artifact of that name would overwrite something."""
    for path in paths(folder, name):
        if path.exists():
            raise EdgeError(f"{path} exists; choose another --out or give --force")


def paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where the model and the manifest of that name lie."""
    return folder / f"{name}.tflite", folder / f"{name}.json"


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
