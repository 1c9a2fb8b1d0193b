"""A magicgui form built from the fields of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from magicgui.widgets import CheckBox, ComboBox, Container, SpinBox
from napari.layers import Image

from napari_msiclust.config import ClusterConfig, Device, Preset

_MOST_CLUSTERS = 500
_LARGEST_SEED = 2**31 - 1


class SettingsForm(Container[Any]):
    """Layer, preset, clusters, device and seed.

    Parameters
    ----------
    ion_layers : callable
        Gives the layers to choose from.
    """

    def __init__(self, ion_layers: Callable[[], list[Image]]) -> None:
        fields = ClusterConfig.model_fields
        self.layer = ComboBox(
            label="ion images",
            choices=lambda _: ion_layers(),
            tooltip="the stack of ion images to cluster",
        )
        self.preset = ComboBox(
            label="preset",
            choices=get_args(Preset),
            value="fast",
            tooltip="paper: as published; fast: the same stages, smaller images, fewer epochs",
        )
        self.clusters = SpinBox(
            label="clusters",
            value=int(str(fields["clusters"].default)),
            min=2,
            max=_MOST_CLUSTERS,
            tooltip=fields["clusters"].description,
        )
        self.auto = CheckBox(
            text="choose the number of clusters", tooltip="from the eigengap of the ion graph", value=False
        )
        self.auto.changed.connect(self._auto_changed)
        self.device = ComboBox(
            label="device", choices=get_args(Device), value="auto", tooltip=fields["device"].description
        )
        self.seed = SpinBox(
            label="seed", value=0, min=0, max=_LARGEST_SEED, tooltip=fields["seed"].description
        )
        super().__init__(widgets=[self.layer, self.preset, self.clusters, self.auto, self.device, self.seed])
        self.margins = (0, 0, 0, 0)

    def _auto_changed(self, auto: bool) -> None:
        self.clusters.enabled = not auto

    def config(self) -> ClusterConfig:
        """The settings as chosen."""
        return ClusterConfig.from_preset(
            self.preset.value,
            clusters="auto" if self.auto.value else self.clusters.value,
            device=self.device.value,
            seed=self.seed.value,
        )
