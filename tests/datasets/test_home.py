"""The folder of downloaded data."""

from pathlib import Path

from skmm.datasets import get_data_home


def test_the_folder_is_chosen_in_order(tmp_path, monkeypatch):
    """The argument comes first, then SKMM_DATA, then the home folder; the folder is made."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("SKMM_DATA", str(tmp_path / "variable"))

    assert get_data_home(tmp_path / "argument") == tmp_path / "argument"
    assert get_data_home() == tmp_path / "variable"
    monkeypatch.delenv("SKMM_DATA")
    assert get_data_home() == Path(tmp_path / "home" / "skmm_data")
    assert get_data_home("~/mine") == tmp_path / "home" / "mine"
    assert (tmp_path / "home" / "mine").is_dir()
