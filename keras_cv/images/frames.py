"""The frames of a video, one at a time."""

import os
from pathlib import Path

from keras_cv.ops.resampling import opencv

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")


def is_video(source):
    """Whether `source` is the path of a video file, by its name."""
    return isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in VIDEOS


def video_frames(path, every=1):
    """The frames of a video file, uint8 arrays `(H, W, 3)`, every `every`-th of them, as a generator.

    Raises `ValueError` for a file that is missing, or that OpenCV cannot open.
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every must be a whole number above 0; got {every!r}.")
    if not Path(path).is_file():
        raise ValueError(f"{str(path)!r} does not exist.")
    cv2 = opencv()
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise ValueError(f"{str(path)!r} cannot be opened as a video.")
    return frames_of(video, every, cv2)


def frames_of(video, every, cv2):
    number = 0
    try:
        while video.grab():
            if number % every == 0:
                yield cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
            number += 1
    finally:
        video.release()
