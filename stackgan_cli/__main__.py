"""``python -m stackgan_cli`` is ``stackgan``."""

from __future__ import annotations

import gc
import signal
import sys

from stackgan_cli.errors import INTERRUPTED


def main() -> None:
    """Run the command line; an interrupt while it is being loaded, or when it is done, ends it without a traceback."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from stackgan_cli.app import main as run

        run()
    except KeyboardInterrupt:
        # While a command runs, both signals are told of by what it promised; this was before.
        sys.stderr.write("Interrupted before anything was begun.\n")
        sys.exit(INTERRUPTED)
    finally:
        # What is left is the interpreter's leave-taking, which would look for garbage in all that torch is made of.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        gc.freeze()


if __name__ == "__main__":
    main()
