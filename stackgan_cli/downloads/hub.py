"""The Hugging Face Hub: names of its repositories, access to them, and what its refusals mean."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from stackgan_cli.errors import ModelError, StackganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huggingface_hub import HfApi

_REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_UNREACHABLE = re.compile(r"Connect|Timeout|Network|Protocol|Offline|LocalEntry")
"""What the errors of a network are called in whichever library carries requests."""
LOG_IN = "hf auth login"
"""The command that gives this machine a token."""


def checked_repository(name: str) -> str:
    """Check the name of a repository.

    Raises:
        UsageError: it is no ``OWNER/NAME``.
    """
    if not _REPOSITORY.fullmatch(name) or ".." in name or "--" in name:
        raise UsageError(f"{name!r} is no name of a repository of the Hugging Face Hub.", hint="OWNER/NAME")
    return name


def hub_api() -> HfApi:
    """Access to the Hub at ``$HF_ENDPOINT``, or at its public address."""
    from huggingface_hub import HfApi

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return HfApi(endpoint=endpoint or None, library_name="stackgan-cli", library_version=version("stackgan-cli"))


@contextmanager
def hub_refusals_told(api: HfApi, repository: str, doing: str) -> Iterator[None]:
    """Turn whatever the Hub, the network and their library refuse inside into one sentence.

    Args:
        api: that is used.
        repository: that is used.
        doing: to it: ``read`` or ``write to``.

    Raises:
        ModelError: there is no such repository.
        StackganError: something was refused.
    """
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except StackganError:
        raise
    except GatedRepoError as error:
        raise StackganError(
            f"The owners of {repository} say who may have it.", hint=f"Ask for access at {api.endpoint}/{repository}."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no {repository} on the Hub at {api.endpoint}, or it is private.",
            hint=f"Check how it is spelt; for a private one: {LOG_IN}",
        ) from error
    except RevisionNotFoundError as error:
        raise StackganError(f"{repository} has no such revision.", hint="main, a tag or a commit") from error
    except HfHubHTTPError as error:
        raise _http_refusal(error, repository, doing) from error
    except Exception as error:
        name, words = type(error).__name__, " ".join(str(error).split())
        if _UNREACHABLE.search(name):
            raise StackganError(
                f"The Hub at {api.endpoint} cannot be reached ({name}).", hint="Try again where there is a network."
            ) from error
        raise StackganError(f"{repository} cannot be used: {words or name}", hint=None) from error


def _http_refusal(error: Exception, repository: str, doing: str) -> StackganError:
    code = error.response.status_code  # type: ignore[attr-defined]  # of HfHubHTTPError in every version
    if code == 401:
        return StackganError("The Hub does not know the token of this machine.", hint=LOG_IN)
    if code == 403:
        return StackganError(
            f"The token of this machine may not {doing} {repository}.",
            hint=f"{LOG_IN}, with a token that may {doing} it, or another OWNER/NAME",
        )
    words = " ".join(str(error).split())
    return StackganError(f"The Hub refuses, with the status {code}: {words[:300]}", hint="Try again later.")
