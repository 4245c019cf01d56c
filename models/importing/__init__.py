"""Checkpoints of other toolkits as networks of ours: `import_checkpoint`."""

from models.importing.checkpoint import Imported, import_checkpoint

__all__ = ["Imported", "import_checkpoint"]
