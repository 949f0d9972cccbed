"""Folders and archives of images: what they give, and one clear message for each way in which they are bad."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pellucid as pc
from pellucid.data import decoding
from pellucid.data.decoding import BadImageError, decode

RANDOM = np.random.default_rng(0)


def picture(height=8, width=8, mode="RGB", colour=None):
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (height, width) if channels == 1 else (height, width, channels)
    values = np.full(shape, colour, np.uint8) if colour is not None else RANDOM.integers(0, 256, shape, np.uint8)
    return Image.fromarray(values, mode)


def save(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or picture()).save(path, **options)
    return path


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two classes, three files each."""
    for label in ("cat", "dog"):
        for number in range(3):
            save(tmp_path / "set" / label / f"{number}.png")
    return tmp_path / "set"


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def test_a_folder_for_each_class(folder):
    found = pc.data.images(folder, size=8)
    assert found.inputs.shape == (6, 8, 8, 3) and found.inputs.dtype == np.uint8
    assert found.classes == ("cat", "dog") and list(found.labels) == [0, 0, 0, 1, 1, 1]
    assert found.names[:2] == ("cat/0.png", "cat/1.png")
    for image, name in zip(found.inputs, found.names, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(folder / name)))


def test_the_class_in_each_name(tmp_path):
    for name in ("cat.10.jpg", "cat.2.jpg", "dog.7.jpg", "notes.txt"):
        if name.endswith("jpg"):
            save(tmp_path / name)
        else:
            (tmp_path / name).write_text("not an image")
    found = pc.data.images(tmp_path, size=4)
    assert found.classes == ("cat", "dog") and list(found.labels) == [0, 0, 1]


def test_an_archive_gives_what_its_folder_gives(folder, tmp_path):
    one, other = pc.data.images(folder, size=6), pc.data.images(zipped(folder, tmp_path / "set.zip"), size=6)
    np.testing.assert_array_equal(one.inputs, other.inputs)
    assert one[2:] == other[2:]


@pytest.mark.parametrize("packed", [False, True])
def test_parts_in_folders_of_their_own(folder, tmp_path, packed):
    whole = tmp_path / "whole"
    for part in ("train", "test"):
        for label in ("cat", "dog"):
            save(whole / "sub" / part / label / f"{part}.png")
    where = zipped(whole, tmp_path / "whole.zip") if packed else whole
    assert pc.data.parts_of(where) == ("train", "test")
    assert pc.data.images(where, part="test").names == ("sub/test/cat/test.png", "sub/test/dog/test.png")
    with pytest.raises(pc.core.errors.DataFileError, match="no files in a folder 'val'"):
        pc.data.images(where, part="val")


def test_any_number_of_workers_gives_the_same(folder):
    reports = []
    one = pc.data.images(folder, workers=1, progress=lambda done, total: reports.append((done, total)))
    three = pc.data.images(folder, workers=3)
    np.testing.assert_array_equal(one.inputs, three.inputs)
    assert reports == [(6, 6)]


def test_sizes_and_channels(folder):
    assert pc.data.images(folder, size=(5, 9)).inputs.shape == (6, 5, 9, 3)
    grey = pc.data.images(folder, size=8, channels=1)
    expected = np.asarray(Image.open(folder / "cat" / "0.png").convert("L"))
    np.testing.assert_array_equal(grey.inputs[0, :, :, 0], expected)


@pytest.mark.parametrize(
    "arguments", [{"size": 0}, {"size": (3, 4, 5)}, {"size": "32"}, {"channels": 2}, {"workers": 0}]
)
def test_wrong_arguments(folder, arguments):
    with pytest.raises(pc.core.errors.InputError, match=next(iter(arguments))):
        pc.data.images(folder, **arguments)


def test_one_file_is_read_as_the_folder_is(folder):
    found = pc.data.images(folder, size=5)
    np.testing.assert_array_equal(pc.data.read_image(folder / "dog" / "1.png", size=5), found.inputs[4])
    with pytest.raises(pc.core.errors.DataFileError, match="cannot be read"):
        pc.data.read_image(folder / "none.png")


# what images are like


def decoded(content, size=(8, 8), channels=3):
    shape = (*size, channels)
    return np.frombuffer(decode(content, shape), np.uint8).reshape(shape)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "PPM"])
def test_kinds_of_files(kind):
    found = decoded(encoded(picture(colour=90), kind))
    assert np.abs(found.astype(int) - 90).max() <= 2


def test_modes():
    np.testing.assert_array_equal(decoded(encoded(picture(mode="L", colour=7))), 7)
    palette = Image.new("P", (8, 8), 3)
    palette.putpalette([10, 20, 30] * 256)
    np.testing.assert_array_equal(decoded(encoded(palette))[0, 0], [10, 20, 30])
    cmyk = decoded(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert cmyk[4, 4, 0] > 200 and cmyk[4, 4, 1] < 60
    deep = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    np.testing.assert_array_equal(decoded(encoded(deep), channels=1), 128)
    for low_first, mode in ((b"\xff\x41", "I;16"), (b"\x41\xff", "I;16B")):
        other = Image.frombytes(mode, (8, 8), low_first * 64)
        np.testing.assert_array_equal(decoded(encoded(other, "TIFF"), channels=1), 0x41)
    np.testing.assert_array_equal(decoded(encoded(Image.new("1", (8, 8), 1))), 255)
    floats = Image.fromarray(np.linspace(-1, 1, 64).reshape(8, 8).astype(np.float32))
    found = decoded(encoded(floats, "TIFF"), channels=1)
    np.testing.assert_array_equal(found.ravel(), np.rint(np.linspace(0, 255, 64)))
    whole = Image.fromarray(np.arange(-100_000, 100_000, 3125, dtype=np.int32).reshape(8, 8))
    found = decoded(encoded(whole, "TIFF"), channels=1)
    assert (found.min(), found.max()) == (0, 255) and (np.diff(found.ravel().astype(int)) >= 4).all()
    shallow = Image.fromarray(np.full((8, 8), 200, np.int32))
    np.testing.assert_array_equal(decoded(encoded(shallow, "TIFF"), channels=1), 200)
    same = Image.fromarray(np.full((8, 8), 1e30, np.float32))
    np.testing.assert_array_equal(decoded(encoded(same, "TIFF"), channels=1), 0)


def test_what_is_transparent_becomes_white():
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    np.testing.assert_array_equal(decoded(encoded(clear)), 255)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0] * 256)
    np.testing.assert_array_equal(decoded(encoded(palette, transparency=0)), 255)


def test_of_an_animation_the_first_picture():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decoded(content)[0, 0], [255, 0, 0])


def test_how_the_camera_was_held_is_heeded():
    image = Image.new("RGB", (16, 8), "white")
    image.paste("black", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right
    found = decoded(encoded(image, "JPEG", exif=exif, quality=95), (16, 8))
    assert found[:7].max() < 40 and found[9:].min() > 215


JPEGS = {
    "plain": {},
    "not subsampled": {"subsampling": 0},
    "progressive": {"progressive": True},
    "own tables": {"optimize": True, "quality": 97},
    "restarting": {"restart_marker_blocks": 1},
    "with a comment": {"comment": b"of a cat"},
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(20, 30), (8, 40), (50, 60)])
@pytest.mark.parametrize("case", JPEGS)
def test_reading_headers_here_changes_nothing(case, size, channels, monkeypatch):
    content = encoded(picture(20, 30), "JPEG", **JPEGS[case])
    quick = decoded(content, size, channels)
    assert decoding._quickly(content, "L" if channels == 1 else "RGB", size) is not None
    monkeypatch.setattr(decoding, "_quickly", lambda *_: None)
    np.testing.assert_array_equal(quick, decoded(content, size, channels))


def test_other_headers_are_left_to_pillow():
    exif = Image.Exif()
    exif[0x0112] = 6
    common = encoded(picture(20, 30), "JPEG")
    for content in (
        encoded(picture(20, 30), "JPEG", exif=exif),
        encoded(picture(20, 30), "JPEG", icc_profile=b"x" * 200),
        encoded(picture(20, 30, mode="L"), "JPEG"),
        encoded(picture(20, 30, mode="CMYK"), "JPEG"),
        encoded(picture(20, 30), "PNG"),
        common[:-200],  # cut short
        common[:10],
        common.replace(b"\0\x14\0\x1e", b"\0\x14\0\0"),  # no width
        b"",
    ):
        assert decoding._quickly(content, "RGB", (30, 20)) is None
    assert decoding._quickly(common, "RGB", (30, 20)).size == (30, 20)
    assert decoding._quickly(common, "RGB", (15, 10)) is None  # decoded at half the size


def test_large_photographs_are_shrunk():
    found = decoded(encoded(picture(600, 900, colour=120), "JPEG"))
    assert np.abs(found.astype(int) - 120).max() <= 2


# what is bad


def bomb():
    """Return a PNG of a few bytes that promises 60,000 x 60,000 pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello, I am not an image", "no image of a kind"),
    "cut short": (encoded(picture(64, 64), "JPEG")[:700], "is damaged"),
    "cut PNG": (encoded(picture(64, 64))[:200], "is damaged"),
    "a bomb": (bomb(), "is too large|pixels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_left_out_and_named(folder, case):
    content, why = BAD[case]
    (folder / "cat" / "bad file ü.jpg").write_bytes(content)
    with pytest.warns(pc.data.SkippedImageWarning, match=rf"1 of 7 files were left out: cat/bad file ü.jpg .*({why})"):
        found = pc.data.images(folder, size=8)
    assert len(found.inputs) == len(found.labels) == len(found.names) == 6
    for image, name in zip(found.inputs, found.names, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(folder / name)))
    with pytest.raises(pc.core.errors.DataFileError, match=why):
        pc.data.images(folder, strict=True)


def test_many_bad_files_are_counted(folder):
    for k in range(9):
        (folder / "dog" / f"bad{k}.png").write_bytes(b"x")
    with pytest.warns(pc.data.SkippedImageWarning, match="9 of 15 files .*; and 4 more"):
        pc.data.images(folder)


def test_one_class_only(tmp_path):
    save(tmp_path / "cat" / "1.png")
    with pytest.raises(pc.core.errors.DataFileError, match="only one class, 'cat'; at least two"):
        pc.data.images(tmp_path)


def test_a_class_whose_files_are_all_bad_is_none(folder):
    (folder / "fish").mkdir()
    (folder / "fish" / "1.png").write_bytes(b"")
    with pytest.warns(pc.data.SkippedImageWarning):
        assert pc.data.images(folder).classes == ("cat", "dog")


def test_nothing_that_could_be_read(tmp_path):
    with pytest.raises(pc.core.errors.DataFileError, match="has no files"):
        pc.data.images(tmp_path)
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(pc.core.errors.DataFileError, match="says nowhere which class"):
        pc.data.images(tmp_path)
    with pytest.raises(pc.core.errors.DataFileError, match="is not there"):
        pc.data.images(tmp_path / "none")
    with pytest.raises(pc.core.errors.DataFileError, match="neither a folder nor a whole zip"):
        pc.data.images(tmp_path / "photo.png")


def test_thousands_of_classes_with_names_of_all_kinds(tmp_path):
    content = encoded(picture(2, 2))
    for k in range(1500):
        (tmp_path / f"Klasse № {k:04d} ☃").mkdir()
        (tmp_path / f"Klasse № {k:04d} ☃" / "ein Bild.png").write_bytes(content)
    found = pc.data.images(tmp_path, size=2)
    assert len(found.classes) == 1500 and found.classes[7] == "Klasse № 0007 ☃"
    np.testing.assert_array_equal(found.labels, np.arange(1500))


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="this system has no symbolic links")
def test_links_that_go_round_end(folder):
    (folder / "cat" / "loop").symlink_to(folder)
    (folder / "bird").symlink_to(folder / "cat")
    assert len(pc.data.images(folder).inputs) == 6
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    assert len(pc.data.images(folder).inputs) == 6


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(folder):
    (folder / "cat" / "0.png").chmod(0)
    with pytest.warns(pc.data.SkippedImageWarning, match="Permission denied"):
        assert len(pc.data.images(folder).inputs) == 5


def test_hidden_files_do_not_count(folder):
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    save(folder / ".thumbnails" / "1.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(pc.data.images(folder).inputs) == 6


def test_archives_that_are_not_to_be_trusted(folder, tmp_path):
    path = zipped(folder, tmp_path / "set.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../etc/passwd.png", b"x")
    with pytest.raises(pc.core.errors.DataFileError, match="names a file outside itself"):
        pc.data.images(path)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/1.png", bytes(10_000_000))
    with pytest.raises(pc.core.errors.DataFileError, match="would grow from"):
        pc.data.images(tmp_path / "bomb.zip")


def test_a_damaged_archive(folder, tmp_path):
    path = zipped(folder, tmp_path / "set.zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(pc.core.errors.DataFileError, match="whole zip archive"):
        pc.data.images(path)
    damaged = bytearray(whole)
    damaged[60:120] = bytes(60)
    path.write_bytes(damaged)
    with pytest.warns(pc.data.SkippedImageWarning, match="1 of 6 files"):
        pc.data.images(path)


CONTENT = [encoded(picture(16, 16), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")]
CONTENT += [encoded(picture(16, 16), "JPEG", progressive=True)]


@st.composite
def broken(draw):
    """Draw a file of one of the kinds, with some of its bytes changed, left out or put in."""
    content = bytearray(draw(st.sampled_from(CONTENT)))
    for _ in range(draw(st.integers(1, 4))):
        place, size = draw(st.integers(0, len(content))), draw(st.integers(0, 20))
        content[place : place + draw(st.integers(0, 20))] = draw(st.binary(max_size=size))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


@given(broken())
@settings(deadline=5_000)
def test_any_bytes_are_an_image_or_one_clear_message(content):
    check(content)


@pytest.mark.soak
@given(broken())
@settings(max_examples=10_000, deadline=5_000)
def test_ten_thousand_broken_files(content):
    check(content)


def check(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of what it makes of them
        for size in ((8, 8), (16, 16)):
            try:
                assert decoded(content, size).shape == (*size, 3)
            except BadImageError as error:
                assert str(error).startswith(("is ", "has "))
        quick = decoding._quickly(content, "RGB", (16, 16))
        if quick is not None:  # then Pillow's own reading of the header finds nothing wrong, and the same picture
            np.testing.assert_array_equal(np.asarray(quick), np.asarray(decoding._by_kind(content, "RGB", (16, 16))))


def test_a_decoder_that_fails_in_some_other_way_is_a_damaged_file(monkeypatch):
    class Failing:
        DecompressionBombError = UnidentifiedImageError = type("None_", (Exception,), {})

        @staticmethod
        def open(_):
            raise struct.error

    monkeypatch.setattr(decoding, "_pillow", lambda: Failing)
    with pytest.raises(BadImageError, match="is damaged: error"):
        decoded(b"x")


def test_the_images_at_hand():
    path = Path(os.environ.get("PELLUCID_DATA", "")) / "cifar10-jpegs.zip"
    if not path.is_file():
        pytest.skip("cifar10-jpegs.zip is not in $PELLUCID_DATA")
    found = pc.data.images(path, part="test")
    assert len(found.classes) == 10 and found.inputs.shape[1:] == (32, 32, 3)
