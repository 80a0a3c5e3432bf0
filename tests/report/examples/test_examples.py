"""Examples of tables are shown in a table, pictures in a gallery."""

import re

import numpy as np

from dlrun.report.examples.examples import examples, shown_columns
from dlrun.signature import Target
from run_folders import NAUGHTY, NOTHING, predictions

CLASSES = Target("classes", 3, (NAUGHTY, "b", "c"))


def cells(markup: str) -> list[list[str]]:
    rows = re.findall("<tr>(.*?)</tr>", markup)
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_mistakes_of_a_table_have_a_row_each_with_columns_truth_prediction_and_probability() -> None:
    kept = predictions(pictures=NOTHING, columns=np.array([NAUGHTY, "age"]), cells=np.array([["x", "7"], ["<b>", "8"]]))
    markup = examples(kept, CLASSES)
    guess = kept.outputs[3].argmax()
    assert cells(markup)[0] == [
        "example",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "age",
        "truth",
        "prediction",
        "probability",
    ]
    assert cells(markup)[1][:4] == ["3", "x", "7", "&lt;script&gt;alert(1)&lt;/script&gt;"]
    assert cells(markup)[1][5] == f"{kept.outputs[3, guess]:.0%}"
    assert cells(markup)[2][1] == "&lt;b&gt;"
    assert "<script" not in markup
    assert 'data-label="&lt;script' in markup


def test_errors_of_values_are_shown_with_the_truth_and_prediction_of_each() -> None:
    outputs, target = np.full((40, 1), 2.5), np.full(40, 4.0)
    one = examples(predictions(pictures=NOTHING, outputs=outputs, target=target, texts=NOTHING), Target("values", 1))
    assert cells(one)[:2] == [["example", "truth", "prediction", "error"], ["3", "4", "2.5", "-1.5"]]
    two = Target("values", 2, names=("price", "wear"))
    both = examples(
        predictions(pictures=NOTHING, outputs=np.ones((40, 2)), target=np.zeros((40, 2)), texts=NOTHING), two
    )
    assert cells(both)[0] == ["example", "price", "price, prediction", "wear", "wear, prediction"]


def test_only_the_most_important_of_many_columns_are_shown_in_the_order_of_the_table() -> None:
    columns = np.array([f"c{number}" for number in range(20)])
    kept = predictions(columns=columns, cells=np.tile(columns, (2, 1)), importances=np.arange(20.0))
    assert list(shown_columns(kept)) == list(range(12, 20))


def test_pictures_are_shown_in_a_gallery() -> None:
    assert 'class="gallery"' in examples(predictions(), CLASSES)
