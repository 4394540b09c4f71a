import pytest

from lightning_quicktune.finetune.text_metrics import exact_match, normalize, rouge_l, token_f1


def test_case_articles_and_punctuation_do_not_count():
    assert exact_match(" The Time-zone. ", "time zone") == 0.0
    assert exact_match("The interest rate!", "Interest  rate") == 1.0


def test_answers_of_punctuation_or_articles_alone_are_still_compared():
    assert exact_match("+", "-") == 0.0
    assert exact_match("A", "the") == 0.0
    assert exact_match("A", "a.") == 1.0
    assert normalize("...") == "..."


def test_token_f1_is_the_harmonic_mean_of_precision_and_recall():
    precision, recall = 2 / 3, 2 / 4
    assert token_f1("red big house", "red house on hill") == pytest.approx(
        2 * precision * recall / (precision + recall)
    )
    assert token_f1("", "red") == 0.0


def test_rouge_l_matches_a_hand_computed_longest_common_subsequence():
    precision, recall = 3 / 4, 3 / 5  # "cat on mat" of 4 and of 5 words
    expected = 2 * precision * recall / (precision + recall)
    assert rouge_l("cat quickly on mat", "big cat sat on mat") == pytest.approx(expected)


def test_rouge_l_reads_scripts_beyond_ascii():
    assert rouge_l("příliš žluťoučký", "příliš žluťoučký") == 1.0
    assert 0 < rouge_l("東京都", "東京") < 1
