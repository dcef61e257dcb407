"""``python -m stackgan_cli`` is ``stackgan``."""

from __future__ import annotations

import gc
import signal
import sys

from stackgan_cli.errors import INTERRUPTED


def main() -> None:
    """Run the command line; an interrupt while it is being loaded, or when it is done, ends it without a traceback."""
    try:
        from stackgan_cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before anything was begun.\n")
        sys.exit(INTERRUPTED)
    try:
        run()
    finally:
        # What is left is the interpreter's leave-taking, which would look for garbage in all that torch is made of.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()


if __name__ == "__main__":
    main()
