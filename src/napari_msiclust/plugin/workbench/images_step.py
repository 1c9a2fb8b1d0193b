"""Step two: which ion images, and how they are prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from magicgui.widgets import ComboBox, Container, FileEdit, FloatSpinBox
from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QGroupBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_msiclust.config import ClusterConfig
from napari_msiclust.msi.extract import Normalization
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.spatial import keep_structured, morans_i
from napari_msiclust.plugin.layers import KEY, IonDataset, stack_layer
from napari_msiclust.plugin.workbench.workspace import Workspace
from napari_msiclust.reading import ReadingSettings

_NONE = "none"


class ImagesStep(QWidget):
    """Peaks and normalisation, tissue and hotspots, and ions without structure.

    Parameters
    ----------
    workspace : Workspace
    """

    said = Signal(str)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._structure: npt.NDArray[np.float64] | None = None
        self._looked_at: IonDataset | None = None
        self._make_forms()
        self.make, self.leave_out = QPushButton("Make ion images"), QPushButton("Leave them out")
        self.make.setToolTip("read the file again with these settings; a new layer is added")
        self.leave_out.setToolTip("make a new stack without the ions that look like noise; the old one stays")
        self.summary, self.counts = QLabel(), QLabel()
        for label in (self.summary, self.counts):
            label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.summary)
        for title, parts in (
            ("Ion images from the file", (self.source.native, self.make)),
            ("For clustering", (self.preparation.native,)),
            ("Ions that look like noise", (self.triage.native, self.counts, self.leave_out)),
        ):
            box = QGroupBox(title)
            inside = QVBoxLayout(box)
            for part in parts:
                inside.addWidget(part)
            layout.addWidget(box)
        layout.addStretch(1)
        self.make.clicked.connect(self._make)
        self.leave_out.clicked.connect(self._leave_out)
        self.least_structure.changed.connect(self._count)
        self.refresh()

    def _make_forms(self) -> None:
        fields = ClusterConfig.model_fields
        self.mz_list = FileEdit(
            label="m/z list",
            filter="*.csv",
            nullable=True,
            tooltip="a CSV with a column mz, such as METASPACE's annotations; else the own m/z axis of "
            "the file is taken, or peaks are picked",
        )
        self.tolerance = FloatSpinBox(
            label="tolerance (ppm)",
            value=20,
            min=0.1,
            max=5000,
            step=1,
            tooltip="half width of an m/z window",
        )
        self.normalization = ComboBox(
            label="normalisation",
            choices=[_NONE, *get_args(Normalization)],
            tooltip="what each spectrum is divided by: its sum (tic), root mean square, or median",
        )
        self.source = _form(self.mz_list, self.tolerance, self.normalization)
        self.tissue = ComboBox(
            label="tissue",
            choices=get_args(fields["tissue"].annotation),
            value=fields["tissue"].default,
            tooltip=fields["tissue"].description,
        )
        self.hotspots = FloatSpinBox(
            label="hotspot quantile",
            value=fields["hotspot_quantile"].default,
            min=0.9,
            max=1.0,
            step=0.001,
            tooltip=fields["hotspot_quantile"].description,
        )
        self.preparation = _form(self.tissue, self.hotspots)
        self.least_structure = FloatSpinBox(
            label="least Moran's I",
            value=0.05,
            min=-1,
            max=1,
            step=0.01,
            tooltip="how alike neighbouring pixels are: about 0 for noise, near 1 for smooth images",
        )
        self.triage = _form(self.least_structure)

    def settings(self) -> dict[str, Any]:
        """The fields of the configuration that are set here."""
        return {"tissue": self.tissue.value, "hotspot_quantile": self.hotspots.value}

    def refresh(self) -> None:
        """Show the chosen data; their structure is measured beside the window."""
        dataset = self._workspace.dataset
        for button in (self.make, self.leave_out):
            button.setEnabled(dataset is not None)
        if dataset is None:
            self._looked_at, self._structure = None, None
            self.summary.setText("Open a file first.")
            self.counts.setText("")
            return
        if dataset is self._looked_at:
            return
        self._looked_at, self._structure = dataset, None
        images = dataset.images
        low, high = (float(images.mz[0]), float(images.mz[-1])) if len(images) else (0.0, 0.0)
        self.summary.setText(f"<b>{len(images)} ion images</b>, m/z {low:.2f} to {high:.2f}")
        self.counts.setText("counting …")
        self._workspace.background.run(
            "structure",
            lambda: morans_i(images.values, images.grid),
            lambda structure: self._measured(dataset, structure),
            self.counts.setText,
        )

    def _measured(self, dataset: IonDataset, structure: npt.NDArray[np.float64]) -> None:
        if dataset is self._looked_at:
            self._structure = structure
            self._count()

    def _count(self) -> None:
        if self._structure is None:
            return
        below = int((self._structure < self.least_structure.value).sum())
        self.counts.setText(f"{below} of {len(self._structure)} ion images have no more structure than that.")
        self.leave_out.setEnabled(0 < below < len(self._structure))

    def _make(self) -> None:
        dataset = self._workspace.dataset
        if dataset is None:
            return
        path, listed = dataset.path, str(self.mz_list.value or "")
        reading = replace(
            dataset.reading,
            mz=Path(listed) if listed not in ("", ".") else None,
            tolerance_ppm=self.tolerance.value,
            tolerance_da=None,
            normalization=self.normalization.value,
            min_structure=None,
        )
        self.make.setEnabled(False)
        self.said.emit(f"reading {path.name} …")

        def read() -> IonImages:
            with reading.opened(path) as file:
                return reading.images(file)

        self._workspace.background.run(
            "extract", read, lambda images: self._add(images, path, reading), self._failed
        )

    def _leave_out(self) -> None:
        dataset, least = self._workspace.dataset, self.least_structure.value
        if dataset is not None:
            images, path, before = dataset.images, dataset.path, dataset.reading
            highest = least if before.min_structure is None else max(least, before.min_structure)
            self._workspace.background.run(
                "triage",
                lambda: keep_structured(images, least),
                lambda kept: self._add(kept, path, replace(before, min_structure=highest)),
                self._failed,
            )

    def _add(self, images: IonImages, path: Path, reading: ReadingSettings) -> None:
        self.make.setEnabled(True)
        data, settings, kind = stack_layer(images, path, path.stem, reading)
        layer = self._workspace.viewer.add_layer(Layer.create(data, settings, kind))
        self._workspace.choose(layer.metadata[KEY])
        self.said.emit(f"{len(images)} ion images of {path.name}")

    def _failed(self, message: str) -> None:
        self.make.setEnabled(True)
        self.said.emit(message)


def _form(*parts: Any) -> Container[Any]:
    form: Container[Any] = Container(widgets=list(parts))
    form.margins = (0, 0, 0, 0)
    layout = form.native.layout()
    if isinstance(layout, QFormLayout):
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return form
