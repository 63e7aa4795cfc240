"""An optimizer for detectors, with the numbers that YOLOv8 was published with."""

import keras

from keras_zoo.schedules import WarmUpDecay

NOMINAL = 64  # images whose gradients Ultralytics adds up; ours are means
CLIP = 10.0 / NOMINAL
DECAY = 5e-4
MOMENTUM = 0.937
SGD_RATE = 0.01 * NOMINAL
LONG = 10_000  # steps from which on SGD is the better choice
LEAST_WARM_UP = 100
NOT_DECAYED = ("bias", "gamma", "beta")
NAMES = ("auto", "adamw", "sgd")


def detection_optimizer(
    num_classes,
    total_steps=None,
    name="auto",
    learning_rate=None,
    warmup_steps=None,
    decay="linear",
    end_rate=0.01,
    **options,
):
    """AdamW, or SGD with Nesterov's momentum for long trainings, as YOLOv8 is trained.

    The rate rises for some steps and falls to a hundredth after. Gradients are cut at a global norm. Weights decay, but
    not biases nor the scales and offsets of normalisation. All numbers are Ultralytics', for a loss that is a mean: see
    `keras_cv.models.yolo_v8.loss.detection_loss` for what follows of that. AdamW's rate is `0.01 / (4 + num_classes)`.

    Args:
        num_classes: the number of classes.
        total_steps: steps of the optimizer in the whole training, that is batches, or batches over
            `gradient_accumulation_steps`. None for a rate that stays once it has risen.
        name: `"adamw"`, `"sgd"`, or `"auto"`: SGD from 10,000 steps on.
        learning_rate: the highest rate, in place of the rule's.
        warmup_steps: steps of the rise; by default 3 % of all, at least 100, and not more than a tenth of all.
        decay: the way down, see `keras_zoo.WarmUpDecay`.
        end_rate: the rate of the last step in parts of the highest.
        **options: more of `keras.optimizers.AdamW` or `SGD`, such as `gradient_accumulation_steps`, or others than
            these: `weight_decay`, `global_clipnorm`, `momentum`.

    What its decay leaves out is kept in `.keras` files of models of this library, not in those of other Keras models.

    Raises:
        ValueError: for an unknown name, and numbers of classes or steps below 1.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {NAMES}; got {name!r}.")
    for argument, number in {"num_classes": num_classes, "total_steps": total_steps}.items():
        if number is not None and number < 1:
            raise ValueError(f"{argument} must be at least 1; got {number!r}.")
    if name == "auto":
        name = "sgd" if total_steps is not None and total_steps >= LONG else "adamw"
    if learning_rate is None:
        learning_rate = SGD_RATE if name == "sgd" else round(0.01 / (4 + num_classes), 6)
    if total_steps is None:
        warmup_steps = LEAST_WARM_UP if warmup_steps is None else warmup_steps
        total_steps, decay = warmup_steps + 1, "constant"
    elif warmup_steps is None:
        warmup_steps = min(max(total_steps * 3 // 100, LEAST_WARM_UP), total_steps // 10)
    rate = WarmUpDecay(learning_rate, total_steps, warmup_steps, decay, end_rate * learning_rate)
    if name == "sgd":
        # Keras takes the decay from the weights themselves. Through the gradient, as in Ultralytics, the momentum
        # repeats it.
        decay_rate = DECAY / NOMINAL / (1 - MOMENTUM)
        own = {"momentum": MOMENTUM, "nesterov": True, "weight_decay": decay_rate, "global_clipnorm": CLIP}
        optimizer = keras.optimizers.SGD(rate, **own | options)
    else:
        own = {"epsilon": 1e-8, "weight_decay": DECAY, "global_clipnorm": CLIP}
        optimizer = keras.optimizers.AdamW(rate, **own | options)
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer
