"""Training: models, the loop over epochs, histories, callbacks, and files of models."""

from . import callbacks
from .callbacks import Callback
from .history import History
from .loading import load
from .model import Model

__all__ = ["Callback", "History", "Model", "callbacks", "load"]
