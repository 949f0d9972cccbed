"""IDX files: the right array, or one DataFileError that names the file."""

import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.errors import DataFileError
from pellucid.data import mnist, read_idx

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def encoded(array: np.ndarray) -> bytes:
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
VALID = encoded(IMAGES)


def zipped(content):
    """Return gzipped bytes without the time of day, which would name the tests anew in every process."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("pack", [lambda b: b, gzip.compress], ids=["plain", "gzip"])
def test_every_type_is_read_plain_and_inflated(tmp_path, dtype, pack):
    array = np.array([[0, 1, 2], [3, 100, 127]], dtype=dtype)
    (tmp_path / "file").write_bytes(pack(encoded(array)))
    found = read_idx(tmp_path / "file")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.flags.writeable


def test_an_axis_of_no_elements_is_read(tmp_path):
    (tmp_path / "file").write_bytes(encoded(np.zeros((0, 5), dtype=np.uint8)))
    assert read_idx(str(tmp_path / "file")).shape == (0, 5)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty", b"", "has 0 bytes"),
        ("short", VALID[:3], "has 3 bytes"),
        ("sizes", VALID[:7], "ends before their sizes"),
        ("truncated", VALID[:-1], "the header promises 24 bytes of data, and 23 follow"),
        ("trailing", VALID + b"x", "promises 24 bytes of data, and more follow"),
        ("magic", b"\x01" + VALID[1:], "begins with 01 00 08 03"),
        ("type", b"\0\0\x07" + VALID[3:], "begins with 00 00 07 03"),
        ("axes", b"\0\0\x08\0", "begins with 00 00 08 00"),
        ("many-axes", b"\0\0\x08\xff" + b"\0\0\0\1" * 255, "begins with 00 00 08 ff"),
        ("text", b"<html>not found</html>", "is it another file"),
        ("lies", b"\0\0\x08\x02" + b"\xff" * 8, "more than the 1,073,741,824 bytes allowed"),
        ("empty-lies", b"\0\0\x08\x03" + b"\0" * 4 + b"\xff" * 8, "bytes allowed"),
        ("plain.gz", VALID, "is named .gz"),
        ("cut.gz", zipped(VALID)[:-9], "damaged or cut short"),
        ("no-checksum.gz", zipped(VALID)[:-4], "damaged or cut short"),
        ("checksum.gz", zipped(VALID)[:-8] + b"\0" * 8, "damaged or cut short"),
        ("after.gz", zipped(VALID) + b"more", "damaged or cut short"),
        ("two.gz", zipped(VALID) + zipped(b"x"), "and more follow"),
        ("inside.gz", zipped(VALID[:-3]), "the header promises 24 bytes of data, and 21 follow"),
        ("deflate.gz", zipped(VALID)[:10] + b"\xff" * 40, "damaged or cut short"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataFileError) as raised:
        read_idx(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataFileError, match=r"nowhere: cannot be read: No such file"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(DataFileError, match=r"cannot be read: Is a directory"):
        read_idx(tmp_path)


def test_a_limit_can_be_given(tmp_path):
    (tmp_path / "file").write_bytes(VALID)
    with pytest.raises(DataFileError, match="2 x 3 x 4 numbers of 1 bytes, more than the 23 bytes allowed"):
        read_idx(tmp_path / "file", largest=23)
    assert read_idx(tmp_path / "file", largest=24).shape == (2, 3, 4)


@pytest.mark.parametrize("promised", [100, 2**29])
def test_a_bomb_costs_no_more_than_its_header_promises_or_it_holds(tmp_path, promised):
    # 64 MiB of zeros in 64 KiB of gzip: the first header promises less, the second far more than there is
    held = 2**26
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", promised) + bytes(held), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(DataFileError):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (2**21 if promised == 100 else 3 * held)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), pack=st.sampled_from([False, True]))
def test_any_damage_gives_the_array_or_the_named_error(tmp_path_factory, data, pack):
    content = bytearray(gzip.compress(VALID, mtime=0) if pack else VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        match data.draw(st.sampled_from(["cut", "change", "insert", "remove"])):
            case "cut":
                del content[at:]
            case "change" if content:
                content[at] = data.draw(st.integers(0, 255))
            case "insert":
                content[at:at] = data.draw(st.binary(max_size=8))
            case _:
                del content[at : at + 1]
    path = tmp_path_factory.mktemp("idx", numbered=True) / "file"
    path.write_bytes(content)
    try:
        assert read_idx(path).nbytes <= len(VALID) + 64  # what was inserted, at most
    except DataFileError as error:
        message = str(error)
    else:
        message = str(path)
    path.unlink()
    assert str(path) in message


def small_mnist(folder: Path, **changed: np.ndarray) -> Path:
    arrays = {
        "train-images-idx3-ubyte": np.full((5, 4, 4), 255, dtype=np.uint8),
        "train-labels-idx1-ubyte": np.array([0, 1, 2, 3, 9], dtype=np.uint8),
        "t10k-images-idx3-ubyte": np.zeros((2, 4, 4), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.array([7, 8], dtype=np.uint8),
    }
    for k, (name, array) in enumerate(arrays.items()):
        content = encoded(changed.get(name.split("-idx")[0].replace("-", "_"), array))
        path = folder / (name + ".gz" if k % 2 else name)
        path.write_bytes(gzip.compress(content) if k % 2 else content)
    return folder


def test_mnist_comes_flat_and_scaled(tmp_path):
    images, labels, test_images, test_labels = mnist(small_mnist(tmp_path))
    assert (images.shape, images.dtype, float(images.min())) == ((5, 16), np.float32, 1.0)
    assert (labels.dtype, labels.tolist()) == (np.int32, [0, 1, 2, 3, 9])
    assert (test_images.shape, test_labels.tolist()) == ((2, 16), [7, 8])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train_labels": np.zeros(4, dtype=np.uint8)}, r"holds 5 images, and train-labels-idx1-ubyte.gz 4 labels"),
        ({"train_labels": np.full(5, 10, dtype=np.uint8)}, r"holds the label 10; expected 0 to 9"),
        ({"train_images": np.zeros((5, 16), dtype=np.uint8)}, r"holds 2 axes of uint8; expected 3 of uint8"),
        ({"train_images": np.zeros((5, 4, 4), dtype=np.int32)}, r"holds 3 axes of int32; expected 3 of uint8"),
        ({"t10k_images": np.zeros((2, 4, 5), dtype=np.uint8)}, r"16 pixels, and the test images 20"),
        ({"t10k_images": np.zeros((0, 4, 4), dtype=np.uint8)}, r"holds nothing"),
    ],
)
def test_files_that_do_not_belong_together_are_named(tmp_path, changed, said):
    with pytest.raises(DataFileError, match=said):
        mnist(small_mnist(tmp_path, **changed))


def test_a_missing_part_is_named_with_what_was_expected(tmp_path):
    (small_mnist(tmp_path) / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataFileError, match=r"neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz"):
        mnist(tmp_path)
    with pytest.raises(DataFileError, match="is no folder"):
        mnist(tmp_path / "nowhere")


REAL = Path(os.environ.get("PELLUCID_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mnist"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no MNIST in {REAL}; $PELLUCID_DATA names the folder that holds mnist/")
def test_the_real_mnist_is_read():
    images, labels, test_images, test_labels = mnist(REAL)
    assert (images.shape, test_images.shape) == ((60_000, 784), (10_000, 784))
    # how often each digit occurs in the test set, as LeCun's page and every copy of it have it
    assert np.bincount(test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert len(labels) == 60_000
