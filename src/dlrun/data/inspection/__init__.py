"""Describe a dataset and check it for problems.

`inspect_source` loads a dataset once. `facts.py` describes it, and `check.py` reports problems as findings with
thresholds and advice. Both stream the data or use a sample, since splits may be larger than memory.
"""
