from lightning_quicktune.presets.places import configs_folder, is_shipped


def test_only_what_lies_below_configs_is_shipped(tmp_path, monkeypatch):
    assert is_shipped(configs_folder() / "recipe" / "nano_lora.yaml")
    monkeypatch.chdir(configs_folder())
    assert is_shipped("recipe/nano_lora.yaml")
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not is_shipped("configs/mine.yaml")
