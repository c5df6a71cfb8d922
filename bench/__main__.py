"""`python -m bench`."""

from __future__ import annotations

import sys


def main() -> None:
    """The program. Ctrl-C while its libraries are still being imported ends it without a traceback."""
    try:
        from bench.cli import app
    except KeyboardInterrupt:
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
