"""Data sets for detection: YOLO, COCO and Pascal VOC files, tensorflow-datasets, arrays; all give one object."""

from keras_cv.datasets.arrays import load_arrays
from keras_cv.datasets.coco import load_coco
from keras_cv.datasets.detection import DetectionDataset
from keras_cv.datasets.pascal_voc import load_pascal_voc
from keras_cv.datasets.tfds import load_tfds
from keras_cv.datasets.yolo import load_yolo

__all__ = ["DetectionDataset", "load_arrays", "load_coco", "load_pascal_voc", "load_tfds", "load_yolo"]
