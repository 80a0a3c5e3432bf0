"""A network of keras.applications with a head of its own, to start from what was learned on ImageNet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.keras_table.backbones import BackboneEntry, backbone_names, find_backbone
from dlrun.models.head import head
from dlrun.models.layers import Fraction, Hidden, Positive, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.models.parts.layer_selection import LayerSelection, selection_problem, set_trainable
from dlrun.models.pretrained.backbone import (
    backbone_in,
    build_backbone,
    prepare_pixels,
    set_statistics_momentum,
)
from dlrun.names import nearest
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

    BackboneName = str
else:
    BackboneName = Literal[backbone_names()]

SUFFIXES = (".weights.h5", ".keras", ".h5")
"""Ends of the names of files with weights."""

_ARGUMENTS = ("alpha", "depth_multiplier", "minimalistic")


class RunWeights(Fields):
    """Take the weights from a run of dlrun."""

    run: str = Field(min_length=1, description="Id of the run, or path of its folder.")


@models.register("pretrained")
class Pretrained(Hidden, Model):
    """A network of keras.applications without its classifier, followed by a head.

    Images are converted to what the network expects inside the model, exactly once: the dataset needs no preprocessing
    for it, and predictions and exports take the same images as for any other model. A gray image is repeated in all
    three channels.

    Formula:
        y = head(pool(backbone(preprocess(x))))

    Reference:
        Yosinski, Clune, Bengio and Lipson, How transferable are features in deep neural networks?, 2014. Each network:
        https://keras.io/api/applications
    """

    takes = ("image",)

    backbone: BackboneName = Field(
        description="Network of keras.applications, such as mobilenet_v2, efficientnet_b0 or resnet50."
    )
    weights: RunWeights | str = Field(
        default="imagenet",
        description="Its first weights. imagenet: those that Keras publishes, from its folder or the network · "
        "none: random · the path of a .weights.h5, .keras or .h5 file that Keras has written for this network without "
        "its classifier · {run: ID}: those of the same network in a run.",
    )
    trainable: LayerSelection = Field(
        default="none",
        description="Layers of the network that learn; the head always does. none · all · top:30: the last 30, as "
        "Keras counts them · from:LAYER: this one and all after it · a regular expression for whole names. Frozen "
        "layers work as in prediction: BatchNormalization keeps its statistics, and Dropout drops nothing.",
    )
    statistics_momentum: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None,
        description="Part of its moving statistics that each batch normalization of the network keeps in a step; "
        "0.9 suits some hundred steps. null: as in Keras, for most networks 0.99 or 0.999.",
    )
    alpha: float | None = Field(
        default=None, gt=0, description="Width of a mobilenet, as a factor. null: as in Keras, 1.0."
    )
    depth_multiplier: int | None = Field(
        default=None, ge=1, description="Depth multiplier of the depthwise convolutions of mobilenet. null: 1."
    )
    minimalistic: bool | None = Field(
        default=None, description="Whether a mobilenet_v3 is the minimalistic one. null: false."
    )
    pooling: Literal["global_average", "global_max", "flatten"] = Field(
        default="global_average",
        description="How the output of the network becomes a vector. global_average, global_max: keep one value per "
        "filter. flatten: keep every value.",
    )
    head_units: tuple[Positive, ...] = Field(
        default=(), description="Width of each dense layer between the network and the output layer."
    )
    dropout: Fraction = Field(
        default=0.0,
        description="Fraction dropped during training of the vector that the head gets, and of the outputs of each "
        "dense layer, at least 0, below 1.",
    )

    @property
    def entry(self) -> BackboneEntry:
        """The description of the network."""
        return find_backbone(self.backbone)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments of the network that differ from its defaults."""
        given = {name: (getattr(self, name), usual) for name, usual in self.entry.arguments.items()}
        return {name: value for name, (value, usual) in given.items() if value is not None and value != usual}

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model, with random weights.

        Shape:
            Input: `(batch, height, width, 1 or 3)`. Output: `(batch, target.units)`, float32.

        Raises:
            ValueError: It is not known which features are a black and a white pixel.
        """
        import keras

        if features.pixel_range is None:
            raise ValueError("it is not known which values are black and white pixels: use values from 0 to 1 or 255")
        inputs = features_input(features)
        backbone = build_backbone(self.entry, features.shape, self.arguments)
        if self.statistics_momentum is not None:
            set_statistics_momentum(backbone, self.statistics_momentum)
        set_trainable(backbone.layers, self.trainable)
        tensor = backbone(prepare_pixels(inputs, self.entry.preprocessing, features.pixel_range))
        tensor = self.drop(self._vector(tensor), name="features")
        for number, units in enumerate(self.head_units, start=1):
            tensor = self.dense(tensor, units, name=f"dense_{number}")
        return keras.Model(inputs, head(tensor, target), name=self.type_name)

    def backbone_layers(self, core: keras.Model) -> tuple[keras.Layer, ...]:
        """Return the layers of the network, from input to output."""
        return tuple(backbone_in(core).layers)

    def backbone_layer_names(self) -> tuple[str, ...]:
        """Return the names of these layers, as far as they are known before the model is built."""
        return self.entry.layers

    def frozen_layer(self) -> str:
        """Return the name of the layer whose output the head gets."""
        return POOLING

    def files(self) -> Mapping[str, str]:
        """Return the file with weights, if the user names one."""
        named = isinstance(self.weights, str) and self.weights.endswith(SUFFIXES)
        return {"weights": str(self.weights)} if named else {}

    def problems(self) -> Iterator[FieldProblem]:
        """Yield arguments that the network does not have, and weights and layers that do not exist."""
        yield from super().problems()
        usual = self.entry.arguments
        for name in _ARGUMENTS:
            if getattr(self, name) is not None and name not in usual:
                what = f"{self.backbone} has no argument {name}"
                yield FieldProblem((name,), what, "one of " + ", ".join(usual) if usual else "no such key", "remove it")
        if problem := selection_problem(self.trainable, self.entry.layers, path=("trainable",), of=self.backbone):
            yield problem
        yield from self._weights_problems()

    def _weights_problems(self) -> Iterator[FieldProblem]:
        if not isinstance(self.weights, str) or self.weights == "none" or self.files():
            return
        if self.weights != "imagenet":
            near = nearest(self.weights, ("imagenet", "none"))
            what = f"{self.weights!r} is neither imagenet nor none, nor the name of a file with weights"
            expected = f"imagenet, none, a file that ends in {', '.join(SUFFIXES)}, or {{run: ID}}"
            yield FieldProblem(("weights",), what, expected, f"did you mean {near!r}?" if near else "")
            return
        published = [dict(file.arguments) for file in self.entry.files]
        if dict(self.arguments) not in published:
            having = dict.fromkeys(_written(self.entry.arguments, arguments) for arguments in published)
            what = f"Keras publishes no ImageNet weights of {self.backbone} with {_written({}, self.arguments)}"
            yield FieldProblem(("weights",), what, " · ".join(having), "--set model.weights=none")

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield images that are too small, or that are neither gray nor in color."""
        if features.kind != "image":
            return
        height, width, channels = features.shape
        if min(height, width) < self.entry.smallest:
            what = (
                f"{self.backbone} needs images of at least {self.entry.smallest} pixels, but they are {height}x{width}"
            )
            hint = "for a dataset of type images: --set dataset.size=[96,96]; for arrays and tfds: dataset.resize"
            yield FieldProblem(("backbone",), what, "larger images", hint)
        if channels not in (1, 3):
            yield FieldProblem(("backbone",), f"the images have {channels} channels", "1 or 3, that is, gray or color")

    def _vector(self, tensor: Any) -> Any:
        """Turn the output of the network into a vector.

        Shape:
            Input: `(batch, height, width, filters)`. Output: `(batch, width)`.
        """
        import keras

        if self.pooling == "flatten":
            return flattened(tensor, name=POOLING)
        kind = {"global_average": "GlobalAveragePooling2D", "global_max": "GlobalMaxPooling2D"}[self.pooling]
        return getattr(keras.layers, kind)(name=POOLING)(tensor)


POOLING = "backbone_vector"
"""Name of the layer whose output the head gets."""


def _written(usual: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}".lower() for name, value in {**usual, **arguments}.items())
