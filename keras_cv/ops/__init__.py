"""Pure functions: the arithmetic of boxes, the resampling and the colours of images."""
