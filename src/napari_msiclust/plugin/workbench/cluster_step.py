"""Step three: how to cluster, and how it goes."""

from __future__ import annotations

from typing import Any, get_args

from magicgui.widgets import CheckBox, ComboBox, Container, SpinBox
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_msiclust.config import ClusterConfig, Device, Preset
from napari_msiclust.plugin.workbench.views.progress_plot import ProgressPlot
from napari_msiclust.progress import Progress

_MOST_CLUSTERS = 500
_LARGEST_SEED = 2**31 - 1
_SOME_CLUSTERS = 20
_FIRST_CHOICE = ("default", "fast")


class ClusterStep(QWidget):
    """Preset, clusters, device and seed; live curves."""

    def __init__(self) -> None:
        super().__init__()
        self._make_form()
        self.curves = ProgressPlot()
        self.evidence = QLabel()
        self.evidence.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.form.native)
        legend = QLabel(
            "Loss while training; dashed: share of ions whose label is confident (all of them at the height "
            "of the largest loss). Presets paper and fast train on these alone, preset default on all, each "
            "as firmly as it is sure."
        )
        legend.setWordWrap(True)
        layout.addWidget(legend)
        layout.addWidget(self.curves)
        layout.addWidget(self.evidence)
        layout.addStretch(1)

    def _make_form(self) -> None:
        fields = ClusterConfig.model_fields
        presets: tuple[str, ...] = get_args(Preset)
        self._usual = fields["clusters"].default
        self.preset = ComboBox(
            label="preset",
            choices=presets,
            value=next(name for name in (*_FIRST_CHOICE, *presets) if name in presets),
            tooltip=fields["preset"].description,
        )
        self.auto = CheckBox(
            text="choose the number of clusters from the data",
            tooltip="the evidence for it stands in the result; untick it to set the number yourself",
            value=self._usual == "auto",
        )
        self.clusters = SpinBox(
            label="clusters",
            value=self._usual if isinstance(self._usual, int) else _SOME_CLUSTERS,
            min=2,
            max=_MOST_CLUSTERS,
            tooltip=fields["clusters"].description,
        )
        self.device = ComboBox(
            label="device", choices=get_args(Device), value="auto", tooltip=fields["device"].description
        )
        self.seed = SpinBox(
            label="seed", value=0, min=0, max=_LARGEST_SEED, tooltip=fields["seed"].description
        )
        self.form: Container[Any] = Container(
            widgets=[self.preset, self.auto, self.clusters, self.device, self.seed]
        )
        self.form.margins = (0, 0, 0, 0)
        self.preset.changed.connect(self._preset_changed)
        self.auto.changed.connect(self._auto_changed)
        self._auto_changed(self.auto.value)

    def _asked(self) -> int | str:
        return "auto" if self.auto.value else int(self.clusters.value)

    def _preset_changed(self, preset: Preset) -> None:
        """The preset's own number of clusters, unless another one was set here."""
        before, self._usual = self._usual, ClusterConfig.from_preset(preset).clusters
        if self._asked() == before:
            self.auto.value = self._usual == "auto"
            if isinstance(self._usual, int):
                self.clusters.value = self._usual

    def _auto_changed(self, auto: bool) -> None:
        self.clusters.enabled = not auto

    def config(self, **more: object) -> ClusterConfig:
        """The settings as chosen here, with more from other steps.

        Raises
        ------
        pydantic.ValidationError
            They do not fit together.
        """
        return ClusterConfig.from_preset(
            self.preset.value,
            clusters=self._asked(),
            device=self.device.value,
            seed=self.seed.value,
            **more,
        )

    def begin(self) -> None:
        """A run begins."""
        self.curves.clear()
        self.evidence.setText("")
        self.form.enabled = False

    def add(self, steps: list[Progress]) -> None:
        """Steps were made."""
        self.curves.add(steps)

    def end(self) -> None:
        """The run is over."""
        self.form.enabled = True
        self._auto_changed(self.auto.value)
