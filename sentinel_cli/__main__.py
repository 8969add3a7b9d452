"""`sentinel` and `python -m sentinel_cli` start here."""

from __future__ import annotations

import sys

from sentinel_cli.app import main

if __name__ == "__main__":
    sys.exit(main())
