"""Losses of contrastive training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Normalized temperature-scaled cross-entropy (SimCLR; Chen et al. 2020, arXiv 2002.05709).

    Parameters
    ----------
    first, second : Tensor of shape (B, D)
        Projections of two views; rows with the same index belong to the same image.
    temperature : float

    Returns
    -------
    Tensor
        Mean over the 2 B views; one (2 B, 2 B) matrix product.
    """
    views = F.normalize(torch.cat((first, second)).float(), dim=1)
    logits = views @ views.T / temperature
    logits.fill_diagonal_(-torch.inf)
    count = len(first)
    partner = torch.arange(2 * count, device=logits.device).roll(count)
    return F.cross_entropy(logits, partner)
