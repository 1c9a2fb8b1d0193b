"""Losses of contrastive training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_msiclust.config import ContrastiveConfig

_POSITIVE, _NEGATIVE = 0.5, 0.15  # likeness from which on, and up to which, a pair counts as one


class Objective:
    """The contrastive loss that a configuration names, with the memory that it needs.

    Parameters
    ----------
    config : ContrastiveConfig
    count : int
        Images in training.
    likeness : Tensor of shape (N, N), optional
        As in `nt_xent`, for all images.
    """

    def __init__(self, config: ContrastiveConfig, count: int, likeness: Tensor | None = None) -> None:
        self._config, self._count, self._likeness = config, count, likeness
        self._support: Tensor | None = None

    def __call__(self, first: Tensor, second: Tensor, indices: Tensor) -> Tensor:
        """Loss of two views (B, D) of the images with these indices (B,)."""
        chosen = indices.to(first.device)
        among = None if self._likeness is None else self._likeness[chosen][:, chosen]
        if self._config.objective == "simclr":
            return nt_xent(first, second, self._config.temperature, among)
        if self._support is None:
            self._support = first.new_zeros((self._count, first.shape[1]), dtype=torch.float32)
        loss = nnclr(first, second, self._config.temperature, self._support, chosen, among)
        self._support[chosen] = F.normalize(first.detach().float(), dim=1)
        return loss


def nt_xent(first: Tensor, second: Tensor, temperature: float, likeness: Tensor | None = None) -> Tensor:
    """Normalized temperature-scaled cross-entropy (SimCLR; Chen et al. 2020, arXiv 2002.05709).

    Parameters
    ----------
    first, second : Tensor of shape (B, D)
        Projections of two views; rows with the same index belong to the same image.
    temperature : float
    likeness : Tensor of shape (B, B), optional
        0 to 1, 1 on the diagonal. Pairs from 0.5 on are positives, weighted by it, each held against
        the negatives; between 0.15 and 0.5 a pair is neither. Without it an image has no positive but
        its other view.

    Returns
    -------
    Tensor
        Mean over the 2 B views; one (2 B, 2 B) matrix product.
    """
    views = F.normalize(torch.cat((first, second)).float(), dim=1)
    logits = views @ views.T / temperature
    logits.fill_diagonal_(-torch.inf)
    count = len(first)
    if likeness is None:
        partner = torch.arange(2 * count, device=logits.device).roll(count)
        return F.cross_entropy(logits, partner)
    return _against_negatives(logits, likeness.repeat(2, 2).fill_diagonal_(0))


def nnclr(
    first: Tensor,
    second: Tensor,
    temperature: float,
    support: Tensor,
    own: Tensor,
    likeness: Tensor | None = None,
) -> Tensor:
    """Contrast of one view with the nearest neighbour of the other (NNCLR; Dwibedi et al. 2021, 2104.14548).

    Parameters
    ----------
    first, second : Tensor of shape (B, D)
        Projections of two views.
    temperature : float
    support : Tensor of shape (N, D)
        Latest directions of all images, among which a neighbour is looked for; zero where none is known.
    own : Tensor of int, shape (B,)
        Rows of `support` that belong to the images themselves and are no neighbours.
    likeness : Tensor of shape (B, B), optional
        As in `nt_xent`.
    """
    count = len(first)
    weights = torch.eye(count, device=first.device) if likeness is None else likeness
    one, other = F.normalize(first.float(), dim=1), F.normalize(second.float(), dim=1)
    loss = first.new_zeros((), dtype=torch.float32)
    for anchor, partner in ((one, other), (other, one)):
        with torch.no_grad():
            similarity = anchor @ support.T
            similarity[:, ~support.any(1)] = -torch.inf  # not yet seen
            similarity[torch.arange(count), own] = -torch.inf
            best = similarity.max(1)
            found = torch.isfinite(best.values)[:, None]
            neighbor = torch.where(found, support[best.indices], anchor)
        loss = loss + _against_negatives(neighbor @ partner.T / temperature, weights)
    return loss / 2


def _against_negatives(logits: Tensor, likeness: Tensor) -> Tensor:
    """Mean cross-entropy of each positive pair against the negatives of its row."""
    negatives = logits.masked_fill(likeness > _NEGATIVE, -torch.inf).logsumexp(1, keepdim=True)
    weights = torch.where(likeness >= _POSITIVE, likeness, 0.0)
    surprise = torch.logaddexp(logits, negatives) - logits
    surprise = torch.where(weights > 0, surprise, 0.0)
    return ((surprise * weights).sum(1) / weights.sum(1).clamp(min=1e-9)).mean()
