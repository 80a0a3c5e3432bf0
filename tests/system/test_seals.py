"""Content is compared with its digest before it is used."""

from hashlib import sha256
from pathlib import Path

import pytest

from dlrun.system import seals
from dlrun.system.seals import SUMS, file_digest, find_damage, seal, seal_folder, unseal


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(seals, "_BLOCK_BYTES", 16)
    (tmp_path / "a.npy").write_bytes(bytes(range(100)))
    (tmp_path / "b.json").write_bytes(b"{}")
    (tmp_path / "empty").write_bytes(b"")
    seal_folder(tmp_path)
    return tmp_path


def test_the_digest_of_a_file_is_the_digest_of_its_blocks_digests(folder: Path) -> None:
    content = (folder / "a.npy").read_bytes()
    blocks = b"".join(sha256(content[start : start + 16]).digest() for start in range(0, 100, 16))
    assert file_digest(folder / "a.npy") == sha256(blocks).hexdigest()


def test_every_flipped_bit_and_every_additional_file_is_damage(folder: Path) -> None:
    assert find_damage(folder) == ""
    for name in ("a.npy", "b.json", SUMS):
        whole = (folder / name).read_bytes()
        for place in range(len(whole)):
            (folder / name).write_bytes(bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]]))
            assert find_damage(folder), (name, place)
        for cut in (whole[:-1], b"", whole + b"\0"):
            (folder / name).write_bytes(cut)
            assert find_damage(folder), name
        (folder / name).write_bytes(whole)
    (folder / "more").write_bytes(b"")
    assert find_damage(folder) == "files are missing or were added"
    (folder / "more").unlink()
    (folder / "a.npy").unlink()
    (folder / "a.npy").symlink_to("b.json")
    assert find_damage(folder)
    (folder / SUMS).unlink()
    assert find_damage(folder).startswith("it cannot be read")


def test_a_sealed_value_that_was_changed_is_refused() -> None:
    written = seal({"b": 1.5, "a": None})
    assert unseal(written) == {"b": 1.5, "a": None}
    for place in range(len(written)):
        with pytest.raises(ValueError, match=r".*"):
            unseal(bytes([*written[:place], written[place] ^ 1, *written[place + 1 :]]))
