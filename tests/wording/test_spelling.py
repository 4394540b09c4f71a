from lightning_quicktune.wording.spelling import did_you_mean


def test_the_nearest_name_is_asked_for():
    assert did_you_mean("momentun", ["lr", "momentum", "moment"]) == " Did you mean `momentum`?"


def test_nothing_is_said_where_no_name_is_near():
    assert did_you_mean("momentun", ["lr", "rank"]) == ""
