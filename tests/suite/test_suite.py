import hashlib
import json
import random
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from lightning_quicktune.suite.builtin import BUILTIN_TASKS, META_TEST_TASKS, META_TRAINING_TASKS, write_task
from lightning_quicktune.suite.domains import DOMAINS
from lightning_quicktune.suite.generate import generate
from lightning_quicktune.suite.knowledge import invent_facts
from lightning_quicktune.suite.names import invent_name, world_of
from lightning_quicktune.suite.phrasing import questions
from lightning_quicktune.suite.task_spec import TaskSpec

SPEC = TaskSpec("suite-test", "towns", "mixed", n_facts=18, seed=5)
_SIDES = {"training": META_TRAINING_TASKS, "test": META_TEST_TASKS}
ATTRIBUTES = [attribute for domain in DOMAINS.values() for attribute in domain.attributes]


@pytest.mark.parametrize("spec", BUILTIN_TASKS.values(), ids=BUILTIN_TASKS)
def test_every_builtin_task_asks_known_facts_in_new_words(spec):
    splits = generate(spec)
    assert [len(splits[s]) for s in ("train", "validation", "test")] == [10 * spec.n_facts, spec.n_facts, spec.n_facts]
    assert 120 <= len(splits["train"]) <= 1200
    asked = [record["question"] for records in splits.values() for record in records]
    assert len(set(asked)) == len(asked)
    assert all(record["answer"].strip() == record["answer"] != "" for r in splits.values() for record in r)


def test_validation_and_test_have_answers_that_training_teaches():
    splits = generate(SPEC)
    facts = _invented(SPEC)
    taught = {r["question"]: r["answer"] for r in splits["train"]}
    for i, fact in enumerate(facts):
        ways = questions(fact.attribute, fact.entity)
        assert Counter(taught[q] for q in ways if q in taught) == {fact.value: 10}
        for split in ("validation", "test"):
            assert splits[split][i] == {"question": splits[split][i]["question"], "answer": fact.value}
            assert splits[split][i]["question"] in ways


def test_the_text_is_the_same_on_every_machine():
    assert _digest(SPEC) == "67e919ea79b252fa"


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("suite-companies-names", "32aa93183be221ce"),
        ("suite-companies-mixed", "9109748324201820"),
        ("suite-companies-phrases", "03854bce62bdb4f6"),
        ("suite-companies-dates", "6a0635689422966d"),
        ("suite-minerals-labels", "08d408d2f0000b20"),
        ("suite-minerals-numbers", "c0de77df17398248"),
        ("suite-minerals-mixed", "4c984499decb3222"),
        ("suite-minerals-phrases", "997ed33c33886bb9"),
        ("suite-statutes-dates", "09dc7f6add143eac"),
        ("suite-statutes-phrases", "45f6a20c591205d2"),
        ("suite-statutes-names", "951cb8ab027471b6"),
        ("suite-medicines-names", "e01c5beade3650e8"),
        ("suite-medicines-numbers", "a51e5b23f3b07b8e"),
        ("suite-medicines-labels", "b410e1e1b9d4b0fb"),
        ("suite-towns-dates", "0d0a561369e7db1b"),
        ("suite-towns-labels", "3d85087de82fb3d6"),
        ("suite-ships-names", "1cb1f5c4d4671e49"),
        ("suite-ships-mixed", "602506487a3c7cc9"),
        ("suite-birds-labels", "39aa9c91b0c2821f"),
        ("suite-birds-numbers", "f6e02e3d62335957"),
        ("suite-operas-labels", "30ba864cbe79c2af"),
        ("suite-operas-mixed", "e9f7940bcc4f0f28"),
        ("suite-towns-mixed", "89c1dc32fac64a1d"),
        ("suite-ships-labels", "4a6a87ca2c2a4991"),
        ("suite-birds-names", "11f0a31469abedbd"),
        ("suite-operas-numbers", "f781513277d9437c"),
        ("suite-engines-names", "610643b1a5fa588d"),
        ("suite-engines-mixed", "9c35c6cfe3fad91f"),
        ("suite-festivals-dates", "b4225a8ea7d30410"),
        ("suite-festivals-phrases", "d5cc4331e2fc18c3"),
    ],
)
def test_the_text_of_a_published_task_never_changes(name, digest):
    assert _digest(BUILTIN_TASKS[name]) == digest


def test_two_dozen_tasks_teach_and_eight_test():
    assert (len(META_TRAINING_TASKS), len(META_TEST_TASKS)) == (22, 8)
    assert not set(META_TRAINING_TASKS) & set(META_TEST_TASKS)
    assert set(META_TRAINING_TASKS) | set(META_TEST_TASKS) == set(BUILTIN_TASKS)
    assert "suite-towns-mixed" in META_TEST_TASKS  # the quickstart's


def test_tasks_differ_in_everything_on_both_sides():
    specs = {name: [BUILTIN_TASKS[n] for n in names] for name, names in _SIDES.items()}
    for side in specs.values():
        assert {spec.wording for spec in side} == {"near", "far", "across"}
        assert {spec.answer_type for spec in side} == {"name", "number", "date", "label", "phrase", "mixed"}
        assert {spec.answer_form for spec in side} == {"value", "sentence"}
        assert max(spec.n_facts for spec in side) >= 5 * min(spec.n_facts for spec in side)
        assert min(spec.label_noise for spec in side) == 0
        assert max(spec.label_noise for spec in side) >= 0.4
        assert max(spec.n_distractors for spec in side) == 2
        assert {spec.told for spec in side} == {True, False}
    domains = {name: {spec.domain for spec in side} for name, side in specs.items()}
    assert domains["test"] - domains["training"] == {"engines", "festivals"}
    assert len(domains["test"] & domains["training"]) == 4
    assert domains["test"] | domains["training"] == set(DOMAINS)
    assert len({spec.seed for side in specs.values() for spec in side}) == len(BUILTIN_TASKS)


def test_another_seed_gives_other_facts():
    assert generate(SPEC)["test"] != generate(replace(SPEC, seed=6))["test"]


def test_noise_falsifies_training_answers_only():
    clean, noisy = generate(replace(SPEC, n_facts=60)), generate(replace(SPEC, n_facts=60, label_noise=0.2))
    facts = _invented(replace(SPEC, n_facts=60))
    truth = {q: f.value for f in facts for q in questions(f.attribute, f.entity)}
    wrong = [r for r in noisy["train"] if truth[r["question"]] != r["answer"]]
    assert 0.14 < len(wrong) / len(noisy["train"]) < 0.26
    assert {r["answer"] for r in wrong} <= {r["answer"] for r in clean["train"]}  # wrong, but of the same kind
    for split in ("validation", "test"):
        assert all(truth[r["question"]] == r["answer"] for r in noisy[split])


def test_far_wording_is_never_shown_in_training():
    spec = replace(SPEC, wording="far")
    splits = generate(spec)
    far = {q for f in _invented(spec) for q in questions(f.attribute, f.entity, "far")}
    assert not far & {r["question"] for r in splits["train"]}
    assert {r["question"] for split in ("validation", "test") for r in splits[split]} <= far


def test_indirect_questions_follow_direct_ones():
    spec = replace(SPEC, wording="across")
    splits, facts = generate(spec), _invented(spec)
    asked = {core: {q for f in facts for q in questions(f.attribute, f.entity, core)} for core in ("nouns", "clauses")}
    assert {r["question"] for r in splits["train"]} <= asked["nouns"]
    assert {r["question"] for split in ("validation", "test") for r in splits[split]} <= asked["clauses"]


def test_sentences_before_a_question_tell_of_something_else():
    plain, distracted = generate(SPEC), generate(replace(SPEC, n_distractors=2))
    entities = {fact.entity for fact in _invented(SPEC)}
    for split, records in distracted.items():
        for record, without in zip(records, plain[split], strict=True):
            told = record["question"].removesuffix(without["question"])
            assert (told.count(". "), record["answer"]) == (2, without["answer"])
            assert not any(entity in told for entity in entities)


def test_a_prompt_may_tell_the_fact_itself_whatever_the_noise():
    splits, facts = generate(replace(SPEC, n_distractors=1, told=True, label_noise=0.4)), _invented(SPEC)
    asked = {question: fact for fact in facts for question in questions(fact.attribute, fact.entity)}
    places = Counter()
    for record in (record for records in splits.values() for record in records):
        (question,) = (q for q in asked if record["question"].endswith(". " + q))
        told = record["question"].removesuffix(question)
        (statement,) = (s for s in asked[question].statements if s in told)
        places[told.startswith(statement)] += 1
        assert told.count(". ") == 2
    assert min(places.values()) > 60  # before or after the other sentence
    assert any(record["answer"] not in record["question"] for record in splits["train"])


def test_an_answer_may_be_a_sentence():
    plain = generate(replace(SPEC, label_noise=0.3))
    sentences = generate(replace(SPEC, label_noise=0.3, answer_form="sentence"))
    facts = _invented(SPEC)
    for split, records in sentences.items():
        for record, value in zip(records, plain[split], strict=True):
            assert record["question"] == value["question"]
            assert value["answer"] in record["answer"]
            (entity,) = {fact.entity for fact in facts if fact.entity in record["question"]}
            assert entity in record["answer"]
            assert record["answer"][0].isupper()
            assert record["answer"][-1] == "."


def test_the_worlds_share_no_name():
    names = {world: {invent_name(random.Random(i), world) for i in range(300)} for world in ("suite", "pretraining")}
    assert not names["suite"] & names["pretraining"]
    assert all(world_of(name) == world for world, some in names.items() for name in some)


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda a: a.key)
def test_every_attribute_can_be_phrased(attribute):
    near, far, both = (questions(attribute, "Velmora", core) for core in ("near", "far", None))
    assert len(near) >= 10
    assert len(far) >= 2
    assert set(near) | set(far) == set(both)
    assert len(set(both)) == len(both) == len(near) + len(far)
    assert all("Velmora" in q and "{" not in q and q[-1] in "?." for q in both)
    assert all("{e}" in s and "{v}" in s for s in attribute.statements)


def test_every_domain_has_every_type_of_answer_once_and_unique_keys():
    for domain in DOMAINS.values():
        types = {a.values.answer_type for a in domain.attributes}
        assert types == {"name", "number", "date", "label", "phrase"}
        assert len({a.key for a in domain.attributes}) == len(domain.attributes)


def test_values_vary_and_no_attribute_of_an_entity_is_told_twice():
    facts = invent_facts(DOMAINS["minerals"], DOMAINS["minerals"].attributes, 120, random.Random(0), "suite")
    values = defaultdict(set)
    for fact in facts:
        values[fact.attribute.key].add(fact.value)
    assert all(len(drawn) >= 6 for drawn in values.values())
    assert len({(f.entity, f.attribute.key) for f in facts}) == len(facts) == 120


def test_write_task_leaves_exactly_the_task(tmp_path):
    folder = write_task("suite-companies-names", tmp_path)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert folder == tmp_path / "suite-companies-names"
    assert set(first) == {"train.jsonl", "validation.jsonl", "test.jsonl", "meta.json"}
    records = [json.loads(line) for line in first["train.jsonl"].decode().splitlines()]
    assert records == generate(BUILTIN_TASKS["suite-companies-names"])["train"]
    assert json.loads(first["meta.json"])["records"] == {"train": 300, "validation": 30, "test": 30}
    write_task("suite-companies-names", tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_an_unknown_task_names_the_closest(tmp_path):
    with pytest.raises(ValueError, match=r"no built-in task `suite-company-names`.*mean `suite-companies-names`\?"):
        write_task("suite-company-names", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domain": "planets"}, r"no domain `planets`.*one of companies, minerals"),
        ({"n_facts": 1}, r"`n_facts` is 1, .*at least 2.*Raise `n_facts`"),
        ({"label_noise": 1.0}, r"`label_noise` is 1.0, .*below 1.*set `label_noise` to 0.05"),
        ({"label_noise": -0.1}, r"`label_noise` is -0.1"),
        ({"n_distractors": -1}, r"`n_distractors` is -1, .*counts the sentences.*set `n_distractors` to 0"),
    ],
)
def test_a_bad_specification_says_what_to_change(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SPEC, **change)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("answer_type", "names", r"no answer type `names`; .*Set `answer_type` to one of name, .*mixed"),
        ("wording", "nearby", r"no wording `nearby`; .*Set `wording` to one of near, far, across"),
        ("answer_form", "values", r"no answer form `values`; .*Set `answer_form` to one of value, sentence"),
    ],
)
def test_an_unknown_choice_says_what_there_is(field, value, message):
    spec = replace(SPEC)
    object.__setattr__(spec, field, value)  # the tests' type checker would stop it before the message
    with pytest.raises(ValueError, match=message):
        spec.__post_init__()


def _digest(spec):
    return hashlib.sha256(json.dumps(generate(spec)).encode()).hexdigest()[:16]


def _invented(spec):
    """The facts of a task; the generator draws them before anything else."""
    return invent_facts(DOMAINS[spec.domain], spec.attributes, spec.n_facts, random.Random(spec.seed), "suite")
