"""Object files to code in memory, for those that LLVM writes of our modules on x86-64 Linux.

All they need is that what code says relative to its own place is filled in: where constants, other functions and the
system's functions are. Done here, a process that finds its programs on the disk does not load LLVM, which is 40 MB of
memory and as many milliseconds. Whatever is not known here is left to LLVM's linker. The format is that of the *System
V Application Binary Interface*, chapters 4 (objects) and, in its supplement for AMD64, 4.4 (relocations).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

_HEADER = struct.Struct("<4sBB10xHH20xQ10xHH2x")  # magic, class, order, type, machine; of sections: where, size, count
_SECTION, _SYMBOL = struct.Struct("<IIQ8xQQIIQ8x"), struct.Struct("<IBxHQ8x")
_RELOCATION = np.dtype([("offset", "<i8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])

_OBJECT = (b"\x7fELF", 2, 1, 1, 62)  # of 64 bits, the lowest first, to be linked, for x86-64
_CONTENT, _SYMBOLS, _RELOCATIONS, _ZEROS, _UNWINDING = 1, 2, 4, 8, 0x70000001
_WRITTEN, _ALLOCATED, _KNOWN_FLAGS = 1, 2, 0x37  # with those of code, and of constants that might be merged
_RELATIVE, _CALL = 2, 4  # the two kinds of relocations: a distance of 32 bits, and that of a function
_NOWHERE, _LEAST_SPECIAL = 0, 0xFF00
_JUMP = bytes.fromhex("ff2500000000")  # through the address that follows
_STUB = 16


class _UnknownError(Exception):
    """An object has something that is not known here."""


class _Section(NamedTuple):
    """A part of an object: code, constants, a table, ..."""

    name: int
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


class _Symbol(NamedTuple):
    """A name: where it is kept, what it is, and what section it lies in and where, if it does."""

    name: int
    info: int
    section: int
    value: int


class _Object:
    """An object file, and where its sections lie in memory."""

    def __init__(self, code: bytes) -> None:
        self.code, self.places = code, dict[int, int]()
        *kind, at, size, count = _HEADER.unpack_from(code)
        if tuple(kind) != _OBJECT or size != _SECTION.size:
            raise _UnknownError
        self.sections = [_Section(*fields) for fields in _SECTION.iter_unpack(code[at : at + size * count])]
        tables = [section for section in self.sections if section.type == _SYMBOLS]
        if len(tables) != 1:
            raise _UnknownError
        self.symbols = [_Symbol(*fields) for fields in _SYMBOL.iter_unpack(self._content(tables[0]))]
        self.names = self._content(self.sections[tables[0].link])

    def _content(self, section: _Section) -> bytes:
        return self.code[section.offset : section.offset + section.size]

    def _name(self, symbol: _Symbol) -> str:
        return self.names[symbol.name : self.names.index(b"\0", symbol.name)].decode()

    def place(self, written: bool, end: int) -> int:
        """Give places, from ``end`` on, to its sections that are written to or are not; return where they end."""
        for k, section in enumerate(self.sections):
            if not section.flags & _ALLOCATED or section.type == _UNWINDING:
                continue
            if bool(section.flags & _WRITTEN) != written:
                continue
            if section.type not in (_CONTENT, _ZEROS) or section.flags & ~_KNOWN_FLAGS or section.align > mmap.PAGESIZE:
                raise _UnknownError
            self.places[k] = _up(end, section.align)
            end = self.places[k] + section.size
        return end

    def defined(self) -> Iterator[tuple[int, str, int]]:
        """Yield number, name and place of each symbol that it defines."""
        for k, symbol in enumerate(self.symbols):
            if symbol.section in self.places:
                yield k, self._name(symbol), self.places[symbol.section] + symbol.value
            elif symbol.section >= _LEAST_SPECIAL and symbol.info & 15 != 4:  # but the name of a file
                raise _UnknownError

    def missing(self) -> dict[int, str]:
        """Return number and name of each symbol that it leaves to others."""
        return {k: self._name(s) for k, s in enumerate(self.symbols) if s.section == _NOWHERE and s.name}

    def fill(self, memory: Any) -> None:
        """Copy what its sections hold into memory."""
        for k, place in self.places.items():
            if self.sections[k].type == _CONTENT:
                content = self._content(self.sections[k])
                memory[place : place + len(content)] = np.frombuffer(content, np.uint8)

    def relocate(self, memory: Any, places: Any, functions: Any) -> None:
        """Write the distances that its code needs; of symbols, some have a place, and some are functions alone."""
        for section in self.sections:
            base = self.places.get(section.info) if section.type == _RELOCATIONS else None
            if base is None:
                continue
            wanted = np.frombuffer(self._content(section), _RELOCATION)
            symbol, called = wanted["symbol"], wanted["type"] == _CALL
            if not np.all(called | (wanted["type"] == _RELATIVE)) or np.any(places[symbol] < 0):
                raise _UnknownError
            if np.any(functions[symbol] & ~called):
                raise _UnknownError
            at = base + wanted["offset"]
            distances = (places[symbol] + wanted["addend"] - at).astype("<i4")
            memory[at[:, None] + np.arange(4)] = distances.view(np.uint8).reshape(-1, 4)


class Linked(dict[str, int]):
    """Addresses of code in memory, which is given back when nobody has them any more; at the process's end it stays."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.base = _system().mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, _PRIVATE, -1, 0)
        if self.base == _FAILED:
            raise _UnknownError
        weakref.finalize(self, _system().munmap, self.base, size).atexit = False
        self.memory = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self.base))

    def make_executable(self, size: int) -> None:
        """Let what lies at the beginning be run, and no longer written."""
        if _system().mprotect(self.base, size, mmap.PROT_READ | mmap.PROT_EXEC):
            raise _UnknownError


def usable() -> bool:
    """Whether this machine is of the kind whose objects are known here."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32


def link(objects: Sequence[bytes], outside: Callable[[str], int | None]) -> Mapping[str, int] | None:
    """Return objects linked with each other, and with functions outside; None where LLVM is to do it."""
    if not usable():
        return None
    try:
        return _linked([_Object(code) for code in objects], outside)
    except _UnknownError:
        return None


def _linked(objects: Sequence[_Object], outside: Callable[[str], int | None]) -> Linked:
    """Place code and constants, jumps to functions outside, and on pages of its own what is written to."""
    end = 0
    for each in objects:
        end = each.place(written=False, end=end)
    own = {name for each in objects for _, name, _ in each.defined()}
    jumps = sorted({name for each in objects for name in each.missing().values()} - own)
    stubs = {name: _up(end, _STUB) + k * _STUB for k, name in enumerate(jumps)}
    code = end = _up(_up(end, _STUB) + len(jumps) * _STUB, mmap.PAGESIZE)
    for each in objects:
        end = each.place(written=True, end=end)
    exported = {name: at for each in objects for k, name, at in each.defined() if each.symbols[k].info >> 4}
    made = Linked(max(end, 1))
    for name, at in stubs.items():
        address = outside(name)
        if address is None:
            raise _UnknownError
        made.memory[at : at + _STUB - 2] = np.frombuffer(_JUMP + struct.pack("<Q", address), np.uint8)
    for each in objects:
        places, functions = np.full(len(each.symbols), -1), np.zeros(len(each.symbols), bool)
        for k, _, at in each.defined():
            places[k] = at
        for k, name in each.missing().items():
            places[k], functions[k] = exported.get(name, stubs.get(name, -1)), name in stubs
        each.fill(made.memory)
        each.relocate(made.memory, places, functions)
    made.make_executable(code)
    made.update({name: made.base + at for name, at in exported.items()})
    return made


def _up(number: int, multiple: int) -> int:
    return -(-number // max(multiple, 1)) * max(multiple, 1)


_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_FAILED = ctypes.c_void_p(-1).value


@cache
def _system() -> ctypes.CDLL:
    """Return the system's library, with what it takes and gives where memory is concerned."""
    library, word, number = ctypes.CDLL(None), ctypes.c_void_p, ctypes.c_int
    library.mmap.restype = word
    library.mmap.argtypes = [word, ctypes.c_size_t, number, number, number, ctypes.c_long]
    library.munmap.argtypes = [word, ctypes.c_size_t]
    library.mprotect.argtypes = [word, ctypes.c_size_t, number]
    return library


__all__ = ["Linked", "link", "usable"]
