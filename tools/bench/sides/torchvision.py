"""torchvision's transforms, v2, on Pillow's images and on tensors, in a loader with a process for each core."""

import numpy as np
import torch
from PIL import Image

# Its compiled operators, such as NMS, are not used, and do not load where torch comes from another build.
from torchvision.transforms import InterpolationMode, v2

from sides.loader import OUTPUT, loader, through

BILINEAR = InterpolationMode.BILINEAR
STEPS = (
    v2.RandAugment(num_ops=2, magnitude=9, interpolation=BILINEAR),
    v2.RandomHorizontalFlip(),
)
JITTER = (v2.ScaleJitter((OUTPUT, OUTPUT), (0.8, 1.25), BILINEAR), v2.RandomCrop(OUTPUT, pad_if_needed=True))
PIL = v2.Compose([*STEPS, *JITTER, v2.PILToTensor()])
TENSOR = v2.Compose([*STEPS, *JITTER])


def as_tensor(picture):
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous()


def augment(file, work):
    return through(loader(file, np.load, Image.fromarray, PIL, work["rows"][0]), axis=2)


def augment_tensors(file, work):
    return through(loader(file, np.load, as_tensor, TENSOR, work["rows"][0]), axis=2)
