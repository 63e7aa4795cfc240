"""Small inputs that a vision family's tests are made of."""


def image_batch(backbone, random, size):
    """`{"images"}`: `size` float32 images of 0-1 in the shape that the backbone takes, 33 pixels high and 32 wide."""
    sizes = iter((33, 32))
    shape = [next(sizes) if length is None else length for length in backbone.image_shape]
    return {"images": random.random((size, *shape)).astype("float32")}
