"""Preprocessing and augmentation of images, with their labels, boxes and masks."""
