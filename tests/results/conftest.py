from __future__ import annotations

import pytest

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History
from napari_msiclust.results.ion_basis import IonBasis


@pytest.fixture(scope="session")
def basis(tissue_result: ClusterResult, tissue_images: IonImages) -> IonBasis:
    return IonBasis.of(tissue_result, tissue_images)


@pytest.fixture
def history(tissue_result: ClusterResult, basis: IonBasis) -> History:
    return History.begin(tissue_result, basis)
