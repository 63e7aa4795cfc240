"""The same few photographs with boxes, as YOLO, COCO, Pascal VOC and tensorflow-datasets write them."""

import json
from xml.sax.saxutils import escape

import numpy as np
from photographs import photographs

NAMES = ["cat", "cup & saucer", "dog", "rocket"]


def pictures(count=6, seed=0):
    """`(images, boxes, classes)`: lists of images of different sizes, boxes in whole pixels; the third has none."""
    random, images, boxes, classes = np.random.default_rng(seed), [], [], []
    for i in range(count):
        height, width = random.integers(40, 72, 2)
        images.append(photographs((int(height), int(width)))[i % 4])
        rows = 0 if i == 2 else random.integers(1, 5)
        corners = np.sort(random.integers(0, 20, (rows, 2, 2)), 1) + np.array([[0, 0], [1, 1]])
        boxes.append((corners * [(width - 1) // 20, (height - 1) // 20]).reshape(-1, 4).astype("float32"))
        classes.append(random.integers(0, len(NAMES), rows))
    classes[0][0], classes[1][0] = 0, len(NAMES) - 1
    return images, boxes, classes


def save(images, folder):
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:03}.png")


def write_yolo(folder, images, boxes, classes, yaml=None):
    save(images, folder / "images" / "train")
    labels = folder / "labels" / "train"
    labels.mkdir(parents=True)
    for i, (image, rows, kinds) in enumerate(zip(images, boxes, classes)):
        size = np.tile(image.shape[1::-1], 2)
        numbers = np.concatenate([(rows[:, :2] + rows[:, 2:]) / 2, rows[:, 2:] - rows[:, :2]], 1) / size
        if len(rows):  # an image without boxes has no file
            lines = [f"{kind} {' '.join(f'{x:.8f}' for x in row)}\n" for kind, row in zip(kinds, numbers)]
            (labels / f"{i:03}.txt").write_text("".join(lines))
    (folder / "data.yaml").write_text(yaml or f"train: images/train\nnames: {json.dumps(NAMES)}\n")
    return folder


def coco(images, boxes, classes, ids=(3, 5, 8, 90)):
    """The dictionary of a COCO json; categories are listed in another order than that of their ids."""
    rows = [(i, box, kind) for i in range(len(images)) for box, kind in zip(boxes[i], classes[i])]
    return {
        "images": [
            {"id": 100 + i, "file_name": f"{i:03}.png", "height": x.shape[0], "width": x.shape[1]}
            for i, x in enumerate(images)
        ],
        "annotations": [
            {
                "id": n,
                "image_id": 100 + i,
                "category_id": ids[kind],
                "bbox": [float(x) for x in (*box[:2], *(box[2:] - box[:2]))],
                "iscrowd": 0,
            }
            for n, (i, box, kind) in enumerate(rows)
        ],
        "categories": [{"id": number, "name": name} for number, name in reversed(list(zip(ids, NAMES)))],
    }


def write_coco(folder, content):
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder / "annotations.json"


def annotation(file_name, image, boxes, names, difficult=()):
    """An xml file of Pascal VOC, where pixels are counted from 1."""
    height, width = image.shape[:2]
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    objects = "".join(
        f"<object><name>{escape(name)}</name><difficult>{int(i in difficult)}</difficult><bndbox>"
        f"<xmin>{x1 + 1:g}</xmin><ymin>{y1 + 1:g}</ymin><xmax>{x2:g}</xmax><ymax>{y2:g}</ymax></bndbox></object>"
        for i, ((x1, y1, x2, y2), name) in enumerate(zip(boxes, names))
    )
    return f"<annotation><filename>{file_name}</filename>{size}{objects}</annotation>"


def write_voc(folder, images, boxes, classes):
    save(images, folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for i, image in enumerate(images):
        xml = annotation(f"{i:03}.png", image, boxes[i], [NAMES[kind] for kind in classes[i]])
        (folder / "Annotations" / f"{i:03}.xml").write_text(xml)
    return folder


def tfds_examples(images, boxes, classes):
    examples = []
    for image, rows, kinds in zip(images, boxes, classes):
        height, width = image.shape[:2]
        bbox = (rows / [width, height, width, height])[:, [1, 0, 3, 2]].astype("float32")
        examples.append({"image": image, "objects": {"bbox": bbox, "label": np.asarray(kinds, "int64")}})
    return examples
