"""Images of every sort become upright uint8 arrays, and what cannot is named."""

import io
import struct
import threading
import warnings
import zlib

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import ops
from PIL import Image, ImageFile

from keras_cv.images import image_files, is_image_file, load_image, load_images

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
once = pytest.mark.once


@pytest.fixture
def photo():
    """A smooth (12, 16, 3) image whose corners differ."""
    y, x = np.mgrid[:12, :16]
    return np.stack([x * 15, y * 20, 255 - x * 10], axis=-1).astype("uint8")


def encoded(image, extension="png", **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, extension, **options)
    return file.getvalue()


@pytest.mark.parametrize("how", ["path", "str", "bytes", "bytearray", "file", "open", "pil", "array", "tensor"])
def test_every_source_gives_the_same_pixels(photo, tmp_path, how):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(photo))
    source = {
        "path": lambda: path,
        "str": lambda: str(path),
        "bytes": path.read_bytes,
        "bytearray": lambda: bytearray(path.read_bytes()),
        "file": lambda: io.BytesIO(path.read_bytes()),
        "open": lambda: open(path, "rb"),  # noqa: SIM115
        "pil": lambda: Image.open(path),
        "array": lambda: photo,
        "tensor": lambda: ops.convert_to_tensor(photo),
    }[how]()
    image = load_image(source)
    assert image.dtype == "uint8" and image.flags.c_contiguous
    np.testing.assert_array_equal(image, photo)


@once
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "int64", "uint16", "bfloat16"])
def test_arrays_of_other_dtypes(photo, dtype):
    if dtype == "uint16":
        np.testing.assert_array_equal(load_image(photo.astype("uint16") * 257), photo)
    elif dtype == "bfloat16":
        coarse = photo // 2 * 2  # numbers that it can hold
        coarse = coarse.astype(ml_dtypes.bfloat16)
        np.testing.assert_array_equal(load_image(coarse), np.float32(coarse).astype("uint8"))
    else:
        np.testing.assert_array_equal(load_image(photo.astype(dtype)), photo)
    np.testing.assert_array_equal(load_image(np.full((2, 2), 99.6)), np.full((2, 2, 3), 100))
    np.testing.assert_array_equal(load_image(np.eye(2, dtype=bool))[..., 0], np.eye(2) * 255)


@once
def test_grey_and_transparent_and_other_colours():
    grey = np.array([[0, 128], [200, 255]], "uint8")
    for source in (grey, grey[..., None], encoded(grey)):
        np.testing.assert_array_equal(load_image(source), np.repeat(grey[..., None], 3, -1))
        np.testing.assert_array_equal(load_image(source, channels=1), grey[..., None])
        np.testing.assert_array_equal(load_image(source, channels=4)[..., 3], np.full((2, 2), 255))
    clear = np.array([[[255, 0, 0, 255], [0, 0, 255, 0], [0, 0, 0, 128]]], "uint8")
    for source in (clear, encoded(clear)):
        pixels = load_image(source)[0]
        assert tuple(pixels[0]) == RED and tuple(pixels[1]) == WHITE
        assert abs(int(pixels[2, 0]) - 127) <= 1
        np.testing.assert_array_equal(load_image(source, channels=4), clear)
    palette = Image.fromarray(np.array([[RED, BLUE]], "uint8")).convert("P")
    palette.info["transparency"] = palette.getpixel((1, 0))
    assert load_image(encoded(palette)).tolist() == [[list(RED), list(WHITE)]]
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(load_image(encoded(cmyk, "jpeg"))[0, 0] - np.float32(RED)).max() < 8
    for mode in ("1", "LAB", "HSV", "YCbCr", "RGBa", "RGBX", "PA"):
        assert load_image(Image.new(mode, (3, 2))).shape == (2, 3, 3)
    with pytest.raises(ValueError, match="has the colours 'La', which Pillow cannot turn into RGB"):
        load_image(Image.new("La", (2, 2)))


@once
def test_sixteen_bits_become_eight():
    deep = np.array([[0, 257 * 7], [257 * 200, 65535]], "uint16")
    for kind in ("png", "tiff"):
        np.testing.assert_array_equal(load_image(encoded(deep, kind))[..., 0], [[0, 7], [200, 255]])
    np.testing.assert_array_equal(load_image(Image.fromarray(deep.astype("int32")))[..., 1], [[0, 7], [200, 255]])


@once
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(photo, orientation):
    """The file is stored turned; every orientation must undo exactly its own turn."""
    stored = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, 1),
        7: photo[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(photo, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(np.ascontiguousarray(stored), "png", exif=exif)
    np.testing.assert_array_equal(load_image(data), photo)
    np.testing.assert_array_equal(load_image(Image.open(io.BytesIO(data))), photo)
    turned = Image.open(io.BytesIO(data)).transpose(Image.Transpose.ROTATE_90)  # the caller's own doing is kept
    np.testing.assert_array_equal(load_image(turned), np.asarray(turned))


@once
def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (6, 4), colour) for colour in (RED, BLUE)]
    for kind in ("gif", "webp"):
        data = encoded(
            frames[0], kind, save_all=True, append_images=frames[1:], **{"lossless": True} if kind == "webp" else {}
        )
        image = load_image(data)
        assert image.shape == (4, 6, 3) and (image == RED).all()


@once
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp", "tiff"])
def test_truncated_files_are_named(photo, tmp_path, kind):
    data = encoded(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype("uint8"), kind)
    path = tmp_path / f"half.{kind}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=rf"half\.{kind}' is .*(damaged or truncated|not an image)"):
        load_image(path)


def png(width, height, data=b""):
    """A PNG whose header says what it likes."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@once
def test_bombs_are_refused_before_decoding(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own
        with pytest.raises(ValueError, match="9000 x 10000 = 90,000,000 pixels, above max_pixels=89,478,485"):
            load_image(png(9000, 10000))
    with pytest.raises(ValueError, match=r"above max_pixels=100, and was\s+not decoded"):
        load_image(Image.open(io.BytesIO(png(20, 20))), max_pixels=100)
    with pytest.raises(ValueError, match=r"twice PIL\.Image\.MAX_IMAGE_PIXELS"):
        load_image(png(60000, 60000), max_pixels=10**12)
    assert load_image(encoded(np.zeros((20, 20, 3), "uint8")), max_pixels=400).shape == (20, 20, 3)


@once
def test_bad_files_are_named(photo, tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>404 Not Found</html>")
    (tmp_path / "drawing.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    cases = {
        "empty.jpg": r"empty\.jpg' is empty \(0 bytes\)",
        "page.jpg": r"page\.jpg' is not an image .* download failed",
        "drawing.eps": r"drawing\.eps' is not an image in a format that is read here",
        "phone.heic": r"pillow-heif",
        "gone.jpg": r"gone\.jpg' does not exist",
        "": r"is a folder; load_images",
    }
    for name, message in cases.items():
        with pytest.raises(ValueError, match=message):
            load_image(tmp_path / name)
    with pytest.raises(ValueError, match="is an address; fetch it first"):
        load_image("https://example.org/a.jpg")
    with pytest.raises(ValueError, match="The image in 9 bytes is not an image"):
        load_image(b"something")
    with pytest.raises(ValueError, match="declares no pixels"):
        load_image(png(0, 5))
    with pytest.raises(ValueError, match="binary mode"), open(tmp_path / "page.jpg") as file:
        load_image(file)
    damaged = bytearray(encoded(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype("uint8")))
    damaged[200:300] = bytes(100)
    with pytest.raises(ValueError, match="damaged or truncated"):
        load_image(bytes(damaged))


@once
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 4, 3), "uint8"), "at least one pixel"),
        (np.zeros((4, 4, 2), "uint8"), r"\(4, 4, 2\); an image is \(H, W\)"),
        (np.zeros((4, 4, 5), "uint8"), "1, 3 or 4 channels"),
        (np.zeros((3, 8, 8), "uint8"), "Channels come last"),
        (np.zeros((1, 4, 4, 3), "uint8"), "which is a batch"),
        (np.full((4, 4, 3), np.nan), "not finite"),
        (np.full((4, 4, 3), -3.0), "values from -3 to -3; they must lie in 0-255"),
        (np.full((4, 4, 3), 300), "16-bit images have dtype uint16"),
        (np.full((4, 4, 3), 0.5), "multiply it by 255"),
        (np.full((4, 4, 3), 1j), "dtype complex128"),
        ([[1, 2], [3, 4]], "got list. Several images are load_images' to read"),
        (None, "got NoneType"),
    ],
)
def test_bad_arrays_are_named(array, message):
    with pytest.raises(ValueError, match=message):
        load_image(array)


@once
def test_no_setting_of_pillow_changes(photo):
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    load_image(encoded(photo), max_pixels=1000)
    with pytest.raises(ValueError):
        load_image(png(2000, 2000))
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before
    with pytest.raises(ValueError, match="channels must be 1"):
        load_image(photo, channels=2)


@once
def test_a_folder_in_order_of_names_and_skipping(photo, tmp_path):
    for i, name in enumerate(["b/2.png", "b/10.PNG", "a.jpg", "c.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(photo[: i + 2], "jpeg" if name == "a.jpg" else "png"))
    (tmp_path / "._a.jpg").write_bytes(b"resource fork")
    (tmp_path / "notes.txt").write_text("text")
    assert [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)] == [
        "a.jpg",
        "b/10.PNG",
        "b/2.png",
        "c.png",
    ]
    assert [image.shape[0] for image in load_images(tmp_path)] == [4, 3, 2, 5]
    (tmp_path / "c.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"c\.png' is not an image"):
        load_images(tmp_path)
    with pytest.warns(UserWarning, match=r"1 images were skipped:\n  .*c\.png"):
        assert len(load_images(tmp_path, on_error="skip")) == 3
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip'"):
        load_images(tmp_path, on_error="ignore")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="no image files below it"):
        image_files(empty)
    assert is_image_file("x/y.JPEG") and not is_image_file("x/y.txt") and not is_image_file("x/.y.png")


def test_a_batch_and_a_single_one(photo):
    batch = ops.convert_to_tensor(np.stack([photo, photo[::-1]]))
    first, second = load_images(batch)
    np.testing.assert_array_equal(second, first[::-1])
    assert len(load_images(photo)) == 1
    assert load_images([]) == []


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="string tensors are TensorFlow's")
def test_string_tensors_hold_paths_or_bytes(photo, tmp_path):
    import tensorflow as tf

    path = tmp_path / "a.png"
    path.write_bytes(encoded(photo))
    np.testing.assert_array_equal(load_image(tf.constant(str(path))), photo)
    np.testing.assert_array_equal(load_image(tf.io.read_file(str(path))), photo)


@once
def test_sixteen_bit_floats_of_torch(photo):
    torch = pytest.importorskip("torch")
    found = load_image(torch.from_numpy(photo.copy()).to(torch.bfloat16))
    np.testing.assert_allclose(found.astype("int32"), photo, atol=1)  # eight bits of precision


@once
def test_threads_do_not_disturb_each_other(photo):
    data, wrong = encoded(photo), []

    def work():
        wrong.extend(1 for _ in range(30) if not (load_image(data) == photo).all())

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong
