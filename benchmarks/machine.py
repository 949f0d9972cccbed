"""What the figures were taken on: processor, cores, vector width, and the versions of everything that took part."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

from pellucid.core.version import __version__

PACKAGES = (
    "numpy",
    "llvmlite",
    "torch",
    "jax",
    "jaxlib",
    "scikit-learn",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
)


def processor() -> tuple[str, set[str]]:
    """Name and instruction-set flags of the processor, as far as the system tells."""
    name, flags = platform.processor() or platform.machine(), set[str]()
    source = Path("/proc/cpuinfo")
    if source.exists():
        for line in source.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = set(value.split())
    return name, flags


def vector_width(flags: set[str]) -> str:
    """The widest vectors, by name."""
    for flag, width in (("avx512f", "512 bits (AVX-512)"), ("avx2", "256 bits (AVX2)"), ("asimd", "128 bits (NEON)")):
        if flag in flags:
            return width
    return "128 bits" if platform.machine() in ("x86_64", "arm64", "AMD64") else "unknown"


def versions() -> dict[str, str]:
    """Versions of the interpreter, the compiler and the packages that are installed; Pellucid's is its source's."""
    found = {"Python": platform.python_version(), "pellucid": __version__}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if shutil.which("gcc"):
        line = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=False).stdout
        found["gcc"] = line.splitlines()[0].split()[-1] if line else "unknown"
    return found


def describe() -> dict[str, object]:
    """All of it, as plain values."""
    name, flags = processor()
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "vector width": vector_width(flags),
        "system": f"{platform.system()} {platform.machine()}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "versions": versions(),
    }
