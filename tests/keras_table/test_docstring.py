from dlrun.keras_table.docstring import argument_descriptions, summary

DOCSTRING = """A layer, e.g. of a network, with units. It does more.

    Some more text.

    Args:
        units: Integer. Number of units. It must be positive. Not this one.
        mode: One of the modes:
            - `"a"`: the first
        beta_1, beta_2: A float value or a constant float tensor, or a callable
            that takes no arguments and returns the actual value to use. The
            rate of decay. Defaults to `0.9`.
        **kwargs: Base layer keyword arguments.

    Input shape:
        other: not an argument.
    """


def test_the_summary_is_the_first_sentence() -> None:
    assert summary(DOCSTRING) == "A layer, e.g. of a network, with units."


def test_descriptions_omit_types_defaults_lists_and_other_text() -> None:
    described = argument_descriptions(DOCSTRING, ("units", "mode", "beta_1", "beta_2"))
    assert described["units"] == "Number of units. It must be positive."
    assert described["mode"] == "One of the modes"
    assert described["beta_1"] == described["beta_2"] == "The rate of decay."
    assert "other" not in described
