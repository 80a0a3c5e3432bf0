"""What a report shows of groups of examples."""

from dataclasses import replace

from dlrun.report.column_plots import slice_scores
from dlrun.report.slices import shown_slices, slice_section
from dlrun.report.verdict import verdicts
from dlrun.runs.record import RunRecord
from dlrun.scoring.slices import ColumnSlices, Estimate, Gap, Slice


def sliced(column: str, count: int = 2, name: str = "group") -> ColumnSlices:
    slices = tuple(
        Slice(f"{name} {n}", 100 - 80 * (n == 1), n == 1, {"accuracy": Estimate(0.9 - n / 50, 0.85 - n / 50, 0.93)})
        for n in range(count)
    )
    gap = Gap("accuracy", Estimate(0.1, 0.02, 0.18), slices[-1].name, slices[0].name, (0.88, 0.9), slices[-1].name)
    return ColumnSlices(column, "accuracy", slices, (gap,), "divided at the quartiles")


def record(**changes: object) -> RunRecord:
    slices = {"test": (sliced("sex"),), "validation": (sliced("age"),)}
    plain = {"id": "r", "name": "r", "result": {"test": {"loss": 1.0}, "validation": {"loss": 1.0}}, "slices": slices}
    return RunRecord.model_validate({**plain, **changes})


def shown(of: RunRecord) -> str:
    drawings = [drawing for column in shown_slices(of) for drawing in slice_scores(column)]
    return "".join(slice_section(of, drawings))


def test_the_groups_of_the_main_split_are_shown_with_counts_intervals_and_gaps() -> None:
    page = shown(record())
    assert "By sex, test split" in page
    assert "By age" not in page
    assert "0.85 to 0.93" in page
    assert "group 1 *" in page
    assert "too small to judge" in page
    assert "gap of accuracy" in page


def test_the_largest_gap_is_among_the_first_sentences_of_a_report() -> None:
    found = [verdict.text for verdict in verdicts(record(), directions={})]
    assert found[0].startswith("By sex on the test split: accuracy 0.88 for group 1, 0.9 for group 0")
    assert "Also" not in found[0]
    rates = [
        Gap(f"{rate} of {name}", Estimate(0.25, 0.1, 0.4), "group 1", "group 0", (0.5, 0.75))
        for name in ("yes", "no")
        for rate in ("true_positive_rate", "positive_rate", "precision")
    ]
    plain = sliced("sex")
    one, both = (replace(plain, gaps=(*plain.gaps, *rates[:count])) for count in (3, 6))
    (text,) = (verdict.text for verdict in verdicts(record(slices={"test": (one,)}), directions={}))
    assert text.endswith(
        "Also: equal-opportunity difference for yes 0.25 (lowest for group 1), "
        "demographic-parity difference for yes 0.25 (lowest for group 1)."
    )
    (text,) = (verdict.text for verdict in verdicts(record(slices={"test": (both,)}), directions={}))
    assert "Also" not in text  # one sentence cannot hold all classes; the table does


def test_columns_of_a_later_evaluation_are_added_and_none_is_shown_twice() -> None:
    later = {
        "finished": "", "checkpoint": "final", "data": "x", "kind": "classes", "examples": 9, "scores": {},
        "overall": {}, "slices": (sliced("sex", name="later"), sliced("region")),
    }  # fmt: skip
    assert [column.column for column in shown_slices(record(evaluation={"test": later}))] == ["sex", "region"]
    assert "later" not in shown(record(evaluation={"test": later}))


def test_names_of_groups_cannot_inject_html_and_many_groups_are_folded() -> None:
    page = shown(record(slices={"test": (sliced("<i>", 14, "<script>"),)}))
    assert "<script>" not in page
    assert "<details>" in page


def test_the_record_of_groups_survives_the_file() -> None:
    before = record()
    assert RunRecord.model_validate_json(before.model_dump_json()).slices == before.slices


def test_an_undefined_score_leaves_no_dot() -> None:
    nothing = ColumnSlices("k", "roc_auc", (Slice("a", 3, True, {"roc_auc": Estimate(None)}),))
    (drawing,) = slice_scores(nothing)
    assert drawing.name == "slices_k"
    assert "(3)" not in drawing.svg


def test_a_record_from_elsewhere_whose_parts_do_not_fit_is_drawn_all_the_same() -> None:
    odd = ColumnSlices("k", "no such score", (Slice("a", 3, True, {}), Slice("b", 9, False, {"x": Estimate(1.0)})))
    assert "By k" in shown(record(slices={"test": (odd, ColumnSlices("nothing", "", ()))}))
