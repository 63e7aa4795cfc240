"""Albumentations in a loader with a process for each core; it has no RandAugment, so two of the same operations."""

import albumentations as A
import cv2
import numpy as np

from sides.loader import OUTPUT, loader, through

OPERATIONS = (
    A.NoOp(p=1),
    A.AutoContrast(p=1),
    A.Equalize(p=1),
    A.Affine(rotate=(-9, 9), p=1),
    A.Solarize(threshold_range=(0.7, 0.7), p=1),
    A.ColorJitter(brightness=0, contrast=0, saturation=(0.73, 1.27), hue=0, p=1),
    A.Posterize(num_bits=7, p=1),
    A.ColorJitter(brightness=0, contrast=(0.73, 1.27), saturation=0, hue=0, p=1),
    A.ColorJitter(brightness=(0.73, 1.27), contrast=0, saturation=0, hue=0, p=1),
    A.Sharpen(p=1),
    A.Affine(shear={"x": (-5, 5), "y": 0}, p=1),
    A.Affine(shear={"x": 0, "y": (-5, 5)}, p=1),
    A.Affine(translate_percent={"x": (-0.14, 0.14), "y": 0}, p=1),
    A.Affine(translate_percent={"x": 0, "y": (-0.14, 0.14)}, p=1),
)
ALL = A.Compose(
    [
        A.SomeOf(OPERATIONS, n=2, replace=True, p=1),
        A.HorizontalFlip(p=0.5),
        A.RandomScale(scale_limit=(224 / 256 * 0.8 - 1, 224 / 256 * 1.25 - 1), p=1),
        A.PadIfNeeded(OUTPUT, OUTPUT),
        A.RandomCrop(OUTPUT, OUTPUT),
    ]
)


def transform(picture):
    return ALL(image=picture)["image"]


def augment(file, work):
    cv2.setNumThreads(1)  # as many processes as cores
    return through(loader(file, np.load, np.asarray, transform, work["rows"][0]), axis=1)
