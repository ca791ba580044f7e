"""The command `tinode-py`: one file per subcommand.

Here belong arguments, what is printed, and exit codes: 0 done, 1 refused or failed, 2 wrong
use, a wrong setting, or a data folder in use. Rules of chat do not belong here.
Imports within this package are relative: it is installed under another name.
"""

from .main import main

__all__ = ["main"]
