"""A published preset by its record: what of it comes with the package, and what is fetched when it is asked for."""

import functools

from keras_zoo import registry, sources
from keras_zoo.errors import PresetError
from keras_zoo.formats import opening
from keras_zoo.formats.layout import Layout


class RecordLayout(Layout):
    """A published preset by its record alone: configuration and vocabulary come with the package, weights do not."""

    def __init__(self, name, record, offline=False, weights=True):
        self.name, self.record, self.offline, self.wanted = name, record, offline, weights
        self.family = registry.families()[record["family"]]
        self.backbone_config = record["config"]
        cls = self.family.classes[record["class_name"]]
        self.task_class, self.task_config = None if cls is self.family.backbone else cls, record.get("task", {})
        if "classes" in record:
            self.task_config = self.task_config | {"class_names": registry.class_names(record)}
        self.preprocessor_config = record.get("preprocessor", {})
        self.head_wanted = False

    def choose(self, task_class):
        self.head_wanted = self.task_class is not None and issubclass(task_class, self.task_class)

    def tokenizer_config(self, cls):
        if self.record.get("tokenizer", {}) is None:
            raise PresetError(
                f"{cls.__name__} cannot express the vocabulary of {self.name!r}, which is of another kind. Pass "
                "preprocessor=None for a model that takes tensors, and make its token ids elsewhere: what "
                f"`keras-zoo download {self.name}` fetches has a tokenizer.json for the library `tokenizers`."
            )
        assets = cls.load_assets(self.record["assets"]) if self.has_vocabulary else self.published.tokenizer_config(cls)
        return assets | self.record.get("tokenizer", {})

    @property
    def has_vocabulary(self):
        return self.record.get("vocabulary", "embedded") is not None

    @property
    def has_weights(self):
        return bool(self.record["sources"])

    @property
    def without_weights(self):
        return "With load_weights=False it loads with random weights and needs no network" + (
            "." if self.has_vocabulary else ", nor with preprocessor=None."
        )

    @functools.cached_property
    def published(self):
        """The layout of the first source that answers; sources without a head are not asked where it is wanted."""
        headless = self.record.get("backbone_sources", [])
        addresses = self.record["sources"] + ([] if self.head_wanted else headless)
        try:
            record = self.record | {"sources": addresses}
            layout = opening.open_folder(sources.fetch_record(self.name, record, self.offline, self.wanted))
        except PresetError as error:
            if not (headless and self.head_wanted):
                raise PresetError(f"{error}\n{self.without_weights}") from error
            raise PresetError(
                f"{error}\n{self.without_weights}\nNot asked, since they hold no head of a {self.task_class.__name__}: "
                f"{', '.join(headless)}. {self.family.backbone.__name__}.from_preset and other tasks, whose heads are "
                "new, load from them too."
            ) from error
        if layout.family is not self.family:
            raise PresetError(f"{self.name!r} is a {self.family.name}; its source holds a {layout.family.name}.")
        return layout

    def tensors(self):
        return self.published.tensors()

    def bindings(self, model, tensors):
        """Those of the source. A head that the record promises must be there: it would be random without a sign."""
        bindings, ignored = self.published.bindings(model, tensors)
        if self.head_wanted:
            below = {weight.path for weight in model.backbone.weights}
            missing = [weight.path for weight in model.weights if weight.path not in {*below, *bindings}]
            if missing:
                raise PresetError(
                    f"{self.name!r} is a {self.task_class.__name__}, but what was fetched for it has no such head: "
                    f"{', '.join(missing[:5])} would be random. {self.family.backbone.__name__}.from_preset loads it."
                )
        return bindings, ignored
