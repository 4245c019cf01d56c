"""What a bundle says of its own making: its parts (CycloneDX 1.5) and provenance (in-toto statement, SLSA 1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_sdk.contract import Manifest, canonical_json

SBOM, PROVENANCE = "sbom.cdx.json", "provenance.json"
Named = Sequence[tuple[str, Manifest]]  # variants by name


def bill_of_materials(name: str, version: str, variants: Named) -> bytes:
    """The models of a release as their manifests describe them; no time and no random number in it."""
    whole = f"{name}@{version}"
    components = [model_component(label, m) for label, m in variants]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": whole, "name": name, "version": version},
            "tools": {"components": [{"type": "application", "name": "edge-sdk"}]},
        },
        "components": components,
        "dependencies": [
            {"ref": whole, "dependsOn": [component["bom-ref"] for component in components]},
            *({"ref": component["bom-ref"]} for component in components),
        ],
    }
    return canonical_json(document)


def model_component(label: str, m: Manifest) -> dict[str, Any]:
    """A variant as a component; its properties are what a manifest knows and CycloneDX has no field for."""
    properties = {"recipe": m.recipe, "sample_rate": m.sample_rate, "mics": m.mics, "sources": m.sources}
    return {
        "type": "machine-learning-model",
        "bom-ref": f"{label}@{m.version}#{m.sha256[:16]}",
        "name": m.name,
        "version": m.version,
        "hashes": [{"alg": "SHA-256", "content": m.sha256}],
        "modelCard": {"modelParameters": {"task": "speech separation", "modelArchitecture": m.architecture}},
        "properties": [{"name": f"edge-sdk:{key}", "value": str(value)} for key, value in properties.items()],
    }


def provenance(variants: Named) -> bytes:
    """Where each model came from, in the words of its manifest: commit, checkpoint, data."""
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{label}.tflite", "digest": {"sha256": m.sha256}} for label, m in variants],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:edge-sdk:export:1",
                "externalParameters": {label: {"recipe": m.recipe, **m.provenance} for label, m in variants},
            },
            "runDetails": {"builder": {"id": "urn:edge-sdk:pack"}},
        },
    }
    return canonical_json(document)
