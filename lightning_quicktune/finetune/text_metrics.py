"""Metrics of generated answers against references, per answer and in [0, 1]."""

from __future__ import annotations

import re
import string
from collections import Counter

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """Lower case, without punctuation, English articles and repeated white space (as SQuAD does).

    References:
        Rajpurkar et al. (2016), SQuAD: 100,000+ Questions for Machine Comprehension of Text.
    """
    plain = text.lower().translate(_PUNCTUATION)
    without_articles = " ".join(_ARTICLES.sub(" ", plain).split())
    return without_articles or " ".join(plain.split()) or text.strip()


def exact_match(prediction: str, reference: str) -> float:
    """1 if both are the same after ``normalize``, else 0."""
    return float(normalize(prediction) == normalize(reference))


def token_f1(prediction: str, reference: str) -> float:
    """Harmonic mean of precision and recall of the reference's words, after ``normalize``."""
    predicted, expected = normalize(prediction).split(), normalize(reference).split()
    common = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * common / (len(predicted) + len(expected)) if common else 0.0


def rouge_l(prediction: str, reference: str) -> float:
    """F-measure of the longest common subsequence of words.

    References:
        Lin (2004), ROUGE: A Package for Automatic Evaluation of Summaries.
    """
    from torchmetrics.functional.text import rouge_score

    scores = rouge_score(prediction, reference, rouge_keys="rougeL", normalizer=str, tokenizer=_words)
    return float(scores["rougeL_fmeasure"])


GENERATION_METRICS = {"exact_match": exact_match, "token_f1": token_f1, "rouge_l": rouge_l}


def _words(text: str) -> list[str]:
    """Words of any script, or its characters where it has no spaces; torchmetrics by itself knows a to z only."""
    return re.findall(r"\w", text) if _is_unspaced(text) else re.findall(r"\w+", text.lower())


def _is_unspaced(text: str) -> bool:
    """Whether the text is mainly in a script without spaces between words (Chinese, Japanese)."""
    unspaced = sum("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in text)
    return unspaced * 2 > len(text.replace(" ", ""))
