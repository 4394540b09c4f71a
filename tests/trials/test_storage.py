import pytest

from lightning_quicktune.trials.storage import check_output


def test_an_output_that_cannot_be_a_folder_names_the_key(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"`output` is .* but no results can be kept there"):
            check_output(folder)
    check_output(tmp_path / "new" / "below")
    assert (tmp_path / "new" / "below").is_dir()
