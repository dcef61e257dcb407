"""Sets of the Hugging Face Hub, downloaded through the cache of ``datasets`` without running any of their code."""

from __future__ import annotations

import logging
import re
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.readers.split_names import splits_in_names
from stackgan_cli.readers.tables import ROWS_AT_ONCE, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TIMEOUT = 10
"""Seconds to wait for the Hub before it counts as out of reach."""


def hub_tables(name: str, config: str | None, revision: str | None) -> tuple[list[Table], bool]:
    """Load a set of the Hub, ``owner/name``: a table for each of its splits, and whether the Hub was reached.

    If it was not, the tables are those that this machine's cache has.

    Raises:
        DataError: the Hub cannot be reached, or does not give the set.
    """
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        raise DataError(f"{name!r} is no name of a set on the Hugging Face Hub.", "--source hf:OWNER/NAME")
    if Path(name).exists():
        # `datasets` would read it in place of the set on the Hub.
        raise DataError(f"There is a local {name} in this folder.", f"--source {name} to read it, or go elsewhere")
    import datasets

    with _silence():
        there = _answers(name, revision)
        before, datasets.config.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE, not there
        try:
            found = datasets.load_dataset(name, config, revision=revision, keep_in_memory=False)
        except Exception as error:  # whatever servers, caches and files of strangers lead to
            raise _explained(name, error) from error
        finally:
            datasets.config.HF_HUB_OFFLINE = before
    splits = splits_in_names([str(split) for split in found])
    return [_table(str(split), splits[str(split)], rows) for split, rows in found.items()], there


def _table(name: str, split: str | None, rows: Any) -> Table:
    def batches(names: Sequence[str]) -> Iterator[Any]:
        for table in rows.select_columns(list(names)).with_format("arrow").iter(ROWS_AT_ONCE):
            yield from table.to_batches()

    return Table(name, name, split, lambda: rows.features.arrow_schema, batches)


def _answers(name: str, revision: str | None) -> bool:
    """Ask the Hub once for a set; left alone, `datasets` asks a dead network again for half a minute."""
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if datasets.config.HF_HUB_OFFLINE:
        return False
    try:
        HfApi().dataset_info(name, revision=revision, timeout=_TIMEOUT)
        return True
    except HfHubHTTPError as error:
        return error.response.status_code < 500
    except Exception:  # of whichever library carries requests
        return False


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the progress bars, log lines and warnings of the Hub's libraries from the terminal."""
    import datasets
    import huggingface_hub.utils

    with warnings.catch_warnings(), ExitStack() as afterwards:
        warnings.simplefilter("ignore")
        for library in (datasets, huggingface_hub.utils):
            afterwards.callback(library.logging.set_verbosity, library.logging.get_verbosity())
            library.logging.set_verbosity(logging.CRITICAL)
            if not library.are_progress_bars_disabled():
                afterwards.callback(library.enable_progress_bars)
                library.disable_progress_bars()
        yield


_EXPLANATIONS = {
    r"^\w*(?:Connect|Timeout|LocalEntry)\w*:": "The Hugging Face Hub cannot be reached, and there is no copy of {name} "
    "on this machine. | "
    "Get it where there is a network (hf download {name} --repo-type dataset --local-dir FOLDER), then --source FOLDER",
    r"\bgated\b": "{name} is a gated set: its owners say who may have it. | "
    "Ask for access at https://huggingface.co/datasets/{name}, then run: hf auth login",
    r"scripts are no longer supported": "{name} is made by a script of its own, and no code from the Hub is run. | "
    "Many such sets have a copy in tables: --reader-option revision=refs/convert/parquet",
    r"Revision '": "{name} has no such revision on the Hugging Face Hub. | --reader-option revision=main",
    r"^DatasetNotFoundError": "There is no set {name} on the Hugging Face Hub, or it is private. | "
    "Check how it is spelt; for a private set, run: hf auth login",
    r"(?:available configs|Available): \[(.*?)\]": "{name} has several configurations: {found}. | "
    "--reader-option config=NAME, with one of them",
    r"(.{1,300})": "{name} cannot be loaded: {found} | See what it holds at https://huggingface.co/datasets/{name}",
}
"""What the errors of `datasets` look like, the first that fits, and what is to be said and, after the bar, done."""


def _explained(name: str, error: Exception) -> DataError:
    cause = (error.__cause__ if type(error).__name__ == "DatasetGenerationError" else None) or error
    words = f"{type(cause).__name__}: {cause}"
    match, text = next((match, text) for pattern, text in _EXPLANATIONS.items() if (match := re.search(pattern, words)))
    message, _, hint = text.partition(" | ")
    return DataError(message.format(name=name, found="".join(match.groups())), hint.format(name=name))
