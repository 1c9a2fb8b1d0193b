"""The options that say how ions are clustered, shared by the commands that do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from napari_msiclust.cli.commands import KeepOption
from napari_msiclust.config import ClusterConfig, Device, EncoderName, Objective, Preset, Tissue, TriageConfig
from napari_msiclust.errors import InputError

PresetOption = Annotated[
    Preset,
    typer.Option(help="default: the best known; paper: as published; fast: its stages, fewer epochs."),
]
ClustersOption = Annotated[
    str | None,
    typer.Option(metavar="auto|K", help="Number of clusters; without it as the preset has it."),
]
SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same seed, same machine: same result.")]
DeviceOption = Annotated[Device, typer.Option(help="auto takes CUDA, then MPS, then the CPU.")]
EpochsOption = Annotated[
    int | None, typer.Option(min=0, help="Epochs of contrastive training; other stages in proportion.")
]
ObjectiveOption = Annotated[
    Objective | None, typer.Option(help="Contrastive objective; without it as the preset has it.")
]
EncoderOption = Annotated[EncoderName, typer.Option(help="The network.")]
WeightsOption = Annotated[str, typer.Option(help="bundled, download, random, or a weight file.")]

TissueOption = Annotated[
    Tissue,
    typer.Option(help="On-tissue pixels: estimated from the ion images, or all acquired ones."),
]
_SWITCHES = ("sparse", "structureless", "off_tissue", "duplicate")
_THRESHOLDS = tuple(name for name in TriageConfig.model_fields if name not in _SWITCHES)
TriageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--triage",
        metavar="NAME=VALUE",
        help=f"A threshold of the bins: {', '.join(_THRESHOLDS)}; repeatable.",
    ),
]


@dataclass(frozen=True)
class ClusteringOptions:
    """The options that say how ions are clustered."""

    preset: PresetOption = "default"
    clusters: ClustersOption = None
    seed: SeedOption = 0
    device: DeviceOption = "auto"
    epochs: EpochsOption = None
    objective: ObjectiveOption = None
    encoder: EncoderOption = "efficientnet-lite0"
    weights: WeightsOption = "bundled"
    tissue: TissueOption = "estimate"
    keep: KeepOption = None
    triage: TriageOption = None

    def config(self) -> ClusterConfig:
        """The settings they make.

        Raises
        ------
        InputError
            An option has no such value.
        """
        config = ClusterConfig.from_preset(
            self.preset,
            seed=self.seed,
            device=self.device,
            encoder=self.encoder,
            weights=self.weights,
            tissue=self.tissue,
            triage=_triage(self.keep, self.triage),
            **_cluster_number(self.clusters),
        )
        if self.epochs is not None:
            config = config.with_epochs(self.epochs)
        return config if self.objective is None else config.with_objective(self.objective)


def with_clustering_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all `ClusteringOptions`; it gets them as its argument `clustering`."""
    own = dict(inspect.signature(command, eval_str=True).parameters)
    del own["clustering"]
    options = inspect.signature(ClusteringOptions, eval_str=True).parameters
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*own.values(), *options.values())
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        command(clustering=ClusteringOptions(**{name: values.pop(name) for name in options}), **values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _triage(keep: list[str] | None, thresholds: list[str] | None) -> TriageConfig:
    """The --keep and --triage options as a setting."""
    kept = {name.replace("-", "_") for name in keep or ()}
    if unknown := kept.difference(_SWITCHES):
        raise InputError(
            f"--keep is {', '.join(sorted(unknown))}",
            fix="give sparse, structureless, off-tissue, or duplicate",
        )
    given = {name: value for name, _, value in (text.partition("=") for text in thresholds or ())}
    if unknown := set(given).difference(_THRESHOLDS):
        raise InputError(
            f"--triage sets {', '.join(sorted(unknown))}",
            fix=f"give NAME=VALUE with a name of {', '.join(_THRESHOLDS)}",
        )
    try:
        return TriageConfig.model_validate({**dict.fromkeys(kept, False), **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"--triage {first['loc'][0]}={first['input']}: {first['msg'].lower()}", fix="give another value"
        ) from error


def _cluster_number(text: str | None) -> dict[str, int | str]:
    """The --clusters option as a setting; the preset's own number if it is not given."""
    if text is None:
        return {}
    if text == "auto":
        return {"clusters": "auto"}
    if not text.isdecimal() or int(text) < 2:
        raise InputError(f"--clusters is {text}", fix="give auto or a number from 2 on")
    return {"clusters": int(text)}
