"""``python -m benchmarks`` prints the table."""

import sys
from pathlib import Path

# The scenarios also run as plain scripts in the incumbent's environment, so all of this directory imports
# each other by bare name.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from table import main  # noqa: E402

main()
