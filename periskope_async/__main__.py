"""``python -m periskope_async`` is ``periskope``."""

from periskope_async.cli import main

main()
