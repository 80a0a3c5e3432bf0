"""Listings of runs as tables, CSV and JSON, in this process: no TensorFlow is needed."""

import json
import re

from command_line import Dlrun, rows
from dlrun.runs.folder import RunFolder

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def test_csv_has_plain_numbers_and_no_formulas(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    folders[2].update_record(tags=["=cmd()", "b"], best={"metric": "@x", "value": -0.5, "epoch": 1, "step": 1})
    header, *lines = rows(dlrun("ls", "--csv")[1])
    found = [dict(zip(header, line, strict=True)) for line in lines]
    assert [line["name"] for line in found] == ["plain", "'=HYPERLINK(1)", "<script>alert(1)</script>"]
    assert (found[0]["tag"], found[0]["best_metric"], found[0]["best"], found[0]["'@x"]) == (
        *("'=cmd(), b", "'@x", "-0.5", "-0.5"),
    )
    assert (found[1]["seconds"], found[1]["test_accuracy"]) == ("60.0", "0.6")


def test_hostile_names_are_printed_harmlessly(dlrun: Dlrun, folders: list[RunFolder]) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\n=1"
    first, second, _ = folders
    first.update_record(name=evil, tags=[evil], model={"type": evil}, result={evil: {evil: 1.0}})
    first.metrics_jsonl.write_text("".join(json.dumps({"epoch": n, "loss": n, evil: 1.0}) + "\n" for n in range(4)))
    first.spec_yaml.write_text(json.dumps({evil: evil}))
    for command in (
        ["ls"],
        ["ls", "--columns", "name,tag,model"],
        ["show", first.id],
        ["tail", first.id],
        ["compare", first.id, second.id, "--plot", "-"],
        ["compare", first.id, second.id, "--metric", evil],
        ["tag", first.id],
        ["ls", "--where", evil],
    ):
        for form in ([], ["--json"], ["--csv"]):
            _, out, err = dlrun(*command, *form)
            assert out + err
            assert not CONTROL.search(out + err), (command, form)
