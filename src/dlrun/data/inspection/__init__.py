"""What a dataset holds, as facts for people, and what may be wrong with it, as findings with thresholds and advice.

A dataset is loaded once, by `inspect_source`; `facts.py` describes it and `check.py` judges it. Everything streams or
looks at a sample: splits may be larger than memory.
"""
