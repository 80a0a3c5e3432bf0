"""The data of an ensemble: what each member reads of the same examples, side by side."""
