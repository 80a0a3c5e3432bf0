"""Write a commented config for a file or folder of data, for `dlrun init --data`.

`guess.py` detects the kind of data, one module for each kind inspects it and creates a `Draft`, and `page.py` formats
the draft as YAML. Every guess is reported to the user and explained next to the key that changes it.
"""
