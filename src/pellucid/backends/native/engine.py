"""LLVM IR to machine code in this process: parse, optimise, emit an object, load it.

An object that was compiled before is loaded from the disk cache; LLVM then neither parses nor optimises.
"""

from __future__ import annotations

import itertools
import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...core.errors import InternalError
from . import cache, libm
from .target import Target

if TYPE_CHECKING:
    import llvmlite.binding as llvm

# What runs on the IR before code is generated. "light" is for IR in its final form, as the loop emitter's is: it
# removes stack slots and what is computed twice. "full" is LLVM's -O3.
PIPELINES: dict[str, tuple[str, ...]] = {
    "none": (),
    "light": ("sroa", "instruction_combine", "simplify_cfg", "new_gvn"),
    "full": ("O3",),
}

_lock = threading.RLock()


class Module:
    """Machine code in memory. It stays there as long as this object lives, so keep it while the code may run.

    Attributes:
        text: the LLVM IR it was made from.
        target: the machine it is for.
        cached: whether it came from the disk cache.
    """

    def __init__(self, text: str, target: Target, optimise: str, code: bytes, cached: bool) -> None:
        self.text, self.target, self.optimise, self.cached = text, target, optimise, cached
        self._names = frozenset(_DEFINED.findall(text))
        self._loaded = _load(code, self._names, text)

    def address(self, name: str) -> int:
        """Return where a function of the module begins.

        Raises:
            InternalError: the module defines no such function.
        """
        if name not in self._names:
            raise InternalError(f"the module has no function {name}; it has {', '.join(sorted(self._names))}")
        return int(self._loaded[name])

    def optimised(self) -> str:
        """Return the IR after LLVM's passes."""
        with _lock:
            return str(_optimised(self.text, self.target, self.optimise)[0])

    def assembly(self) -> str:
        """Return the machine code as assembly."""
        with _lock:
            module, machine = _optimised(self.text, self.target, self.optimise)
            return str(machine.emit_assembly(module))


def compile_module(ir_text: str, target: Target, optimise: str = "light", use_cache: bool = True) -> Module:
    """Compile LLVM IR and load it, or load what the disk cache kept of an earlier time.

    Args:
        ir_text: a module: declarations, functions, metadata.
        target: the machine it is for, which must be this one or a part of it.
        optimise: ``none``, ``light`` (redundancies and stack slots removed; for IR in its final form) or ``full``.
        use_cache: whether to look in the disk cache and add to it.

    Raises:
        InternalError: LLVM does not accept the IR, or the IR calls something this process does not have.
    """
    if optimise not in PIPELINES:
        raise InternalError(f"no pipeline is called {optimise!r}; there are {', '.join(PIPELINES)}")
    with _lock:
        key = cache.key(ir_text, target.key, " ".join(PIPELINES[optimise]), _llvm_version())
        found = cache.read(key) if use_cache else None
        if found is not None:
            return Module(ir_text, target, optimise, found, cached=True)
        module, machine = _optimised(ir_text, target, optimise)
        code = bytes(machine.emit_object(module))
        if use_cache:
            cache.write(key, code)
        return Module(ir_text, target, optimise, code, cached=False)


@lru_cache(maxsize=1)
def _llvm() -> Any:
    """Load LLVM, once, when it is first needed."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _llvm_version() -> str:
    return ".".join(map(str, _llvm().llvm_version_info))


def _machine(target: Target) -> llvm.TargetMachine:
    # Position-independent, so that the code may lie anywhere; small, so that constants are read by one instruction.
    kind = _llvm().Target.from_triple(target.triple)
    return kind.create_target_machine(cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="small")


def _optimised(text: str, target: Target, optimise: str) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
    machine = _machine(target)
    module = _parsed(text, target)
    if optimise != "none":
        options = _llvm().create_pipeline_tuning_options(speed_level=3)
        builder = _llvm().create_pass_builder(machine, options)
        passes = builder.getModulePassManager() if optimise == "full" else _light_passes()
        passes.run(module, builder)
    return module, machine


def _light_passes() -> llvm.ModulePassManager:
    passes = _llvm().create_new_module_pass_manager()
    for name in PIPELINES["light"]:
        getattr(passes, f"add_{name}_pass")()
    return passes


def _parsed(text: str, target: Target) -> llvm.ModuleRef:
    header = f'target triple = "{target.triple}"\n'
    try:
        module = _llvm().parse_assembly(header + text)
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


def _load(code: bytes, names: frozenset[str], text: str) -> llvm.ResourceTracker:
    """Link an object into this process; the addresses hold as long as what is returned does."""
    library = _llvm().JITLibraryBuilder().add_object_img(code).add_current_process()
    for name in _external(text):
        place = libm.address(name)
        if place is not None:
            library.import_symbol(name, place)
    for name in names:
        library.export_symbol(name)
    try:
        return library.link(_linker(), f"pellucid-{next(_numbers)}")
    except RuntimeError as error:
        raise InternalError(f"the generated code does not link: {str(error).strip()}") from None


@lru_cache(maxsize=1)
def _linker() -> llvm.LLJIT:
    # JITLink puts the sections of an object within reach of each other, and reports what is missing as an error.
    return _llvm().create_lljit_compiler(use_jit_link=True, suppress_errors=True)


_numbers = itertools.count(1)
_DEFINED = re.compile(r"^define (?!internal|private)[^@]*@([\w.]+)\(", re.MULTILINE)
_DECLARED = re.compile(r"^declare [^@]*@([\w.]+)\(", re.MULTILINE)


def _external(text: str) -> list[str]:
    """Return the names of functions outside the module that its code may call."""
    declared = [name for name in _DECLARED.findall(text) if not name.startswith("llvm.")]
    return [*declared, *libm.compiler_names()]


__all__ = ["PIPELINES", "Module", "compile_module"]
