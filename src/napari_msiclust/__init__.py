"""Group co-localized ions of mass spectrometry imaging data, without manual annotation.

The public names are imported when they are first used, so that importing the package, or opening
a file, loads neither torch nor Qt.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_msiclust.config import ClusterConfig
    from napari_msiclust.msi.extract import extract_ion_images
    from napari_msiclust.msi.imzml import open_imzml
    from napari_msiclust.pipeline import cluster_ions
    from napari_msiclust.results.cluster_result import ClusterResult

__all__ = ["ClusterConfig", "ClusterResult", "cluster_ions", "extract_ion_images", "open_imzml"]

_HOMES = {
    "open_imzml": "msi.imzml",
    "extract_ion_images": "msi.extract",
    "cluster_ions": "pipeline",
    "ClusterConfig": "config",
    "ClusterResult": "results.cluster_result",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return metadata.version("napari-msiclust")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
