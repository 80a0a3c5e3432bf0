"""`python -m dlrun`: the same as the command `dlrun`."""

from dlrun.cli import main

main()
