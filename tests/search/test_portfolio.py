import numpy as np

from lightning_quicktune.search.portfolio import greedy_order, ranked_order


def letters(order):
    return "".join(c.values["letter"] for c in order)


def test_the_next_configuration_is_the_one_that_helps_where_the_first_ones_fail(five):
    ranks = np.array(
        [
            [0.2, 0.0, 1.0, 0.4, 0.6],
            [0.2, 0.4, 1.0, 0.0, 0.6],
            [0.2, 0.9, 0.0, 1.0, 0.7],
        ]
    )
    # a has the best mean; with it, b gains .2, c gains .2, d gains .2: of these b has the lowest mean rank
    assert letters(greedy_order(list(five.values()), ranks)) == "abdce"


def test_once_nothing_can_be_gained_the_mean_rank_decides(five):
    ranks = np.array([[0.8, 0.0, 0.4, 0.2, 0.6], [0.5, 0.0, 0.4, 0.9, 0.3]])
    assert letters(greedy_order(list(five.values()), ranks)) == "bceda"


def test_a_portfolio_is_no_worse_than_any_other_greedy_choice(five):
    ranks = np.random.default_rng(0).random((7, 5))
    order = [list(five.values()).index(c) for c in greedy_order(list(five.values()), ranks)]
    for n in range(1, 5):
        reached = ranks[:, order[:n]].min(axis=1).mean()
        others = [ranks[:, [*order[: n - 1], other]].min(axis=1).mean() for other in range(5)]
        assert reached <= min(others) + 1e-12


def test_ranks_of_one_task_are_followed_and_ties_keep_the_order_of_the_pool(five):
    assert letters(ranked_order(list(five.values()), np.array([0.5, 0.0, 1.0, 0.0, 0.2]))) == "bdeac"
