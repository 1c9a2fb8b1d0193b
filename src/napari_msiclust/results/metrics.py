"""Agreement of clusters with known classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from napari_msiclust.errors import FileFormatError

MATCH_PPM = 10.0


@dataclass(frozen=True)
class Agreement:
    """How well clusters match true classes.

    Attributes
    ----------
    ions : int
        Ions with a true class that were compared.
    unmatched : int
        Ions of the truth that the result does not hold; they are not scored.
    clusters, classes : int
    purity : float
        Share of ions whose class is the most frequent one of their cluster; flatters where there
        are more clusters than classes.
    ari, nmi : float
        Adjusted Rand index and normalized mutual information.
    hungarian_accuracy : float
        Share of ions that agree under the best one-to-one match of clusters and classes.
    """

    ions: int
    unmatched: int
    clusters: int
    classes: int
    purity: float
    ari: float
    nmi: float
    hungarian_accuracy: float

    def to_dict(self) -> dict[str, float | int]:
        """Plain JSON values."""
        return asdict(self)


def agreement(truth: npt.NDArray[np.int64], clusters: npt.NDArray[np.int64], unmatched: int = 0) -> Agreement:
    """Scores of clusters (N,) against classes (N,)."""
    counts = contingency_matrix(truth, clusters)
    rows, columns = linear_sum_assignment(-counts)
    return Agreement(
        ions=len(truth),
        unmatched=unmatched,
        clusters=counts.shape[1],
        classes=counts.shape[0],
        purity=float(counts.max(axis=0).sum() / counts.sum()),
        ari=float(adjusted_rand_score(truth, clusters)),
        nmi=float(normalized_mutual_info_score(truth, clusters)),
        hungarian_accuracy=float(counts[rows, columns].sum() / counts.sum()),
    )


def evaluate_files(ions_csv: str | Path, truth_csv: str | Path) -> Agreement:
    """Scores of an ions.csv against a table of true classes, over the ions whose class is >= 0.

    Parameters
    ----------
    ions_csv : path
        Columns mz, cluster.
    truth_csv : path
        Columns mz, label; an ion is matched to the nearest m/z within 10 ppm.

    Raises
    ------
    FileFormatError
        A table or a column is missing, or no ion matches.
    """
    found = _table(Path(ions_csv), ("mz", "cluster")).sort_values("mz", kind="stable")
    truth = read_truth(truth_csv, found["mz"].to_numpy(dtype=np.float64))
    return truth.score(found["cluster"].to_numpy(dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Truth:
    """Known classes of some ions.

    Attributes
    ----------
    classes : ndarray of int64, shape (n,)
    rows : ndarray of int64, shape (n,)
        Rows of these ions in the ion table.
    unmatched : int
        Ions of the truth that the table does not hold.
    """

    classes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    unmatched: int

    def score(self, clusters: npt.NDArray[np.int64]) -> Agreement:
        """Scores of the clusters of all ions of the table (N,)."""
        return agreement(self.classes, clusters[self.rows], self.unmatched)


def read_truth(truth_csv: str | Path, mz: npt.NDArray[np.float64]) -> Truth:
    """Known classes of the ions of an ion table; those with a class below 0 are left out.

    Parameters
    ----------
    truth_csv : path
        Columns mz, label; an ion is matched to the nearest m/z within 10 ppm.
    mz : ndarray of shape (N,)
        Ascending.

    Raises
    ------
    FileFormatError
        The table or a column is missing, or no ion matches.
    """
    table = _table(Path(truth_csv), ("mz", "label")).sort_values("mz", kind="stable")
    rows = match_mz(table["mz"].to_numpy(dtype=np.float64), mz)
    labels = table["label"].to_numpy(dtype=np.int64)
    known, matched = labels >= 0, rows >= 0
    if not (known & matched).any():
        raise FileFormatError(
            "none of its m/z is among the ions", fix="give the classes of the same ions", path=truth_csv
        )
    chosen = known & matched
    return Truth(labels[chosen], rows[chosen], unmatched=int((known & ~matched).sum()))


def match_mz(wanted: npt.NDArray[np.float64], present: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Row of the nearest of `present` for each of `wanted`, both ascending; -1 beyond 10 ppm."""
    if len(wanted) == len(present) and np.allclose(wanted, present, rtol=MATCH_PPM * 1e-6, atol=0):
        return np.arange(len(wanted))  # keeps two ions of the same m/z apart
    right = np.clip(np.searchsorted(present, wanted), 0, len(present) - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = np.abs(present[left] - wanted) <= np.abs(present[right] - wanted)
    nearest = np.where(nearer_left, left, right)
    close = np.abs(present[nearest] - wanted) <= MATCH_PPM * 1e-6 * wanted
    return np.where(close, nearest, -1)


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise FileFormatError(f"not a CSV table ({error})", fix="give a CSV file", path=path) from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise FileFormatError(
            f"no column {missing[0]}", fix=f"give the columns {', '.join(columns)}", path=path
        )
    numbers: pd.DataFrame = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    if numbers.isna().any().any() or numbers.empty:
        raise FileFormatError("a row lacks a number, or there are no rows", fix="fill every row", path=path)
    return numbers
