"""How a YOLOv8 detector finds what each of its points is to learn, as an object that files can name."""

from keras import ops

from keras_cv.ops.assigning import assign_task_aligned
from keras_zoo.config import Configured, serializable


@serializable
class YOLOV8LabelEncoder(Configured):
    """The task-aligned assignment with its settings; see `keras_cv.ops.assigning.assign_task_aligned`.

    Args:
        num_classes: the number of classes.
        max_anchor_matches: the most points for an object.
        alpha, beta, epsilon, smallest_side, least_target: see there.
    """

    def __init__(
        self,
        num_classes,
        max_anchor_matches=10,
        alpha=0.5,
        beta=6.0,
        epsilon=1e-9,
        smallest_side=16.0,
        least_target=0.0,
    ):
        if max_anchor_matches < 1:
            raise ValueError(f"max_anchor_matches must be at least 1; got {max_anchor_matches!r}.")
        if not 0 <= least_target <= 1:
            raise ValueError(f"least_target must be from 0 to 1; got {least_target!r}.")
        self.num_classes = num_classes
        self.max_anchor_matches = max_anchor_matches
        self.alpha = alpha
        self.beta = beta
        self.epsilon = epsilon
        self.smallest_side = smallest_side
        self.least_target = least_target

    def __call__(self, scores, decode_bboxes, anchors, gt_labels, gt_bboxes, gt_mask=None):
        """Target boxes `(B, A, 4)`, target scores `(B, A, num_classes)` and foreground `(B, A)`.

        Takes probabilities `(B, A, num_classes)`, boxes `(B, A, 4)` and points `(A, 2)`, xyxy and x, y in pixels, then
        classes `(B, N)` and boxes `(B, N, 4)` of the truth, -1 in rows of padding. `gt_mask`, `(B, N)` or
        `(B, N, 1)`, is False where a row is padding besides.

        Raises:
            ValueError: if `scores` are not of `num_classes` classes.
        """
        if scores.shape[-1] != self.num_classes:
            raise ValueError(f"scores must be of {self.num_classes} classes; got shape {tuple(scores.shape)}.")
        if gt_mask is not None:
            gt_mask = ops.reshape(ops.cast(gt_mask, "bool"), ops.shape(gt_labels))
            gt_labels = ops.where(gt_mask, gt_labels, -1)
        return assign_task_aligned(
            scores,
            decode_bboxes,
            anchors,
            gt_labels,
            gt_bboxes,
            max_matches=self.max_anchor_matches,
            alpha=self.alpha,
            beta=self.beta,
            epsilon=self.epsilon,
            smallest_side=self.smallest_side,
            least_target=self.least_target,
        )
