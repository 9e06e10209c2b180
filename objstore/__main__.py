"""`python -m objstore` is the `objstore` command."""

import sys

from objstore.cli.main import main

sys.exit(main())
