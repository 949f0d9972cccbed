"""Image files as arrays of bytes, by Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import MissingExtraError, PellucidError

if TYPE_CHECKING:
    from PIL import Image

Array = np.ndarray[Any, Any]
MOST_PIXELS = 100_000_000  # of one image; a decompression bomb has more


class BadImageError(PellucidError):
    """Why one file gives no image; its text goes behind the file's name."""


def decode(content: bytes, into: Array) -> None:
    """Decode an image file, and write it into an array of bytes, (height, width, channels), stretched to its size.

    One channel is grey, three are red, green and blue. What is transparent becomes white, of an animation the first
    picture is taken, and what a camera noted about how it was held is heeded. Deeper colours are cut to eight bits.

    Raises:
        BadImageError: if it is no image, or damaged, or too large.
        MissingExtraError: if Pillow is not installed.
    """
    image_module = _pillow()
    if not content:
        raise BadImageError("is empty")
    height, width, channels = into.shape
    mode = "L" if channels == 1 else "RGB"
    try:
        with image_module.open(io.BytesIO(content)) as file:
            if file.width * file.height > MOST_PIXELS:
                raise BadImageError(f"has {file.width} x {file.height} pixels; at most {MOST_PIXELS:,} are decoded")
            if file.format == "JPEG":
                file.draft(mode, (width, height))  # large ones are decoded at half the size or less
            picture = _upright(file)
            picture = _plain(picture, mode)
            if picture.size != (width, height):
                picture = picture.resize((width, height), image_module.Resampling.BILINEAR, reducing_gap=2.0)
            into[...] = np.asarray(picture).reshape(into.shape)
    except BadImageError:
        raise
    except image_module.UnidentifiedImageError:
        raise BadImageError("is no image of a kind that Pillow knows") from None
    except image_module.DecompressionBombError as error:
        raise BadImageError(f"is too large: {error}") from None
    except Exception as error:  # noqa: BLE001 - what decoders raise on damaged files is of many kinds
        raise BadImageError(f"is damaged: {str(error) or type(error).__name__}") from None


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            "reading images needs Pillow, which is not installed; try: pip install pellucid[learn]"
        ) from error
    return Image


def _upright(file: Image.Image) -> Image.Image:
    """Return an image as it was seen, not as the camera was held."""
    if file.format in ("JPEG", "TIFF", "WEBP", "MPO") and file.getexif().get(0x0112, 1) != 1:
        from PIL import ImageOps

        return ImageOps.exif_transpose(file)
    return file


def _plain(picture: Image.Image, mode: str) -> Image.Image:
    """Return an image in grey or in colours, of eight bits each and with nothing transparent."""
    if picture.mode == mode:
        return picture
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _eight_bits(picture).convert(mode)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        from PIL import Image

        seen = picture.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        picture = Image.alpha_composite(white, seen)
    return picture.convert(mode)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return an image of deep greys in 256 of them: 16 bits are cut, others stretched from lowest to highest."""
    from PIL import Image

    values = np.asarray(picture).astype(np.float64)
    if picture.mode.startswith("I;16") or (picture.mode == "I" and values.min() >= 0 and 255 < values.max() < 65536):
        return Image.fromarray((values // 256).astype(np.uint8))
    low, high = values.min(), values.max()
    if picture.mode == "I" and low >= 0 and high < 256:
        return Image.fromarray(values.astype(np.uint8))
    return Image.fromarray(np.uint8(np.rint((values - low) * (255 / max(high - low, 1e-300)))))


__all__ = ["BadImageError", "decode"]
