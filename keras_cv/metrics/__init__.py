"""How good detected boxes are, in COCO's numbers."""

from keras_cv.metrics.box_coco_metrics import BoxCOCOMetrics
from keras_cv.metrics.evaluation import BoxScores, evaluate_boxes

__all__ = ["BoxCOCOMetrics", "BoxScores", "evaluate_boxes"]
