"""A file or folder of data in, a commented config that trains on it out: what `dlrun init --data` writes.

`guess.py` tells what kind of data it is; one file for each kind looks at it and makes a `Draft`; `page.py` writes that
as YAML. What is guessed is told, and stands beside the key that changes it.
"""
