import pytest

from lightning_quicktune.space.declaration import check_fields, did_you_mean, label, read_declaration, same


def test_labels_are_the_same_from_yaml_and_from_json():
    assert [label(v) for v in (8, 8.0, 0.5, True, "lora")] == ["8", "8", "0.5", "true", "lora"]


def test_1_and_true_are_not_the_same():
    assert same(1, 1.0)
    assert not same(1, True)
    assert not same("1", 1)


def test_only_a_close_name_is_offered():
    assert did_you_mean("lora_rnk", ["lr", "lora_rank"]) == " Did you mean `lora_rank`?"
    assert did_you_mean("zzz", ["lr"]) == ""


def test_a_missing_file_says_what_it_should_be(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no search space at `.*none.yaml`.*Correct the path"):
        read_declaration(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: {key: a}\nlr: {key: b}\n", r"`lr` is declared twice(.|\n)*line 2(.|\n)*Correct the file"),
        ("lr: {key: a", r"can't be read as YAML(.|\n)*Correct the file"),
        ("", r"holds nothing, but a search space is a mapping.*lora.yaml"),
        ("- lr\n", r"holds list, but a search space is a mapping"),
        ("lr: !!python/object/apply:os.getcwd []\n", r"can't be read as YAML"),
    ],
)
def test_a_file_that_is_no_search_space_says_so(tmp_path, text, message):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_declaration(path)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (3, r"`lr` is 3, but it must be a mapping with the fields domain, key"),
        (
            {"domain": {}, "kye": "a"},
            r"`lr` has the unknown field `kye`.* mean `key`\? Rename or remove `lr.kye`",
        ),
        ({"key": "a"}, r"`lr` lacks the field `domain`.*Add `lr.domain`"),
    ],
)
def test_wrong_fields_are_named(record, message):
    with pytest.raises(ValueError, match=message):
        check_fields(record, "lr", ("domain",), ("key",))
