"""Processes of a batch exchange whole lines."""

import os

from dlrun.batching.messages import Lines, Request, send


def test_a_request_is_read_as_it_was_written() -> None:
    import json

    request = Request(3, "a.yaml", ("seed=1", "name='\n'"), "runs", {"spec_sha256": "0"}, since=2.5, gpu="1", anew=True)
    line = request.line()
    assert line.count(b"\n") == 1
    assert Request.read(json.loads(line)) == request


def test_messages_arrive_whole_however_their_bytes_come() -> None:
    reading, writing = os.pipe()
    lines = Lines(reading)
    os.write(writing, b'{"a": 1}\n{"b":')
    assert lines.read() == [{"a": 1}]
    os.write(writing, b" 2}\n")
    assert lines.read() == [{"b": 2}]
    os.close(writing)
    assert lines.read() == []
    assert not lines.is_open
    os.close(reading)


def test_a_message_is_short_enough_to_be_written_in_one_piece() -> None:
    reading, writing = os.pipe()
    send(writing, said="x" * 10_000, epoch=1)
    (message,) = Lines(reading).read()
    assert message == {"said": "x" * 300, "epoch": 1}
    os.close(reading)
    os.close(writing)


def test_a_reader_that_has_ended_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    send(writing, epoch=1)
    os.close(writing)
