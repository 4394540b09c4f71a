from lightning_quicktune.wording.markdown import markdown_table


def test_a_table_has_its_heads_a_rule_and_its_rows():
    assert markdown_table(["name", "n"], [["towns", 3], ["ships", 12]]) == (
        "| name | n |\n|---|---|\n| towns | 3 |\n| ships | 12 |"
    )


def test_numbers_may_stand_at_the_right():
    assert markdown_table(["name", "n", "m"], [], right_from=1) == "| name | n | m |\n|---|---:|---:|"
