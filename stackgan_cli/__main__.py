"""``python -m stackgan_cli`` is ``stackgan``."""

from stackgan_cli.app import main

if __name__ == "__main__":
    main()
