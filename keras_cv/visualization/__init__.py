"""Pictures of data and predictions."""

from keras_cv.visualization.augmentations import show_augmentations
from keras_cv.visualization.boxes import draw_bounding_boxes, plot_bounding_box_gallery
from keras_cv.visualization.image_gallery import plot_image_gallery
from keras_cv.visualization.masks import plot_segmentation_mask_gallery

__all__ = [
    "draw_bounding_boxes",
    "plot_bounding_box_gallery",
    "plot_image_gallery",
    "plot_segmentation_mask_gallery",
    "show_augmentations",
]
