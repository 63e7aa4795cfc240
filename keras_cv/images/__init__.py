"""Images from files, bytes, PIL and arrays, as arrays of 8-bit colours."""

from keras_cv.images.folder import ImageFolder, image_folder
from keras_cv.images.load import image_files, is_image_file, load_image, load_images

__all__ = ["ImageFolder", "image_files", "image_folder", "is_image_file", "load_image", "load_images"]
