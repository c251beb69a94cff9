"""`python -m hokusai`: the command, where scripts are not on the path."""

import sys

from hokusai.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
