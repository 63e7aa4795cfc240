"""Detections as text: a table to read, and JSON, CSV and COCO's json for programs.

Each is made with a folder, in which it writes a file, or None, where it prints; `write` takes a
`keras_zoo.cli.detect.Seen` at a time, and `close` comes last.
"""

import csv
import json
import sys


class Table:
    """One line for each object, aligned; printed at once, so that a pipe has it while the next image is looked at."""

    def __init__(self, names, class_names):
        self.widths = [
            max(map(len, (*column, title))) for column, title in ((names, "FILE"), (class_names or (), "CLASS"))
        ]
        self.line("FILE", "CLASS", "CONF", "LEFT     TOP   RIGHT  BOTTOM")

    def line(self, name, class_name, confidence, box):
        name, class_name = (x.ljust(width) for x, width in zip((name, class_name), self.widths, strict=True))
        print(f"{name}  {class_name}  {confidence:>4}  {box:>31}".rstrip(), flush=True)

    def write(self, seen):
        for found in seen.objects:
            box = " ".join(f"{x:7.1f}" for x in found["box"])
            self.line(seen.name, found["class"], f"{found['confidence']:.2f}", box)
        if not seen.objects:
            self.line(seen.name, "none", "", "")

    def close(self):
        pass


class File:
    """The common part: where it goes."""

    name = None

    def __init__(self, folder, class_names):
        self.class_names = class_names
        self.file = sys.stdout if folder is None else (folder / self.name).open("w", encoding="utf-8", newline="")

    def close(self):
        if self.file is not sys.stdout:
            self.file.close()


class Csv(File):
    """A line for each object; an image without any has none."""

    name = "detections.csv"

    def __init__(self, folder, class_names):
        super().__init__(folder, class_names)
        self.rows = csv.writer(self.file, lineterminator="\n")
        self.rows.writerow(["file", "class", "class_id", "confidence", "left", "top", "right", "bottom"])

    def write(self, seen):
        for x in seen.objects:
            self.rows.writerow([seen.name, x["class"], x["class_id"], x["confidence"], *x["box"]])


class Json(File):
    """A list with `{"file", "width", "height", "objects": [{"class", "class_id", "confidence", "box"}]}` an image."""

    name = "detections.json"

    def __init__(self, folder, class_names):
        super().__init__(folder, class_names)
        self.images = []

    def write(self, seen):
        width, height = seen.size
        self.images.append({"file": seen.name, "width": width, "height": height, "objects": seen.objects})

    def content(self):
        return self.images

    def close(self):
        json.dump(self.content(), self.file, ensure_ascii=False, indent=1)
        self.file.write("\n")
        super().close()


class Coco(Json):
    """COCO's layout, as for truth, with a `score` at each annotation; its annotations alone are COCO's results.

    Ids of images count from 1, those of categories are the classes' numbers plus 1.
    """

    name = "detections_coco.json"

    def content(self):
        images, annotations = [], []
        for number, image in enumerate(self.images, 1):
            images.append(
                {"id": number, "file_name": image["file"], "width": image["width"], "height": image["height"]}
            )
            for found in image["objects"]:
                annotations.append({"id": len(annotations) + 1, "image_id": number, **annotation(found)})
        categories = [{"id": i, "name": name} for i, name in enumerate(self.class_names or (), 1)]
        return {"images": images, "categories": categories, "annotations": annotations}


def annotation(found):
    left, top, right, bottom = found["box"]
    width, height = round(right - left, 1), round(bottom - top, 1)
    return {
        "category_id": found["class_id"] + 1,
        "bbox": [left, top, width, height],
        "area": round(width * height, 2),
        "iscrowd": 0,
        "score": found["confidence"],
    }


FORMATS = {"json": Json, "csv": Csv, "coco": Coco}
