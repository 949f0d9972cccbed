"""The version of the library, in a place of its own from which every part can read it."""

__version__ = "0.6.0"

__all__ = ["__version__"]
