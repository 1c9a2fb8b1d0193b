"""The settings of a run; one list that feeds the API, the command line and the widget."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Preset = Literal["default", "paper", "fast"]
Objective = Literal["simclr", "nnclr"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Tissue = Literal["estimate", "acquired"]
EncoderName = Literal["efficientnet-lite0", "efficientnet-b0"]

_Range = tuple[float, float]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ViewConfig(_Settings):
    """Random changes that make one view of an ion image.

    No flip, rotation or crop: the position in the tissue carries the meaning.
    """

    blur_sigma: _Range = Field((0.01, 0.75), description="Gaussian blur, sigma in training pixels, uniform")
    jitter: float = Field(
        0.5, ge=0, lt=1, description="brightness and contrast factors, uniform in 1 -+ jitter"
    )
    noise_sigma: _Range = Field(
        (0.001, 0.2), description="Gaussian noise, relative to a bright image, uniform"
    )


class SplitViewConfig(_Settings):
    """Views without common noise, for the consensus recipe."""

    split: bool = Field(True, description="each pixel of an ion image goes to one of the two views only")


class FusionConfig(_Settings):
    """How the network of the consensus recipe reads an ion."""

    pyramid: bool = Field(True, description="earlier maps on coarse grids beside the mean of the last ones")
    pixels: bool = Field(True, description="a linear reading of the pixels that the CNN adds to")
    components: int = Field(30, ge=2, description="principal components of the linear reading")
    size: int = Field(64, ge=2, description="length of the embedding")


class ConsensusConfig(_Settings):
    """Clusterings whose agreement gives clusters, their number, and confidence."""

    runs: int = Field(40, ge=4, description="clusterings of each kind")
    components: tuple[int, int] = Field((12, 30), description="principal components, uniform")
    neighbors: tuple[int, int] = Field((5, 12), description="nearest neighbours, uniform")
    smoothing: float | None = Field(
        None, ge=0, description="Gaussian, sigma in pixels; none: by how well held-out pixels are predicted"
    )
    use_pixels: bool = Field(True, description="clusterings of the pixels vote beside those of the embedding")
    likeness: bool = Field(
        True, description="ions that clusterings of the pixels put together are positives of training"
    )
    refine_epochs: int = Field(6, ge=0, description="passes of self-labeling over all ion images")
    embedding_votes: float = Field(
        1 / 3,
        gt=0,
        le=1,
        description="clusterings of the embedding for each one of the pixels, where both vote",
    )
    min_standing: float = Field(
        0.7,
        ge=0,
        le=1,
        description="ions stay unassigned whose probability is less than this, relative to the median of "
        "their cluster",
    )


class ContrastiveConfig(_Settings):
    """Contrastive training on the ion images of the experiment (Hu et al. 2022, stage 1)."""

    objective: Objective = Field(
        "simclr", description="simclr: the other view is the positive; nnclr: its nearest neighbour"
    )
    epochs: int = Field(50, ge=0, description="passes over all ion images")
    learning_rate: float = Field(1e-3, gt=0, description="Adam, cosine schedule")
    temperature: float = Field(0.5, gt=0, description="of the NT-Xent loss")
    projection_size: int = Field(1024, ge=2, description="outputs of the projection head")
    view: ViewConfig = ViewConfig()


class ClassifierConfig(_Settings):
    """One linear layer on the frozen encoder, fitted to the initial labels (stage 3)."""

    epochs: int = Field(20, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch: int = Field(32, ge=2, description="ions in a batch")


class SelfLabelingConfig(_Settings):
    """Self-labeling on confidently classified ion images (stage 4)."""

    epochs: int = Field(150, ge=0, description="passes over all ion images, at most")
    learning_rate: float = Field(1e-4, gt=0, description="Adam, cosine schedule")
    confidence_quantile: float = Field(
        0.4, ge=0, lt=1, description="quantile of the first confidences above which an ion image may teach"
    )
    weak_view: ViewConfig = ViewConfig(blur_sigma=(0.01, 0.75), jitter=0.25, noise_sigma=(0.001, 0.2))
    strong_view: ViewConfig = ViewConfig(blur_sigma=(0.1, 2.0), jitter=0.5, noise_sigma=(0.001, 0.4))
    check_every: int = Field(5, ge=1, description="epochs between two looks at all labels")
    settled_fraction: float = Field(
        0.01, ge=0, le=1, description="share of changed labels that counts as none"
    )
    patience: int = Field(3, ge=1, description="looks in a row with settled labels after which training ends")


class TriageConfig(_Settings):
    """Which ions are set aside before training, into which bin, and from which score on."""

    sparse: bool = Field(True, description="ions with signal in next to no pixel")
    structureless: bool = Field(True, description="ions whose pixels might as well be shuffled")
    off_tissue: bool = Field(True, description="ions brighter beside the tissue than on it, as of a matrix")
    duplicate: bool = Field(True, description="second images of the same peak")
    min_pixel_fraction: float = Field(
        0.005, ge=0, le=1, description="share of the pixels with signal below which an ion is sparse"
    )
    significance: float = Field(
        0.01, gt=0, lt=0.5, description="chance that a shuffled ion image passes as structured"
    )
    min_contrast: float = Field(
        0.0, ge=-1, le=1, description="(on - off) / (on + off) of the mean intensities beside the tissue"
    )
    duplicate_ppm: float = Field(50.0, ge=0, description="m/z of a duplicate lies this close at most")
    duplicate_correlation: float = Field(
        0.99, gt=0, le=1, description="Pearson correlation with the other image at least"
    )


class ClusterConfig(_Settings):
    """Everything that decides a clustering of ion images.

    The defaults are the preset `default`. `ClusterConfig.from_preset` gives the named presets; `paper` is
    the recipe of Hu, Padmakumar Bindu and Laskin, Chem. Sci. 2022, 13, 90 (doi 10.1039/d1sc04077d).
    """

    preset: Preset = Field("default", description="the named recipe these settings started from")
    recipe: Literal["published", "consensus"] = Field(
        "consensus", description="published: the stages of Hu et al.; consensus: see docs/method.md"
    )
    clusters: Annotated[int, Field(ge=2)] | Literal["auto"] = Field(
        "auto", description="number of clusters, or auto: chosen from the ions themselves, with the reason"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="start of every random number")
    device: Device = Field("auto", description="auto takes CUDA, then Apple MPS, then the CPU")
    encoder: EncoderName = Field("efficientnet-lite0", description="the network that reads an ion image")
    weights: str = Field(
        "bundled",
        description="bundled (ImageNet, offline, lite0 only), download (b0 only), random, or a weight file",
    )
    image_size: int = Field(64, ge=32, le=512, description="side of a training image in pixels")
    hotspot_quantile: float = Field(
        0.999, gt=0.5, le=1, description="intensities above this quantile of the on-tissue pixels are clipped"
    )
    tissue: Tissue = Field(
        "estimate",
        description="on-tissue pixels: estimated from the ion images, or all acquired ones",
    )
    triage: TriageConfig = TriageConfig()
    neighbors: int = Field(10, ge=1, description="neighbours of an ion in the graph for the initial labels")
    max_batch: int = Field(64, ge=4, description="ion images in a batch at most; half of all ions otherwise")
    contrastive: ContrastiveConfig = ContrastiveConfig(epochs=12, temperature=0.3)
    classifier: ClassifierConfig = ClassifierConfig()
    self_labeling: SelfLabelingConfig = SelfLabelingConfig()
    views: SplitViewConfig = SplitViewConfig()
    fusion: FusionConfig = FusionConfig()
    consensus: ConsensusConfig = ConsensusConfig()

    @classmethod
    def from_preset(cls, preset: Preset, **changes: object) -> ClusterConfig:
        """Settings of a preset, with single fields changed.

        Raises
        ------
        pydantic.ValidationError
            A field is unknown or out of its range.
        """
        return cls.model_validate({"preset": preset, **_PRESETS[preset], **changes})

    def with_objective(self, objective: Objective) -> ClusterConfig:
        """The same settings with another contrastive objective."""
        contrastive = self.contrastive.model_copy(update={"objective": objective})
        return self.model_copy(update={"contrastive": contrastive})

    def with_epochs(self, epochs: int) -> ClusterConfig:
        """The same settings with `epochs` of contrastive training and the other stages in proportion."""
        factor = epochs / max(self.contrastive.epochs, 1)
        return self.model_copy(
            update={
                "contrastive": self.contrastive.model_copy(update={"epochs": epochs}),
                "classifier": self.classifier.model_copy(
                    update={"epochs": max(1, round(self.classifier.epochs * min(1.0, factor)))}
                ),
                "self_labeling": self.self_labeling.model_copy(
                    update={"epochs": round(self.self_labeling.epochs * factor)}
                ),
                "consensus": self.consensus.model_copy(
                    update={"refine_epochs": math.ceil(self.consensus.refine_epochs * factor)}
                ),
            }
        )


_PUBLISHED: dict[str, object] = {"recipe": "published", "clusters": 20}
_PRESETS: dict[Preset, dict[str, object]] = {
    "default": {},
    "paper": {**_PUBLISHED, "image_size": 96, "max_batch": 512, "contrastive": ContrastiveConfig()},
    "fast": {
        **_PUBLISHED,
        "contrastive": {"epochs": 14},
        "self_labeling": {"epochs": 10},
    },
}
