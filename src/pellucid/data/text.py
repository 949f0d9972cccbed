"""Text for character models: reading a file, characters as numbers, and windows of which the next one is learnt."""

from __future__ import annotations

import codecs
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from ..core.errors import DataFileError, InputError, ShapeError
from ..core.settings import check_number, check_whole

Array = np.ndarray[Any, Any]
Text = TypeVar("Text", str, Array)

MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The bytes that a text may begin with, and the encoding that they tell; UTF-32's first, which begin with UTF-16's."""


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """Return the text in a file, with one character at the end of each line, whatever ends it there.

    Args:
        path: the file.
        encoding: how its bytes stand for characters, by Python's names: ``"utf-8"``, ``"latin-1"``, ``"cp1252"``,
            ``"utf-16"`` and so on. UTF-8's mark at the beginning, which some editors write, is left out.

    Raises:
        DataFileError: if the file cannot be read, holds no text or characters of code 0, or is not in this encoding; it
            names the first byte that is not, where it stands, and what to try.
        InputError: if there is no encoding of this name.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "café.txt"
    >>> _ = path.write_bytes("un café".encode("latin-1"))
    >>> read_text(path, encoding="latin-1")
    'un café'
    >>> read_text(path)
    Traceback (most recent call last):
    ...
    pellucid.core.errors.DataFileError: ...: is not utf-8: byte e9 at offset 6 (line 1)...
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}; expected a text file") from error
    text = _decoded(path, data, encoding)
    if not text:
        raise DataFileError(f"{path}: holds no text; expected at least one character")
    if "\0" in text:
        raise DataFileError(
            f"{path}: holds a character of code 0 at position {text.index(chr(0)):,}, which no text has; is it another "
            "kind of file, or in encoding='utf-16'?"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        return data.decode("utf-8-sig" if name == "utf-8" else name)
    except LookupError as error:
        raise InputError(
            f"read_text: there is no text encoding {encoding!r}; expected one of Python's, such as 'utf-8', "
            "'latin-1', 'cp1252' or 'utf-16'"
        ) from error
    except UnicodeDecodeError as error:
        skipped = len(data) - len(error.object)  # what the decoder took for a mark
        place = error.start + skipped
        line = data.count(b"\n", 0, place) + 1
        raise DataFileError(
            f"{path}: is not {encoding}: byte {data[place : place + 1].hex() or 'none'} at offset {place:,} "
            f"(line {line:,}): {error.reason}; {_advice(data, name)}"
        ) from error


def _advice(data: bytes, name: str) -> str:
    told = next((known for mark, known in MARKS.items() if data.startswith(mark)), None)
    if told and codecs.lookup(told).name != name:
        return f"it begins as {told} does, try encoding='{told}'"
    if b"\0" in data:
        return "it holds bytes of zero: is it a text at all, or encoding='utf-16'?"
    return "try encoding='cp1252' or 'latin-1', which old texts of western Europe are in, or convert the file to UTF-8"


@dataclass(frozen=True, init=False)
class Characters:
    """The characters of a text, numbered from 0 in the order of their code points.

    Args:
        text: the training text, each of whose characters gets a number.
        unknown: one character that stands for all others that a later text may have, and gets a number too; without
            it such a text is refused.

    Attributes:
        characters: all of them in order; ``Characters(characters, unknown)`` makes the same vocabulary again.

    Raises:
        InputError: for a text without characters, or an ``unknown`` that is not one character.

    >>> vocabulary = Characters("hello")
    >>> vocabulary.characters, len(vocabulary)
    ('ehlo', 4)
    >>> vocabulary.encode("hole")
    array([1, 3, 2, 0], dtype=int32)
    >>> vocabulary.decode([1, 0, 2, 2, 3])
    'hello'
    >>> vocabulary.encode("hall")
    Traceback (most recent call last):
    ...
    pellucid.core.errors.InputError: the character 'a' (U+0061) at position 1 (line 1, column 2) is not among the 4...
    >>> lenient = Characters("hello", unknown="?")
    >>> lenient.decode(lenient.encode("hall"))
    'h?ll'
    """

    characters: str
    unknown: str | None = None
    points: Array = field(init=False, repr=False, compare=False)

    def __init__(self, text: str, unknown: str | None = None) -> None:
        if not _is_text(text) or not text:
            raise InputError(f"Characters: text is {text!r:.50}, and a string of at least one character was expected")
        if unknown is not None and (not _is_text(unknown) or len(unknown) != 1):
            raise InputError(f"Characters: unknown is {unknown!r}, and one character was expected, or None for none")
        points = np.unique(_code_points(text + (unknown or "")))
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "unknown", unknown)
        object.__setattr__(self, "characters", _text(points))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Array:
        """Return the numbers of a text's characters, int32 of shape (n,).

        Raises:
            InputError: if a character is none of the vocabulary's and ``unknown`` was not given; the first one is
                named, with its code point and where it stands.
        """
        points = _code_points(text)
        numbers = np.searchsorted(self.points, points).clip(max=len(self) - 1)
        strange = self.points[numbers] != points
        if strange.any():
            if self.unknown is None:
                raise InputError(self._refusal(text, int(strange.argmax()), len(np.unique(points[strange]))))
            numbers[strange] = self.characters.index(self.unknown)
        return numbers.astype(np.int32)

    def _refusal(self, text: str, place: int, kinds: int) -> str:
        line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
        also = f", nor are {kinds - 1} others" if kinds > 1 else ""
        return (
            f"the character {text[place]!r} (U+{ord(text[place]):04X}) at position {place} (line {line}, column "
            f"{column}) is not among the {len(self)} of the training text{also}; take it out, or make the vocabulary "
            "with one that stands for all others: Characters(text, unknown='?')"
        )

    def decode(self, numbers: Any) -> str:
        """Return the text of numbers, an array or list of shape (n,).

        Raises:
            ShapeError: if they have more than one axis.
            InputError: if one is not a whole number from 0 to the number of characters less 1; it is named.
        """
        given = np.asarray(numbers)
        if given.ndim > 1:
            raise ShapeError(
                f"Characters.decode: numbers have shape {given.shape}; expected one axis, one text at a time"
            )
        if given.size and given.dtype.kind not in "iu":
            raise InputError(f"Characters.decode: numbers are {given.dtype}; expected integers")
        given = given.reshape(-1)
        wrong = (given < 0) | (given >= len(self))
        if wrong.any():
            place = int(wrong.argmax())
            raise InputError(
                f"Characters.decode: number {given[place]} at position {place} stands for no character; expected "
                f"0 to {len(self) - 1}"
            )
        return _text(self.points[given.astype(np.intp)])


def _is_text(given: Any) -> bool:
    return isinstance(given, str)


def _code_points(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _text(points: Array) -> str:
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def split_text(text: Text, validation: float = 0.1) -> tuple[Text, Text]:
    """Return the beginning of a text to train on, and its end to validate with.

    A text is not shuffled before it is split: neighbouring sentences speak of the same, and would tell too much.

    Args:
        text: a string, or an array whose first axis counts characters.
        validation: the share of it, from its end, that is held out: above 0 and below 1.

    Raises:
        InputError: if either part would be empty.

    >>> split_text("to be, or not to be")
    ('to be, or not to ', 'be')
    """
    check_number("split_text", "validation", validation, "share")
    train = len(text) - round(len(text) * validation)
    if not 0 < train < len(text):
        raise InputError(
            f"split_text: of {len(text)} characters validation={validation} leaves {train} to train on and "
            f"{len(text) - train} to validate with; expected some of each"
        )
    return text[:train], text[train:]


def windows(numbers: Any, length: int, step: int | None = None) -> tuple[Array, Array]:
    """Return windows of a text, and for each of their places the character that comes next.

    Both are views of the one array that was given, so that they take no memory of their own, and are read-only. With
    windows side by side, as is usual, training reads them in place; windows that overlap are copied by what needs them
    contiguous, ``length / step`` times the text.

    Args:
        numbers: the numbers of the characters, shape (n,), as of ``Characters.encode``.
        length: how many characters a window has.
        step: how far the next window begins from the last; ``length`` unless told otherwise, so that each character
            is learnt once. What is left at the end and fills no window is left out.

    Returns:
        Inputs and targets, both of shape (windows, length) and of the dtype given, the targets one character later.

    Raises:
        ShapeError: if the numbers have another number of axes.
        InputError: if the text is too short for one window, or ``length`` or ``step`` is below 1.

    >>> x, y = windows(np.arange(10), 4)
    >>> x
    array([[0, 1, 2, 3],
           [4, 5, 6, 7]])
    >>> y
    array([[1, 2, 3, 4],
           [5, 6, 7, 8]])
    """
    numbers = np.asarray(numbers)
    check_whole("windows", "length", length)
    check_whole("windows", "step", step, or_none=True)
    if numbers.ndim != 1:
        raise ShapeError(f"windows: the numbers have shape {numbers.shape}; expected one axis of characters")
    if len(numbers) <= length:
        raise InputError(
            f"windows: {len(numbers)} characters are too few for a window of {length} and the one after it; take a "
            f"length below {len(numbers)}, or a longer text"
        )
    inputs, targets = (
        np.lib.stride_tricks.sliding_window_view(part, length)[:: step or length]
        for part in (numbers[:-1], numbers[1:])
    )
    return inputs, targets
