"""Names of columns that a deployed model can take."""

from dlrun.data.files.column_names import safe_names


def test_a_safe_name_stays_and_others_make_way_for_it() -> None:
    names = ["a b", "a_b", "a-b", "ü", "ö", "a_b_2", "1st", "A_B", "_x", "x_", "column"]
    safe = safe_names(names)
    assert list(safe) == names
    assert safe == {
        "a b": "a_b_3", "a_b": "a_b", "a-b": "a_b_4", "ü": "column_2", "ö": "column_3", "a_b_2": "a_b_2",
        "1st": "c1st", "A_B": "A_B_5", "_x": "x", "x_": "x_", "column": "column",
    }  # fmt: skip


def test_names_are_safe_once_and_for_all() -> None:
    made = list(safe_names(["a b", "a_b", "日本", "A b", "2", "_", "é é"]).values())
    assert safe_names(made) == {name: name for name in made}
    assert len({name.lower() for name in made}) == len(made)


def test_tens_of_thousands_of_names_without_letters_take_no_time() -> None:
    assert len(set(safe_names([f"列{chr(0x4E00 + index)}" for index in range(20_000)]).values())) == 20_000


def test_words_of_python_make_way_and_others_stay() -> None:
    given = ["class", "None", "self", "class_", "print", "name", "values"]
    safe = safe_names(given, reserved=("values",))
    assert list(safe.values()) == ["class__2", "None_", "self_", "class_", "print", "name", "values_2"]
