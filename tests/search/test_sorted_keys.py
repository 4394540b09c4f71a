import random

from lightning_quicktune.search.sorted_keys import SortedKeys


def test_it_agrees_with_a_set_that_is_sorted_each_time():
    rng, keys, reference = random.Random(0), SortedKeys([(1.0, 2), (0.5, 1)]), {(1.0, 2), (0.5, 1)}
    for _ in range(300):
        key, wanted = (rng.choice([0.0, 0.5, 1.0]), rng.randrange(8)), rng.random() < 0.5
        keys.set(key, wanted)
        reference = reference | {key} if wanted else reference - {key}
        assert len(keys) == len(reference)
        assert keys.first == min(reference, default=None)
        assert keys.position(key) == sum(other < key for other in reference)
