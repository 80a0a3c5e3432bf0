"""Groups of examples: which there are, their scores, and the gaps between them."""

import numpy as np
import pytest

from dlrun.scoring.breakdown import collector_of
from dlrun.scoring.slices import (
    FEWEST_EXAMPLES,
    ColumnSlices,
    choose_main_score,
    class_rates,
    group_examples,
    score_slices,
)
from dlrun.scoring.weighted import mean_statistic
from dlrun.signature import Target

TWO = Target("classes", 2, ("no", "yes"))


def members(column: str, values: list[float] | list[str]) -> dict[str, list[int]]:
    array = np.array(values, object if isinstance(values[0], str) else np.float64)
    grouping = group_examples(column, array)
    return {name: np.flatnonzero(grouping.members == index).tolist() for index, name in enumerate(grouping.names)}


def test_numbers_are_divided_at_their_quartiles_and_missing_ones_are_a_slice() -> None:
    found = members("x", [*(n + 0.5 for n in range(100)), float("nan")])
    assert [len(rows) for rows in found.values()] == [26, 25, 25, 24, 1]
    assert next(iter(found)) == "0.5 to 25.5"
    assert list(found)[-2:] == ["over 75.5 to 99.5", "(missing)"]
    assert found["(missing)"] == [100]


def test_equal_numbers_are_never_divided() -> None:
    found = members("x", [0.0] * 80 + [float(n) for n in range(1, 21)])
    assert found == {"0": list(range(80)), "over 0 to 20": list(range(80, 100))}


def test_few_whole_numbers_are_slices_of_their_own() -> None:
    assert members("x", [3.0, 1.0, 3.0, float("nan")]) == {"1": [1], "3": [0, 2], "(missing)": [3]}
    assert members("x", [float("nan")] * 2) == {"(missing)": [0, 1]}


def test_categories_come_by_frequency_and_rare_ones_share_a_slice() -> None:
    assert members("x", ["b", "a", "b", ""]) == {"b": [0, 2], "a": [1], "(missing)": [3]}
    many = [f"c{n:02d}" for n in range(30) for _ in range(40 - n)]
    grouping = group_examples("x", np.array(many, object))
    assert grouping.names[:2] == ("c00", "c01")
    assert len(grouping.names) == 21
    assert grouping.names[-1] == "(other)"
    assert "30 categories" in grouping.note
    assert np.count_nonzero(grouping.members == 20) == sum(40 - n for n in range(20, 30))
    # One category more than fit is shown by its name: `(other)` would take the same room.
    assert "(other)" not in group_examples("x", np.array([f"c{n}" for n in range(21)], object)).names


def test_the_scores_of_a_slice_are_those_of_its_examples_alone() -> None:
    random = np.random.default_rng(0)
    truth, probability = random.integers(0, 2, 300), random.random(300)
    predictions = np.stack([1 - probability, probability], axis=1)
    sex = np.where(random.random(300) < 0.4, "female", "male").astype(object)
    collector = collector_of(TWO)
    collector.add(truth, predictions)
    found = score_slices(collector.statistics(), group_examples("sex", sex), main="accuracy")
    for each in found.slices:
        rows = sex == each.name
        alone = collector_of(TWO)
        alone.add(truth[rows], predictions[rows])
        breakdown = alone.breakdown()
        assert each.examples == rows.sum() == breakdown.examples
        for name in ("accuracy", "log_loss", "roc_auc", "macro_f1"):
            score = each.scores[name]
            assert score.value == pytest.approx(breakdown.overall[name])
            assert score.low is not None
            assert score.high is not None
            assert score.low < breakdown.overall[name] < score.high
        # The second of two classes counts as positive.
        assert each.scores["true_positive_rate of yes"].value == pytest.approx(breakdown.parts["yes"]["recall"])
        share = breakdown.parts["yes"]["predicted"] / breakdown.examples
        assert each.scores["positive_rate of yes"].value == pytest.approx(share)
    assert not any("of no" in name for name in found.slices[0].scores)


def test_rates_of_several_classes_are_one_against_the_rest_and_left_out_if_there_are_many() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    rates = class_rates(truth, predicted, {0: "a", 1: "b", 2: "c"})
    values = {name: float(rate.of(np.ones((1, 6)), np.arange(6))[0]) for name, rate in rates.items()}
    assert values == pytest.approx({
        "true_positive_rate of a": 1 / 2, "positive_rate of a": 2 / 6,
        "true_positive_rate of b": 2 / 2, "positive_rate of b": 3 / 6,
        "true_positive_rate of c": 1 / 2, "positive_rate of c": 1 / 6,
        "precision of a": 1 / 2, "precision of b": 2 / 3, "precision of c": 1 / 1,
    })  # fmt: skip
    assert not class_rates(truth, predicted, {n: str(n) for n in range(50)})


def scored(*groups: tuple[str, int, float], larger_is_better: bool | None = True) -> ColumnSlices:
    values = np.concatenate([np.arange(size) < round(share * size) for _, size, share in groups])
    names = np.concatenate([np.full(size, name, object) for name, size, _ in groups])
    statistics = {"hits": mean_statistic(values, larger_is_better=larger_is_better)}
    return score_slices(statistics, group_examples("g", names), main="hits")


def test_the_gap_names_the_two_slices_and_the_one_that_is_served_worse() -> None:
    found = scored(("a", 200, 0.9), ("b", 100, 0.5), ("c", 150, 0.7))
    (gap,) = found.gaps
    assert (gap.lowest, gap.highest, gap.worse) == ("b", "a", "b")
    assert gap.difference.value == pytest.approx(0.4)
    # The standard error of the difference is sqrt(.9 * .1 / 200 + .5 * .5 / 100) = 0.054.
    assert gap.difference.low == pytest.approx(0.4 - 1.96 * 0.0543, abs=0.02)
    assert gap.difference.high == pytest.approx(0.4 + 1.96 * 0.0543, abs=0.02)
    assert found.summary.startswith("hits 0.5 for b, 0.9 for a: a difference of 0.4 (0.2")
    (gap,) = scored(("a", 200, 0.9), ("b", 100, 0.5), larger_is_better=False).gaps
    assert gap.worse == "a"


def test_slices_that_are_too_small_are_shown_and_not_compared() -> None:
    found = scored(("a", 200, 0.9), ("b", 100, 0.8), ("c", FEWEST_EXAMPLES - 1, 0.1))
    assert [each.is_small for each in found.slices] == [False, False, True]
    assert found.slices[2].scores["hits"].value == pytest.approx(3 / 29)
    assert found.gaps[0].lowest == "b"
    lonely = scored(("a", 200, 0.9), ("c", 5, 0.1))
    assert not lonely.gaps
    assert "fewer than two groups have 30 examples" in lonely.summary


def test_a_true_positive_rate_of_a_handful_of_positives_is_not_compared() -> None:
    truth = np.concatenate([np.arange(200) < 100, np.arange(200) < 5]).astype(int)
    group = np.repeat(np.array(["a", "b"], object), 200)
    found = score_slices(class_rates(truth, truth, {1: "yes"}), group_examples("g", group), main="")
    (gap,) = found.gaps
    assert gap.score == "positive_rate of yes"
    assert gap.title == "demographic-parity difference for yes"
    assert gap.worse == ""


def test_examples_count_by_their_weight() -> None:
    values, group = np.array([1.0, 0.0] * 50), np.array(["a"] * 100, object)
    statistics = {"hits": mean_statistic(values, larger_is_better=True)}
    weight = np.where(values == 1, 3.0, 1.0).astype(np.float32)
    found = score_slices(statistics, group_examples("g", group), main="hits", weight=weight)
    assert found.slices[0].scores["hits"].value == pytest.approx(0.75)
    assert found.slices[0].examples == 100


def test_the_main_score_is_that_of_the_watched_metric() -> None:
    statistics = dict.fromkeys(("accuracy", "log_loss", "roc_auc"), mean_statistic(np.zeros(1), larger_is_better=True))
    assert choose_main_score(statistics, ["auc", "accuracy"]) == "roc_auc"
    assert choose_main_score(statistics, ["precision", "sparse_categorical_crossentropy"]) == "log_loss"
    assert choose_main_score(statistics, ["hinge"]) == "accuracy"


@pytest.mark.parametrize(
    ("target", "truth", "predictions", "names"),
    [
        (
            Target("values", 2, names=("a", "b")),
            np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]]),
            np.array([[1.0, 2.5], [3.5, 4.0], [4.0, 9.0]]),
            {"rmse of a": np.sqrt(1.25 / 3), "mae of b": 0.5 / 3, "bias of a": -0.5 / 3, "r2 of a": 1 - 1.25 / 8},
        ),
        (
            Target("labels", 2, ("p", "q"), "binary"),
            np.array([[1, 0], [1, 1], [0, 0]]),
            np.array([[0.9, 0.2], [0.8, 0.3], [0.6, 0.1]]),
            {"accuracy": 4 / 6, "exact_match": 1 / 3, "true_positive_rate of q": 0, "positive_rate of p": 1},
        ),
        (
            Target.of_columns({"k": ("x", "y"), "m": ("x", "y")}),
            np.array([[0, 1], [1, 1], [0, 0]]),
            np.array([[0.9, 0.1, 0.2, 0.8], [0.8, 0.2, 0.2, 0.8], [0.3, 0.7, 0.9, 0.1]]),
            {"accuracy": 4 / 6, "accuracy_k": 1 / 3, "exact_match": 1 / 3, "positive_rate of k=x": 2 / 3},
        ),
    ],
    ids=["values", "labels", "class columns"],
)  # fmt: skip
def test_every_kind_of_target_has_scores(
    target: Target, truth: np.ndarray, predictions: np.ndarray, names: dict[str, float]
) -> None:
    collector = collector_of(target)
    collector.add(truth, predictions)
    statistics = collector.statistics()
    found = {name: float(statistics[name].of(np.ones((1, 3)), np.arange(3))[0]) for name in names}
    assert found == pytest.approx(names)
