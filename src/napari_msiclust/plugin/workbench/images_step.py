"""Step two: which ion images, and how they are prepared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from magicgui.widgets import ComboBox, Container, FileEdit, FloatSpinBox
from napari.layers import Labels, Layer, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.config import ClusterConfig, TriageConfig
from napari_msiclust.msi.extract import Normalization
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import on_tissue
from napari_msiclust.msi.triage import (
    DUPLICATE,
    OFF_TISSUE,
    SPARSE,
    STRUCTURELESS,
    assigned_bins,
    bin_counts,
    structure_scores,
    triage_scores,
)
from napari_msiclust.plugin.layers import KEY, IonDataset, stack_layer
from napari_msiclust.plugin.workbench.background import Background
from napari_msiclust.plugin.workbench.geometry import region_of
from napari_msiclust.plugin.workbench.workspace import Workspace
from napari_msiclust.reading import ReadingSettings

_NONE = "none"
_BINS = {  # name of the bin: its switch in the settings, and what it is in the user's words
    SPARSE: ("sparse", "signal in next to no pixel"),
    STRUCTURELESS: ("structureless", "pixels that might as well be shuffled: noise"),
    OFF_TISSUE: ("off_tissue", "brighter beside the tissue than on it, as of a matrix"),
    DUPLICATE: ("duplicate", "second images of the same peak"),
}


class ImagesStep(QWidget):
    """Peaks and normalisation, tissue and hotspots, and the ions that take no part.

    Parameters
    ----------
    workspace : Workspace
    """

    said = Signal(str)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._background = Background(self)
        self._looked_at: IonDataset | None = None
        self._structure: npt.NDArray[np.float64] | None = None
        self._scores: pd.DataFrame | None = None
        self._make_forms()
        self.make = QPushButton("Make ion images")
        self.make.setToolTip("read the file again with these settings; a new layer is added")
        self.bins = {name: QCheckBox(name) for name in _BINS}
        for name, box in self.bins.items():
            box.setChecked(True)
            box.setToolTip(f"{_BINS[name][1]}; unticked, they are clustered, too")
            box.toggled.connect(self._count)
        self.summary, self.counts = QLabel(), QLabel()
        for label in (self.summary, self.counts):
            label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.summary)
        for title, parts in (
            ("Ion images from the file", (self.source.native, self.make)),
            ("For clustering", (self.preparation.native,)),
            ("Ions that take no part", (self._switches(), self.thresholds.native, self.counts)),
        ):
            group = QGroupBox(title)
            inside = QVBoxLayout(group)
            for part in parts:
                inside.addWidget(part)
            layout.addWidget(group)
        layout.addStretch(1)
        self.make.clicked.connect(self._make)
        for field in (self.least_pixels, self.significance, self.least_contrast):
            field.changed.connect(self._count)
        for scored in (self.tissue, self.duplicate_ppm, self.duplicate_correlation):
            scored.changed.connect(self._score)
        workspace.layers_changed.connect(self._list_regions)
        self._list_regions()
        self.refresh()

    def _switches(self) -> QWidget:
        """The boxes of the bins, two in a row."""
        switches = QWidget()
        grid = QGridLayout(switches)
        grid.setContentsMargins(0, 0, 0, 0)
        for place, box in enumerate(self.bins.values()):
            grid.addWidget(box, place // 2, place % 2)
        return switches

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
        self.least_pixels = _threshold("min_pixel_fraction", "least pixels (%)", 0, 100, 0.1, unit=100)
        self.significance = _threshold("significance", "chance of noise", 1e-6, 0.4, 0.005)
        self.least_contrast = _threshold("min_contrast", "least contrast", -1, 1, 0.05)
        self.duplicate_ppm = _threshold("duplicate_ppm", "duplicate within (ppm)", 0, 5000, 5)
        self.duplicate_correlation = _threshold(
            "duplicate_correlation", "duplicate correlation", 0.01, 1, 0.001
        )
        self.thresholds = _form(
            self.least_pixels,
            self.significance,
            self.least_contrast,
            self.duplicate_ppm,
            self.duplicate_correlation,
        )

    def settings(self) -> dict[str, Any]:
        """The fields of the configuration that are set here."""
        tissue = self.tissue.value if isinstance(self.tissue.value, str) else "acquired"
        return {"tissue": tissue, "hotspot_quantile": self.hotspots.value, "triage": self._triage()}

    def images(self) -> Callable[[], IonImages] | None:
        """What makes the chosen ion images, with the tissue that a layer gives; None where none are open.

        It is called in a thread, for a painted layer may be large. It raises an `InputError` if the layer
        covers no pixel.
        """
        dataset, layer, region = self._workspace.dataset, self._workspace.dataset_layer, self.tissue.value
        if dataset is None:
            return None
        images = dataset.images
        if layer is None or isinstance(region, str):
            return lambda: images
        point, shape = self._workspace.viewer.dims.point, images.grid.shape
        return lambda: images.with_mask(region_of(region, layer, shape, point))

    def _triage(self) -> TriageConfig:
        switches = {_BINS[name][0]: box.isChecked() for name, box in self.bins.items()}
        return TriageConfig(
            min_pixel_fraction=self.least_pixels.value / 100,
            significance=self.significance.value,
            min_contrast=self.least_contrast.value,
            duplicate_ppm=self.duplicate_ppm.value,
            duplicate_correlation=self.duplicate_correlation.value,
            **switches,
        )

    def _list_regions(self) -> None:
        """Offer the layers that can tell what is tissue."""
        fields = ClusterConfig.model_fields
        own = {id(layer) for layer in self._workspace.result_layers()}
        regions = [
            (f"layer: {layer.name}", layer)
            for layer in self._workspace.viewer.layers
            if isinstance(layer, Labels | Shapes) and id(layer) not in own
        ]
        before = self.tissue.value
        with self.tissue.changed.blocked():
            self.tissue.choices = [
                *((name, name) for name in get_args(fields["tissue"].annotation)),
                *regions,
            ]
        if self.tissue.value != before:
            self._score()

    def refresh(self) -> None:
        """Show the chosen data; what takes no part is found beside the window."""
        dataset = self._workspace.dataset
        self.make.setEnabled(dataset is not None)
        if dataset is None:
            self._looked_at, self._scores = None, None
            self.summary.setText("Open a file first.")
            self.counts.setText("")
            return
        if dataset is self._looked_at:
            return
        self._looked_at, self._structure = dataset, None
        images = dataset.images
        low, high = (float(images.mz[0]), float(images.mz[-1])) if len(images) else (0.0, 0.0)
        self.summary.setText(f"<b>{len(images)} ion images</b>, m/z {low:.2f} to {high:.2f}")
        self._score()

    def _score(self) -> None:
        """Find the scores of all ions for the tissue that is chosen."""
        dataset = self._looked_at
        self._scores = None
        if dataset is None or dataset is not self._workspace.dataset:
            return  # `refresh` follows where another one was chosen
        self.counts.setText("counting …")
        settings, known, make = ClusterConfig(**self.settings()), self._structure, self.images()

        def score() -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
            assert make is not None
            images = make()
            structure = structure_scores(images) if known is None else known
            tissue = on_tissue(images, settings, structure)
            return structure, triage_scores(tissue, settings.triage, structure)

        self._background.run(
            "triage", score, lambda found: self._scored(dataset, *found), self.counts.setText
        )

    def _scored(self, dataset: IonDataset, structure: npt.NDArray[np.float64], scores: pd.DataFrame) -> None:
        if dataset is self._looked_at:
            self._structure, self._scores = structure, scores
            self._count()

    def _count(self) -> None:
        """Tell how many ions each bin holds with the thresholds as they are."""
        if self._scores is None:
            return
        settings = self._triage()
        whole = settings.model_copy(update={switch: True for switch, _ in _BINS.values()})
        counts = assigned_bins(self._scores, whole)["bin"].value_counts()
        for name, box in self.bins.items():
            box.setText(f"{name}: {counts.get(name, 0)}")
        bins = assigned_bins(self._scores, settings)
        left = int((bins["bin"] == "").sum())
        self.counts.setText(f"{left} of {len(bins)} ion images take part; in bins: {bin_counts(bins)}.")

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

        self._background.run("extract", read, lambda images: self._add(images, path, reading), self._failed)

    def _add(self, images: IonImages, path: Path, reading: ReadingSettings) -> None:
        self.make.setEnabled(True)
        data, settings, kind = stack_layer(images, path, path.stem, reading)
        layer = self._workspace.viewer.add_layer(Layer.create(data, settings, kind))
        self._workspace.choose(layer.metadata[KEY])
        self.said.emit(f"{len(images)} ion images of {path.name}")

    def _failed(self, message: str) -> None:
        self.make.setEnabled(True)
        self.said.emit(message)


def _threshold(
    name: str, label: str, least: float, most: float, step: float, *, unit: float = 1
) -> FloatSpinBox:
    """A box for a threshold of the triage, shown in parts of `unit`."""
    return FloatSpinBox(
        label=label,
        value=unit * getattr(TriageConfig(), name),
        min=least,
        max=most,
        step=step,
        tooltip=TriageConfig.model_fields[name].description,
    )


def _form(*parts: Any) -> Container[Any]:
    form: Container[Any] = Container(widgets=list(parts))
    form.margins = (0, 0, 0, 0)
    layout = form.native.layout()
    if isinstance(layout, QFormLayout):
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return form
