"""Random networks of torchvision, timm and transformers, with statistics of batch normalisation that are none."""

import keras
import numpy as np
import torch


def randomised(module, seed=0):
    """`module` for inference, its normalisations with random scales, shifts, means and variances."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
            part.weight.data.uniform_(0.5, 1.0, generator=generator)
            part.bias.data.normal_(0, 0.1, generator=generator)
    return module.eval()


def pixels(size=(2, 64, 67)):
    """Normalised images `(B, H, W, 3)`, float32."""
    return np.random.default_rng(3).normal(size=(*size, 3)).astype("float32")


def as_torch(images):
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def theirs(module, images):
    """What the module computes; of transformers' output the logits, or the feature map channels last."""
    with torch.inference_mode():
        found = module(as_torch(images))
    if hasattr(found, "logits"):
        return found.logits.numpy()
    if hasattr(found, "last_hidden_state"):
        return found.last_hidden_state.permute(0, 2, 3, 1).numpy()
    return found.numpy()


def ours(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def compare(model, module, images=None):
    """Holds ours to theirs within 1e-4 of the largest output."""
    images = pixels() if images is None else images
    expected = theirs(module, images)
    np.testing.assert_allclose(ours(model, images), expected, atol=1e-4 * max(1, abs(expected).max()), rtol=0)
