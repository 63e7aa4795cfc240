"""KerasCV's further classes of ResNets: version 2, and one for each size. Here they are settings of one class."""

from keras_cv.models.resnet.backbone import ResNetBackbone
from keras_cv.models.resnet.spellings import in_our_names
from keras_zoo import registry
from keras_zoo.config import serializable
from keras_zoo.model import ClassProperty

WIDTHS = {"stackwise_filters": [64, 128, 256, 512], "stackwise_strides": [1, 2, 2, 2]}


class Restricted(ResNetBackbone):
    """A `ResNetBackbone` some of whose arguments are given."""

    keras_cv_name = "ResNetBackbone"  # the class that its arguments are those of
    network = None  # KerasCV's arguments where none are needed
    given = {}

    def __init__(self, **kwargs):
        if self.network and "stackwise_num_blocks" not in kwargs:
            kwargs = self.network | {"include_rescaling": True} | kwargs
        arguments = in_our_names(kwargs, self.keras_cv_name)
        if not self.fits(arguments):
            needed = ", ".join(f"{name}={value!r}" for name, value in self.given.items())
            wrong = ", ".join(f"{name}={arguments.get(name)!r}" for name in self.given)
            raise ValueError(f"{type(self).__name__} is a ResNetBackbone with {needed}; got {wrong}.")
        super().__init__(**arguments)

    @classmethod
    def fits(cls, arguments):
        return all(arguments.get(name, False) == value for name, value in cls.given.items())

    @ClassProperty
    def presets(cls):
        """See `ZooModel.presets`."""
        return {name: x for name, x in registry.presets_for(cls).items() if cls.fits(x.get("config", {}))}


@serializable
class ResNetV2Backbone(Restricted):
    """ResNet of version 2 (He et al., 2016): a `ResNetBackbone` with `use_pre_activation=True`.

    It takes KerasCV's arguments `stackwise_filters`, `stackwise_blocks`, `stackwise_strides`, `include_rescaling`,
    `input_shape` and `block_type` (`"block"` or `"basic_block"`), and computes what KerasCV computes; or those of
    `ResNetBackbone`. Presets that it is saved to hold a `ResNetBackbone`.
    """

    keras_cv_name = "ResNetV2Backbone"
    given = {"use_pre_activation": True}


def sized(class_name, base, block_type, depths):
    """KerasCV's class of one size, whose arguments all have defaults: `ResNet50Backbone(input_shape=(224, 224, 3))`."""
    network = WIDTHS | {"stackwise_blocks": depths, "block_type": block_type}
    ours = {"use_pre_activation": False} | in_our_names(network, base.keras_cv_name)
    attributes = {
        "__doc__": "A `ResNetBackbone` of this size, by KerasCV's name; `include_rescaling` is True by default.",
        "__module__": __name__,
        "network": network,
        "given": {
            argument: ours[argument] for argument in ("stackwise_num_blocks", "block_type", "use_pre_activation")
        },
    }
    return serializable(type(class_name, (base,), attributes))


ResNet18Backbone = sized("ResNet18Backbone", Restricted, "basic_block", [2, 2, 2, 2])
ResNet34Backbone = sized("ResNet34Backbone", Restricted, "basic_block", [3, 4, 6, 3])
ResNet50Backbone = sized("ResNet50Backbone", Restricted, "block", [3, 4, 6, 3])
ResNet101Backbone = sized("ResNet101Backbone", Restricted, "block", [3, 4, 23, 3])
ResNet152Backbone = sized("ResNet152Backbone", Restricted, "block", [3, 8, 36, 3])
ResNet18V2Backbone = sized("ResNet18V2Backbone", ResNetV2Backbone, "basic_block", [2, 2, 2, 2])
ResNet34V2Backbone = sized("ResNet34V2Backbone", ResNetV2Backbone, "basic_block", [3, 4, 6, 3])
ResNet50V2Backbone = sized("ResNet50V2Backbone", ResNetV2Backbone, "block", [3, 4, 6, 3])
ResNet101V2Backbone = sized("ResNet101V2Backbone", ResNetV2Backbone, "block", [3, 4, 23, 3])
ResNet152V2Backbone = sized("ResNet152V2Backbone", ResNetV2Backbone, "block", [3, 8, 36, 3])
