"""KerasCV's names for the arguments of a ResNet."""

import functools

from keras_cv.models.resnet.keras_cv import KERAS_CV, NETWORK

REQUIRED = ("stackwise_filters", "stackwise_blocks", "stackwise_strides")
ALONE = (*REQUIRED, "stackwise_dilations", "input_tensor")  # names that no argument here has
READ = (*NETWORK, "include_rescaling", "block_type", "stackwise_dilations", "input_tensor")


def in_our_names(arguments, name):
    """A constructor's arguments under their names here, whichever they have.

    In KerasCV's they are those of its class `name`, `"ResNetBackbone"` or `"ResNetV2Backbone"`, and mean its network:
    padding as TensorFlow has it, its epsilon and momentum, its places of strides and biases.
    """
    arguments = dict(arguments)
    if not any(argument in arguments for argument in ALONE):
        if "input_shape" in arguments:
            arguments["image_shape"] = arguments.pop("input_shape")
        return arguments
    if missing := [argument for argument in REQUIRED if argument not in arguments]:
        raise ValueError(f"{name} takes {', '.join(REQUIRED)} together; {', '.join(missing)} missing.")
    theirs = {argument: arguments.pop(argument) for argument in READ if argument in arguments}
    return KERAS_CV.classes[name].settings.read(theirs, f"{name}(…)") | arguments


def also_in_keras_cvs(init):
    """Lets the constructor of `ResNetBackbone` take KerasCV's names as well."""

    @functools.wraps(init)
    def either(self, *args, **kwargs):
        init(self, *args, **in_our_names(kwargs, "ResNetBackbone"))

    return either
