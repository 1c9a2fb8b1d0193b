"""A trained network apart from the run that trained it: kept as arrays, it reads ions of any section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.pixel_similarity import FloatArray, Mask, directions
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.tissue_frame import TissueFrame, View, square_roots
from napari_msiclust.learning.training import encode
from napari_msiclust.learning.views import random_view

_FRAME, _NETWORK, _VIEWS = "frame.", "network.", "views"
_DRAWS = 2  # pairs of views of each ion
_WITHIN_REACH = 0.98  # of the views of a cluster's ions
_IONS_PER_BLOCK = 64

Arrays = Mapping[str, npt.NDArray[Any]]


def network_arrays(
    network: nn.Module, views: list[FloatArray], frame: TissueFrame | None = None
) -> dict[str, npt.NDArray[Any]]:
    """All that `TrainedNetwork` and `ClusterDirections` need, as arrays.

    Parameters
    ----------
    views : list of ndarray, each of shape (n, D)
        Embedding of random views of the ions that it was trained on (`fusion_views`, `plain_views`).
    """
    tensors = {_NETWORK + name: value for name, value in network.state_dict().items()}
    if frame is not None:
        tensors |= {_FRAME + name: value for name, value in frame.state().items()}
    arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()}
    return arrays | {_VIEWS: np.stack(views).astype(np.float16)}


def without_views(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The same network, for ions that it was not trained on."""
    return {**arrays, _VIEWS: np.empty((0, 0, 0), np.float16)}


def fusion_views(network: FusionEncoder, views: SplitViews) -> list[FloatArray]:
    """Embeddings (n, D) of ions seen with half of their pixels."""
    found: list[list[FloatArray]] = [[] for _ in range(2 * _DRAWS)]
    device = views.coordinates.device
    for indices in torch.split(torch.arange(len(views)), _IONS_PER_BLOCK):
        for draw in range(_DRAWS):
            for side, view in enumerate(views.pair(indices.to(device))):
                found[2 * draw + side].append(network.embed(view).cpu().numpy())
    return [np.concatenate(parts) for parts in found]


def plain_views(encoder: Encoder, images: Tensor, mask: Tensor, config: ClusterConfig) -> list[FloatArray]:
    """Embeddings (n, D) of weak views of ion images (n, S, S), as the published recipe draws them."""
    draws = torch.Generator(images.device).manual_seed(config.seed)
    drawn = (random_view(images, config.self_labeling.weak_view, draws, mask) for _ in range(_DRAWS))
    return [encode(encoder, view).cpu().numpy() for view in drawn]


class TrainedNetwork:
    """Embeds ion images with a network that was trained before.

    Parameters
    ----------
    arrays : mapping of ndarray
        As `network_arrays` made them.
    config : ClusterConfig
        Settings of the run that trained it.

    Attributes
    ----------
    side : int
        Side in pixels of the images that it takes.
    centred : bool
        Whether its embedding is compared from the mean of the ions.
    views : list of ndarray, each of shape (n, D)
        As `network_arrays` was given them.

    Raises
    ------
    InputError
        There are none, or they are not those of a network with these settings.
    """

    def __init__(self, arrays: Arrays, config: ClusterConfig) -> None:
        if not arrays:
            raise InputError("the result holds no trained network", fix="run the clustering again")
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        own = {
            name.removeprefix(_NETWORK): value for name, value in tensors.items() if name.startswith(_NETWORK)
        }
        frame = {
            name.removeprefix(_FRAME): value for name, value in tensors.items() if name.startswith(_FRAME)
        }
        try:
            self.frame = TissueFrame.from_state(frame) if frame else None
            self.network = _empty_network(config, self.frame)
            self.network.load_state_dict(own)
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(
                "the trained network that was kept does not fit the settings", fix="run the clustering again"
            ) from error
        self.side = config.image_size if self.frame is None else len(self.frame.mask)
        self.centred = self.frame is None
        self.views = list(np.asarray(arrays.get(_VIEWS, ()), dtype=np.float32))

    def embed(self, stack: FloatArray, mask: Mask) -> FloatArray:
        """Embedding (M, D) of ion images (M, side, side) of a tissue (side, side).

        The tissue may be another one than that of the training, laid into the same square: pixels that only
        one of the two has do not count.
        """
        found: FloatArray
        if isinstance(self.network, Encoder):
            found = encode(self.network, torch.from_numpy(stack)).numpy()
            return found
        assert self.frame is not None
        roots = square_roots(stack, torch.device("cpu"))
        weight = (torch.from_numpy(mask) & self.frame.mask).float()
        parts = []
        for images in torch.split(roots, _IONS_PER_BLOCK):
            view: View = self.frame.view(images, weight.expand_as(images), self.frame.blur)
            parts.append(self.network.embed(view))
        found = torch.cat(parts).numpy()
        return found


class ClusterDirections:
    """Where clusters lie in an embedding, how far their ions reach, and which one an ion is nearest to.

    Parameters
    ----------
    features : ndarray of float32, shape (n, D)
        Embedding of the ions of the clusters.
    labels : ndarray of int64, shape (n,)
        1..K; 0 for an ion in no cluster.
    centred : bool
        Whether directions are taken from the mean of all ions, as the published recipe compares them.
    views : list of ndarray, each of shape (n, D)
        Embedding of random views of the ions: what another measurement might make of them. It tells how
        far from its cluster an ion may lie and still be one of it.

    Raises
    ------
    InputError
        No ion is in a cluster.
    """

    def __init__(
        self,
        features: FloatArray,
        labels: npt.NDArray[np.int64],
        *,
        centred: bool,
        views: Sequence[FloatArray] = (),
    ) -> None:
        self._centre = features.mean(axis=0) if centred else np.zeros(features.shape[1], np.float32)
        points = directions(features - self._centre)
        self.clusters = np.unique(labels[labels > 0])
        if not len(self.clusters):
            raise InputError(
                "none of the ions that the network learned from is in a cluster",
                fix="put some of them into a cluster first",
            )
        self._means = directions(np.stack([points[labels == k].sum(axis=0) for k in self.clusters]))
        seen = [self.likeness(view) for view in (features, *views)]
        self._least = np.array(
            [
                np.quantile(np.concatenate([cosine[labels == k, at] for cosine in seen]), 1 - _WITHIN_REACH)
                for at, k in enumerate(self.clusters)
            ]
        )

    def likeness(self, features: FloatArray) -> FloatArray:
        """Cosine (M, K') of ions with the clusters that have ions."""
        cosine: FloatArray = directions(features - self._centre) @ self._means.T
        return cosine

    def unlike(self, likeness: FloatArray) -> npt.NDArray[np.bool_]:
        """Ions (M,) that lie farther from their nearest cluster than its own ions do."""
        nearest = likeness.argmax(axis=1)
        found: npt.NDArray[np.bool_] = likeness.max(axis=1) < self._least[nearest]
        return found


def _empty_network(config: ClusterConfig, frame: TissueFrame | None) -> Encoder | FusionEncoder:
    with torch.random.fork_rng(devices=[]):
        encoder = Encoder(config.encoder)
    if frame is None:
        return encoder
    return FusionEncoder(encoder, frame.basis.shape[1], config.fusion, torch.Generator())


def probabilities(likeness: FloatArray, sharpness: float) -> FloatArray:
    """Softmax (M, K) of cosines."""
    logits: Tensor = torch.from_numpy(likeness * np.float32(sharpness))
    found: FloatArray = logits.softmax(1).numpy()
    return found
