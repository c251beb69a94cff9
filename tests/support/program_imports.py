"""What the programs of MLflow users import, and what starts them."""

import importlib

from tests.support import preloaded

for _name in preloaded.MODULES:
    importlib.import_module(_name)
