"""Callbacks, ``pc.callbacks``: what looks at a training run while it goes on, keeps it, ends it or changes its rate."""

from .callback import Callback, Logs
from .checkpoints import BackupAndRestore, ModelCheckpoint
from .csv_logger import CSVLogger
from .early_stopping import EarlyStopping
from .functions import LambdaCallback
from .learning_rate import LearningRateScheduler, ReduceLROnPlateau

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
]
