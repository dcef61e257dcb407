"""The errors that people see: a sentence saying what happened, a hint saying what to do, and an exit code.

Exit codes, as the help page lists them: 0 done, 1 failure, 2 usage, 3 data or settings, 4 component, 5 model folder,
130 interrupted.
"""

from __future__ import annotations

INTERRUPTED = 130
"""By Ctrl-C or by SIGTERM."""


class StackganError(Exception):
    """Something went wrong that a person can act on.

    Args:
        message: what happened, to which file or component; whole sentences.
        hint: one thing to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(StackganError):
    """The command was called in a way that cannot be meant."""

    exit_code = 2


class DataError(StackganError):
    """Pictures, captions or prepared data are missing, broken or do not fit together."""

    exit_code = 3


class SettingsError(StackganError):
    """A recipe, a settings file or a ``--set`` option is wrong, or disagrees with the run it should continue."""

    exit_code = 3


class MissingOptionError(SettingsError):
    """A component cannot be built by its name alone: it needs an option that only its user can give, as a path."""


class ComponentError(StackganError):
    """A named component is unknown, broken, or given options it does not take."""

    exit_code = 4


class ModelError(StackganError):
    """A model folder is missing, incomplete, damaged, or written by something else."""

    exit_code = 5


def is_out_of_memory(error: Exception) -> bool:
    """Whether the memory of a device is used up, which torch says in words alone."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in said for words in ("out of memory", "not enough memory", "can't allocate memory")
    )
