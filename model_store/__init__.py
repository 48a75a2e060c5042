"""The contract on disk that trainer and service agree on: see docs/model-store.md."""

from model_store.manifest import Manifest, ManifestBody
from model_store.publish import Staging, check_writable, stage
from model_store.store import Finding, ModelStore

__all__ = ["Finding", "Manifest", "ManifestBody", "ModelStore", "Staging", "check_writable", "stage"]
