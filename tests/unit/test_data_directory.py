"""The data directory: private, and refused where others on the machine could put files of their own into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local_runtime.supervisor import DataDirectory, DataOpen


def test_it_is_made_private(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "data") as data:
        assert data.stat().st_mode & 0o777 == 0o700


def test_one_that_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    with DataDirectory(tmp_path) as data:
        assert data.stat().st_mode & 0o777 == 0o775


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_one_that_everybody_may_write_in_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(DataOpen, match="chmod 700"), DataDirectory(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_one_of_another_user_is_refused_unless_that_is_who_called_sudo(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(DataOpen, match="another user"), DataDirectory(tmp_path):
        pass
    with DataDirectory(tmp_path, 12345) as data:
        assert data == tmp_path
