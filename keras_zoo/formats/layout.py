"""What every reader of a layout offers to `keras_zoo.presets`."""

from keras_zoo import weights


class Layout:
    """An opened preset.

    format                     what the layout is called, as `save_to_preset` does where it writes it
    family                     its `keras_zoo.registry.Family`
    backbone_config            constructor arguments of the backbone
    task_class, task_config    the task's class, or None where the preset is a bare backbone, and its own arguments
    preprocessor_config        the preprocessor's arguments without its tokenizer; None where it has no preprocessor
    preprocessor_class         the class they are of, None where the preset does not say
    has_weights                False for an architecture under a name, whose weights are random
    adapters                   the file of adapters that lies beside the weights, or None
    origin                     where the model came from that was saved here, see `keras_zoo.origin`
    """

    format = ""
    backbone_config = task_config = preprocessor_config = None
    family = task_class = preprocessor_class = adapters = None
    has_weights = True
    origin = {}

    def choose(self, task_class):
        """Is told which task will be built, before anything is fetched."""

    def tokenizer_config(self, cls):
        """The arguments of the tokenizer, of class `cls`, its vocabulary included."""
        raise NotImplementedError

    def tensors(self):
        """`{name: Tensor}`; see `keras_zoo.formats.safetensors_file`."""
        raise NotImplementedError

    def bindings(self, model, tensors):
        """`(bindings, ignored)` for `keras_zoo.weights.fill`; `ignored` are patterns of tensors that need no place."""
        return weights.native_bindings(model), ()
