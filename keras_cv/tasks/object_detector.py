"""Models that find objects in images: boxes, classes, and how sure of them they are."""

from keras_cv.datasets import DetectionDataset
from keras_cv.images import load_image
from keras_cv.layers import NonMaxSuppression
from keras_cv.layers.non_max_suppression import Suppression
from keras_cv.ops.boxes import known_format
from keras_cv.ops.fuse import Fusing
from keras_cv.tasks.detecting import Detecting, described, from_description, settings_of
from keras_cv.tasks.detector_export import export_detector
from keras_cv.tasks.detector_inputs import DetectorInputs, ObjectDetectorPreprocessor
from keras_zoo import Task, feeding
from keras_zoo.config import serializable


@serializable
class ObjectDetector(Fusing, Detecting, Task):
    """The base of detectors: images in, `{"boxes", "confidence", "classes", "num_detections"}` out.

    With a preprocessor `predict` takes images of any sort and size, and boxes lie in the frame of the original image.
    With `preprocessor=None` it takes what the network takes, `(B, H, W, 3)` with sides that are multiples of 32, and
    boxes lie in that frame. `fit` and `evaluate` take batches of images and true boxes, see
    `keras_cv.tasks.detector_inputs.DetectorInputs`.

    A subclass builds the network, whose outputs are `raw`, with `raw["classes"]` logits `(B, A, num_classes)`, and
    defines `corners(raw, size, index)`: the boxes `(B, K, 4)` in the places `index` `(B, K)`, or all where it is None,
    xyxy in pixels of a frame of `size` = `(height, width)`.

    `confidence_threshold`, `iou_threshold`, `max_detections` and `class_agnostic` are those of `prediction_decoder`, a
    `keras_cv.layers.NonMaxSuppression`, and can be set at any time; the first two change no compiled program.
    """

    preprocessor_class = ObjectDetectorPreprocessor
    pipeline_tag = "object-detection"
    card_example = 'print(model.predict(np.zeros((64, 64, 3), "uint8"))["num_detections"])  # or the path of an image'
    head_arguments = ("num_classes",)
    largest = {"max_detections": 100_000}
    needs_labels = True

    def read_arguments(self, num_classes, bounding_box_format, class_names, decoder, **thresholds):
        """Keeps these arguments, checked; a subclass calls it first."""
        class_names = None if class_names is None else [str(name) for name in class_names]
        num_classes = len(class_names or ()) if num_classes is None else num_classes
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(f"num_classes must be a whole number above 0, or class_names given; got {num_classes!r}.")
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                f"class_names must be {num_classes} names, one for each class (num_classes); got {len(class_names)}: "
                f"{class_names}."
            )
        self.num_classes, self.class_names = num_classes, class_names
        self.bounding_box_format = known_format(bounding_box_format)
        if decoder is None:
            decoder = NonMaxSuppression(self.bounding_box_format, from_logits=False, **thresholds)
        elif isinstance(decoder, dict):  # out of a file
            decoder = from_description(decoder, bounding_box_format=self.bounding_box_format, **thresholds)
        vars(self)["decoder"] = self.checked_decoder(decoder)

    def checked_decoder(self, decoder):
        if not isinstance(decoder, Suppression) or decoder.bounding_box_format != self.bounding_box_format:
            given = getattr(decoder, "bounding_box_format", None)
            raise ValueError(
                "prediction_decoder must be a keras_cv.layers.NonMaxSuppression, or another such layer, with the "
                f"detector's bounding_box_format, {self.bounding_box_format!r}; got {type(decoder).__name__} with "
                f"{given!r}."
            )
        return decoder

    @property
    def prediction_decoder(self):
        return self.decoder

    def __setattr__(self, name, value):
        if name == "prediction_decoder":  # not as a property's setter, which torch passes over for layers
            vars(self)["decoder"] = self.checked_decoder(value)  # past Keras' tracking of layers: it has no weights
        else:
            super().__setattr__(name, value)

    def config_of(self, names):
        """With `prediction_decoder`, as files have it, where the thresholds do not say all of it."""
        name = "prediction_decoder"
        own = {name: described(self.decoder)} if name in names else {}
        return super().config_of([other for other in names if other != name]) | own

    def fuse(self):
        made = super().fuse()
        made.prediction_decoder = type(self.decoder)(**settings_of(self.decoder))
        return made

    # Training.

    @property
    def prepares(self):
        return True

    @property
    def preprocess(self):
        return DetectorInputs(self.preprocessor, self.bounding_box_format, self.num_classes)

    def check_labels(self, x, y):
        dictionary = isinstance(x, dict) or (feeding.kind(x) == "tf" and isinstance(x.element_spec, dict))
        if not dictionary:
            super().check_labels(x, y)
        elif isinstance(x, dict) and "bounding_boxes" not in x:
            raise ValueError(f"{type(self).__name__} trains on bounding_boxes; the dictionary has {', '.join(x)}.")

    def prepare(self, x, y=None, sample_weight=None, batch_size=None, shuffle=False):
        inputs = self.preprocess
        inputs.resizes = not (isinstance(x, DetectionDataset) and x.sides)  # which has sizes of its own, batch by batch
        fixed = self.backbone.image_shape[:2]
        if not inputs.resizes and None not in fixed:
            raise ValueError(
                f"multi_scale gives batches of the sides {x.sides}; the backbone takes images of {fixed} alone "
                "(image_shape)."
            )
        return feeding.prepare(inputs, x, y, sample_weight, batch_size, shuffle)

    def export(
        self,
        filepath,
        format="tf_saved_model",
        *,
        image_size=None,
        nms=True,
        confidence_threshold=None,
        iou_threshold=None,
        max_detections=None,
        **kwargs,
    ):
        """Writes one file that takes images and gives boxes, with batch normalisation folded into convolutions.

        It takes float32 `(N, height, width, 3)` in 0-255, fitted into the model's frame, and gives `"boxes"`,
        `"confidence"`, `"classes"` and `"num_detections"` as `predict` does, boxes in `bounding_box_format` in that
        frame. `scale` and `offset` of a preprocessor are inside. Without one it takes what the network takes.

        Args:
            filepath: `*.onnx`, a folder for a SavedModel, `*.tflite` for LiteRT, `*.xml` for OpenVINO.
            format: `"onnx"`, `"tf_saved_model"`, `"litert"` or `"openvino"`. TensorFlow writes all of them and torch
                the first; under another backend one of them does so in a process of its own, if it is installed.
            image_size: `(height, width)`, multiples of 32; by default the preprocessor's, or else the backbone's.
            nms: False leaves suppression out: `"boxes"` `(N, A, 4)`, and `"classes"` `(N, A, num_classes)`,
                probabilities.
            confidence_threshold, iou_threshold, max_detections: in place of the model's own.
            kwargs: those of `keras.Model.export`, `verbose` and `opset_version` among them.

        Raises:
            ValueError: for a suppression that the format cannot hold, half precision where the format has none, or a
                size that is missing or does not fit.
            ImportError: if a package that writes the format is missing.
        """
        limits = {"confidence_threshold": confidence_threshold, "iou_threshold": iou_threshold}
        export_detector(self, filepath, format, image_size, nms, limits | {"max_detections": max_detections}, kwargs)

    def annotate(self, image, color="#ffeb3b", **options):
        """A copy of the image with the objects that `predict` finds drawn on it, a PIL image.

        Args:
            image: one image of any sort.
            color: of the boxes, see `keras_cv.visualization.draw_bounding_boxes`.
            options: thresholds, see `predict`.
        """
        from PIL import Image

        from keras_cv.visualization import draw_bounding_boxes

        image = load_image(image)
        found = self.predict([image], **options)
        how = {"color": color, "bounding_box_format": self.bounding_box_format, "class_mapping": self.class_names}
        return Image.fromarray(draw_bounding_boxes([image], found, **how)[0])
