"""Step one: the file, what is in it, and what is wrong with it."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_msiclust.msi.preflight import FileReport, examine
from napari_msiclust.plugin.workbench.workspace import Workspace

_PLUGIN = "napari-msiclust"
_EMPTY = (
    "Drop an <b>.imzML</b> file on the canvas (its .ibd lies beside it), press <b>Open…</b>, or take "
    "<i>File &gt; Open Sample &gt; MSI ion clustering</i>."
)
_SPECTRA = ("mode", "spectrum_type", "polarity")
_SIGNS = {"error": "✖ error", "warning": "▲ warning", "note": "● note"}


class FileStep(QWidget):
    """Facts and findings of the chosen file.

    Parameters
    ----------
    workspace : Workspace
    """

    said = Signal(str)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self.open, self.report = QPushButton("Open…"), QLabel(_EMPTY)
        self.open.setToolTip("open an imzML or Analyze 7.5 file")
        self.report.setWordWrap(True)
        self.report.setTextFormat(Qt.TextFormat.RichText)
        self.report.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.report.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(self.report)
        top = QHBoxLayout()
        top.addWidget(self.open)
        top.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(area, stretch=1)
        self._path: object = None
        self.open.clicked.connect(self._open)
        self.refresh()

    def refresh(self) -> None:
        """Look the chosen file over, beside the window."""
        dataset = self._workspace.dataset
        path = None if dataset is None else dataset.path
        if path == self._path:
            return
        self._path = path
        if path is None:
            self.report.setText(_EMPTY)
            return
        self.report.setText(f"looking at {html.escape(path.name)} …")
        self._workspace.background.run("examine", lambda: examine(path), self._show, self.report.setText)

    def _show(self, report: FileReport) -> None:
        if report.path == self._path:
            self.report.setText(report_html(report))

    def _open(self) -> None:
        kinds = "Mass spectrometry imaging (*.imzML *.imzml *.hdr)"
        path, _ = QFileDialog.getOpenFileName(self, "Open a file", "", kinds)
        if path:
            self._workspace.viewer.open(path, plugin=_PLUGIN)


def report_html(report: FileReport) -> str:
    """Facts and findings as rich text."""
    facts = report.facts
    size = facts.get("pixel_size_um")
    rows = {
        "pixels": f"{facts.get('pixels', 0):,}".replace(",", " "),
        "rows and columns": " by ".join(map(str, facts.get("shape", ()))),
        "pixel size": "unknown" if not size else " by ".join(f"{length:g}" for length in size) + " µm",
        "m/z range": " to ".join(f"{mz:.2f}" for mz in facts.get("mz_range", ())),
        "spectra": ", ".join(
            str(facts.get(name)) for name in ("mode", "spectrum_type", "polarity") if facts.get(name)
        ),
        "values in a spectrum": " to ".join(map(str, sorted(set(facts.get("values_per_spectrum", ()))))),
        "software": facts.get("software"),
    }
    table = "".join(
        f"<tr><td>{html.escape(name)}&nbsp;&nbsp;</td><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
        if value
    )
    findings = "".join(
        f"<p><b>{_SIGNS[finding.severity]}</b>: {html.escape(finding.in_words())}</p>"
        for finding in report.findings
    )
    verdict = "The file can be clustered." if report.usable else "The file cannot be used as it is."
    return f"<h3>{html.escape(report.path.name)}</h3><table>{table}</table><p>{verdict}</p>{findings}"
