"""LLVM IR to machine code in this process: parse, optimise, emit an object, load it.

An object that the disk cache kept is only loaded, for which LLVM itself is mostly not needed (`linking.py`).
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...core.errors import InternalError
from . import cores, libm, linking, parts
from .target import Target, llvm_version

if TYPE_CHECKING:
    import llvmlite.binding as llvm

# What runs on the IR before code is generated. "light" is for IR in its final form, as the loop emitter's is: it
# removes stack slots and what is computed twice. "full" is LLVM's -O3.
PIPELINES: dict[str, tuple[str, ...]] = {
    "none": (),
    "light": ("sroa", "instruction_combine", "simplify_cfg", "new_gvn"),
    "full": ("O3",),
}

# NewGVN may not move operations into phis: doing so, LLVM 22 stops the process at some nests of loops, since it goes on
# through a set that it has changed. What else it finds is what loops need.
OPTIONS = ("-enable-phi-of-ops=false",)

_lock = threading.RLock()

# A child forked in the middle of another thread's compilation would find LLVM, and this lock, as they were then.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class Module:
    """Machine code in memory. It stays there as long as this object lives, so keep it while the code may run.

    Args:
        objects: object files, which may call each other.
        names: the functions they define that may be asked for.
        outside: the functions they call that none of them defines.
    """

    def __init__(self, objects: Sequence[bytes], names: Sequence[str], outside: Sequence[str]) -> None:
        with _lock:
            self._names = frozenset(names)
            self._loaded = _load(objects, names, outside)

    def address(self, name: str) -> int:
        """Return where a function of the module begins.

        Raises:
            InternalError: the module defines no such function.
        """
        if name not in self._names:
            raise InternalError(f"the module has no function {name}; it has {', '.join(sorted(self._names))}")
        return int(self._loaded[name])


def compile_module(text: str, target: Target, optimise: str = "light") -> Module:
    """Compile LLVM IR and load it.

    Args:
        text: a module: declarations, functions, metadata.
        target: the machine it is for, which must be this one or a part of it.
        optimise: ``none``, ``light`` (redundancies and stack slots removed; for IR in its final form) or ``full``.

    Raises:
        InternalError: LLVM does not accept the IR, or the IR calls something this process does not have.
    """
    return Module(emit_objects(text, target, optimise), sorted(set(_DEFINED.findall(text))), outside(text))


def emit_objects(text: str, target: Target, optimise: str = "light") -> list[bytes]:
    """Compile LLVM IR to object files: several where it is long and there are cores to compile its parts at once."""

    def optimise_part(part: str) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
        return _optimised(part, target, optimise)

    with _lock:
        done = parts.side_by_side(optimise_part, parts.cut(text, cores.thread_count()))
        return parts.side_by_side(_emitted, done)


def _emitted(optimised: tuple[llvm.ModuleRef, llvm.TargetMachine]) -> bytes:
    """Return the object file of a module."""
    module, machine = optimised
    with _llvm().ffi.OutputString() as error:
        made = _unlocked("LLVMPY_TargetMachineEmitToMemory")(machine, module, True, error)
        if not made:
            raise InternalError(f"LLVM makes no code of this: {error}")
    return _content(made)


def optimised(text: str, target: Target, optimise: str = "light") -> str:
    """Return LLVM IR after LLVM's passes."""
    with _lock:
        return str(_optimised(text, target, optimise)[0])


def assembly(text: str, target: Target, optimise: str = "light") -> str:
    """Return the machine code of LLVM IR as assembly."""
    with _lock:
        module, machine = _optimised(text, target, optimise)
        return str(machine.emit_assembly(module))


def outside(text: str) -> list[str]:
    """Return the names of functions outside a module that its code may call."""
    declared = [name for name in _DECLARED.findall(text) if not name.startswith("llvm.")]
    return [*declared, *libm.compiler_names()]


@lru_cache(maxsize=1)
def _llvm() -> Any:
    """Load LLVM, once, when it is first needed."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for option in OPTIONS:
        llvm.set_option("", option)
    return llvm


def version() -> str:
    """Return what machine code depends on beside IR and target: LLVM's version, the passes and their options."""
    return " ".join([llvm_version(), *PIPELINES["light"], *OPTIONS])


def _machine(target: Target) -> llvm.TargetMachine:
    # Position-independent, so that the code may lie anywhere; small, so that constants are read by one instruction.
    kind = _llvm().Target.from_triple(target.triple)
    return kind.create_target_machine(cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="small")


def _optimised(text: str, target: Target, optimise: str) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    if optimise not in PIPELINES:
        raise InternalError(f"no pipeline is called {optimise!r}; there are {', '.join(PIPELINES)}")
    machine = _machine(target)
    module = _parsed(text, target)
    if optimise != "none":
        options = _llvm().create_pipeline_tuning_options(speed_level=3)
        builder = _llvm().create_pass_builder(machine, options)
        passes = builder.getModulePassManager() if optimise == "full" else _light_passes()
        _unlocked("LLVMPY_RunNewModulePassManager")(passes, module, builder)
    return module, machine


@lru_cache
def _unlocked(name: str) -> Any:
    """Return a function of LLVM's without llvmlite's lock, which lets one thread at a time into any of them.

    LLVM asks for no more than that each thread has a context of its own, and what is made in it. Where a version of
    llvmlite does not say where its library is, one part is compiled after the other.
    """
    library = _llvm().ffi.lib
    locked, path = getattr(library, name), getattr(library, "_name", None)
    if path is None:
        return locked
    function = getattr(ctypes.CDLL(path), name)
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function


def _content(buffer: Any) -> bytes:
    """Return what a memory buffer of LLVM's holds, and free it."""
    library = _llvm().ffi.lib
    try:
        return ctypes.string_at(library.LLVMPY_GetBufferStart(buffer), library.LLVMPY_GetBufferSize(buffer))
    finally:
        library.LLVMPY_DisposeMemoryBuffer(buffer)


def _light_passes() -> llvm.ModulePassManager:
    passes = _llvm().create_new_module_pass_manager()
    for name in PIPELINES["light"]:
        getattr(passes, f"add_{name}_pass")()
    return passes


def _parsed(text: str, target: Target) -> llvm.ModuleRef:
    header = f'target triple = "{target.triple}"\n'
    try:
        module = _llvm().parse_assembly(header + text, _llvm().create_context())
        module.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM does not accept the generated code: {_explained(str(error), text)}") from None
    return module


def _explained(message: str, text: str) -> str:
    """Return LLVM's message with the line that it is about."""
    place = re.search(r"<string>:(\d+):\d+: error: (.*)", message)
    if place is None:
        return message.strip()
    number = int(place[1]) - 2  # the header stands before the text
    lines = text.splitlines()
    line = lines[number].strip() if 0 <= number < len(lines) else ""
    return f"line {number + 1}, `{line}`: {place[2]}"


def _load(objects: Sequence[bytes], names: Sequence[str], outside: Sequence[str]) -> Mapping[str, int]:
    """Link objects into this process; the addresses hold as long as what is returned does."""
    return linking.link(objects, libm.anywhere) or _loaded_by_llvm(objects, names, outside)


def _loaded_by_llvm(objects: Sequence[bytes], names: Sequence[str], outside: Sequence[str]) -> Mapping[str, int]:
    library = _llvm().JITLibraryBuilder().add_current_process()
    for code in objects:
        library.add_object_img(code)
    for name in outside:
        place = libm.address(name)
        if place is not None:
            library.import_symbol(name, place)
    for name in names:
        library.export_symbol(name)
    try:
        linked: Mapping[str, int] = library.link(_linker(), f"pellucid-{next(_numbers)}")
    except RuntimeError as error:
        raise InternalError(f"the generated code does not link: {str(error).strip()}") from None
    return linked


@lru_cache(maxsize=1)
def _linker() -> llvm.LLJIT:
    # JITLink puts the sections of an object within reach of each other, and reports what is missing as an error.
    return _llvm().create_lljit_compiler(use_jit_link=True, suppress_errors=True)


_numbers = itertools.count(1)
_DEFINED = re.compile(r"^define (?!internal|private)[^@]*@([\w.]+)\(", re.MULTILINE)
_DECLARED = re.compile(r"^declare [^@]*@([\w.]+)\(", re.MULTILINE)


__all__ = ["PIPELINES", "Module", "assembly", "compile_module", "emit_objects", "optimised", "outside", "version"]
