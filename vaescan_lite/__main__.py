"""``python -m vaescan_lite`` is the command ``vaescan-lite``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
