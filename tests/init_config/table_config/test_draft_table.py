"""A config for a table."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from dlrun.errors import UsageError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec
from written_configs import check_fits


@pytest.mark.parametrize(
    ("targets", "loss"),
    [
        (("colour", "grade"), "sparse_categorical_crossentropy"),
        (("wet", "cold"), "binary_crossentropy"),
        (("size", "price"), "mean_squared_error"),
    ],
)
def test_several_targets_of_a_table_are_one_list(targets: tuple[str, ...], loss: str, tmp_path: Path) -> None:
    rows = (f"{i},{'rgb'[i % 3]},{i % 4},{'yn'[i % 2]},{'ny'[i % 5 > 2]},{i}.5,{i * 3}.25" for i in range(60))
    (tmp_path / "t.csv").write_text("x,colour,grade,wet,cold,size,price\n" + "\n".join(rows))
    path = write_config(
        str(tmp_path / "t.csv"), tmp_path / "t.yaml", Wishes(target=targets[0], more_targets=targets[1:])
    ).path
    spec = read_spec(path).spec
    assert (spec.dataset.model_dump()["target"], spec.loss.type_name) == (targets, loss)
    check_fits(path)
    for wishes, said in (
        (Wishes(target="wet", more_targets=("wet",)), "appears twice"),
        (Wishes(target="wet", more_targets=("cod",)), "did you mean 'cold'"),
        (Wishes(kind="text", target="wet", more_targets=("cold",)), "several targets need a table"),
    ):
        with pytest.raises(UsageError, match=said):
            write_config(str(tmp_path / "t.csv"), tmp_path / "x.yaml", wishes)


def test_a_config_for_numbers_that_are_too_large_still_trains(tmp_path: Path) -> None:
    rows = range(120)
    ids = [1_400_000_000_000_000_000 + 131 * index for index in rows]
    values = ["1e400" if index == 7 else f"{index * 0.37:.2f}" for index in rows]
    lines = [f"{ids[index]},{values[index]},{'ab'[index % 2]}" for index in rows]
    (tmp_path / "t.csv").write_text("\n".join(["tweet_id,size,y", *lines]) + "\n")
    floats = pa.array([float(value) for value in values])
    classes = ["ab"[index % 2] for index in rows]
    parquet.write_table(
        pa.table({"tweet_id": ids, "size": floats, "more": [index * 0.5 for index in rows], "y": classes}),
        tmp_path / "t.parquet",
    )
    for name, missing in (("t.csv", True), ("t.parquet", False)):
        path = write_config(str(tmp_path / name), tmp_path / f"{name}.yaml", Wishes()).path
        check_fits(path)
        dataset = yaml.safe_load(path.read_text())["dataset"]
        assert ("1e400" in dataset.get("also_missing", [])) == missing
        assert "ignored: tweet_id" in path.read_text()


def test_a_txt_file_of_columns_is_a_table_and_one_of_lines_has_no_columns(tmp_path: Path) -> None:
    data = tmp_path / "power.txt"
    rows = [f"16/12/2006;{hour:02d}:00:00;{hour * 7 % 24}.5;23{hour % 4}.1" for hour in range(24)]
    data.write_text("\n".join(["Date;Time;Power;Voltage", *rows]) + "\n")
    done = write_config(str(data), tmp_path / "power.yaml", Wishes())
    assert yaml.safe_load(done.path.read_text())["dataset"]["type"] in ("table", "series")
    check_fits(done.path)
    data.write_text("a text of one line\nanother, with a comma\n")
    with pytest.raises(UsageError, match="no columns") as raised:
        write_config(str(data), tmp_path / "lines.yaml", Wishes())
    assert "name a file with columns .csv or .tsv" in raised.value.hint


def test_a_linear_model_is_blended_in_only_where_columns_have_no_learned_vectors(tmp_path: Path) -> None:
    for name, values, expected in (("many", 60, None), ("few", 5, True)):
        rows = (f"c{row % values},{'ab'[row % 2]}" for row in range(240))
        (tmp_path / f"{name}.csv").write_text("\n".join(["city,y", *rows]) + "\n")
        path = write_config(str(tmp_path / f"{name}.csv"), tmp_path / f"{name}.yaml", Wishes()).path
        assert yaml.safe_load(path.read_text())["model"].get("linear_blend") == expected
        check_fits(path)
