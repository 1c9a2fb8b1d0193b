"""Ions that fit their cluster worse than the rest of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

_LEAST_MEMBERS = 5
_WHISKER = 1.5  # interquartile ranges; Tukey, Exploratory Data Analysis, 1977


def outliers(ions: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which ions are outliers of their cluster; shape (N,).

    Those whose centrality lies more than 1.5 interquartile ranges below the first quartile of their
    cluster; none in clusters of fewer than five ions.

    Parameters
    ----------
    ions : DataFrame
        With the columns cluster and centrality.
    """
    cluster, centrality = ions["cluster"].to_numpy(), ions["centrality"].to_numpy()
    found = np.zeros(len(ions), dtype=bool)
    for number in np.unique(cluster[cluster > 0]):
        member = cluster == number
        if member.sum() >= _LEAST_MEMBERS:
            low, high = np.quantile(centrality[member], (0.25, 0.75))
            found |= member & (centrality < low - _WHISKER * (high - low))
    return found
