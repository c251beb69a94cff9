"""`python -m hokusai` runs the command `hokusai`, also where the script is not on the PATH."""

import sys

from hokusai.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
