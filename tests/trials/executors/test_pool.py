"""How orders are dealt to workers, which here say what a test wants them to."""

import time

import pytest

from lightning_quicktune.trials.executors import pool as pool_module
from lightning_quicktune.trials.executors.orders import Order
from lightning_quicktune.trials.executors.pool import PoolExecutor
from lightning_quicktune.trials.executors.worker import Ended, Idle, LeftOver, Raised
from lightning_quicktune.trials.executors.workplace import NoRoomError, NotStartedError


class Worker:
    """Says that it is idle at once, unless there is no room for it; then what is put into ``says``."""

    def __init__(self, has_room, starts=True):
        self.says, self.given, self.has_room, self.has_ended = [Idle()], [], has_room, False
        self.starts = starts

    def begin(self, orders):
        self.given.append([order.plan.folder.name for order in orders])

    def heard(self):
        if not self.has_room:
            raise NoRoomError("the machine is full")
        if self.given and not self.starts:
            raise NotStartedError("its process ended with status 1")
        events, self.says = self.says, []
        return events

    def ask_to_pause(self):
        pass

    def end(self):
        self.has_ended = True


class Place:
    def __init__(self, rooms, n_starting=99):
        self.workers, self.rooms, self.n_starting = [], rooms, n_starting

    def start(self):
        self.workers.append(Worker(len(self.workers) < self.rooms, len(self.workers) < self.n_starting))
        return self.workers[-1]

    def wait(self, workers, seconds):
        """Lets every worker end what it was given last."""
        for worker in self.workers:
            if worker.starts and worker.given and worker.given[-1]:
                worker.says += [Ended(key, None) for key in self.keys(worker.given[-1])] + [Idle()]
                worker.given.append([])

    def keys(self, names):
        return [self.folder_of[name] for name in names]

    def close(self):
        pass


@pytest.fixture
def pool(make_plan):
    """A pool of workers, with some orders submitted: ``(orders, workers, most, rooms) -> (executor, place)``."""

    def make(n_orders, n_workers, most, rooms=99, n_starting=99):
        place = Place(rooms, n_starting)
        executor = PoolExecutor(place, n_workers, most)
        orders = [Order(make_plan(str(n)), 1) for n in range(n_orders)]
        place.folder_of = {order.plan.folder.name: order.key for order in orders}
        for order in orders:
            executor.submit(order)
        return executor, place

    return make


def given(place):
    return [[names for names in worker.given if names] for worker in place.workers]


def test_each_free_worker_gets_its_share_and_no_more_than_it_takes(pool):
    executor, place = pool(5, 2, 2)
    assert executor.capacity == 4
    done = {executor.wait().order.plan.folder.name for _ in range(5)}
    assert done == {"0", "1", "2", "3", "4"}
    assert given(place) == [[["0", "1"], ["4"]], [["2", "3"]]]


def test_what_a_worker_leaves_over_is_dealt_again_by_the_size_it_has_said(pool):
    executor, place = pool(4, 1, 4)
    assert executor.n_ended == 0
    (worker,) = place.workers
    left = tuple(place.folder_of[name] for name in ("1", "2", "3"))
    say, executor_wait = place.wait, []

    def wait(workers, seconds):
        if not executor_wait:
            executor_wait.append(True)
            worker.says += [LeftOver(left, 1), Ended(place.folder_of["0"], None), Idle()]
            worker.given.append([])
        else:
            say(workers, seconds)

    place.wait = wait
    assert [executor.wait().order.plan.folder.name for _ in range(4)] == ["0", "1", "2", "3"]
    assert given(place) == [[["0", "1", "2", "3"], ["1"], ["2"], ["3"]]]


def test_without_room_for_all_it_goes_on_with_some_and_without_any_it_says_so(pool, caplog):
    executor, place = pool(2, 2, 1, rooms=1)
    assert len({executor.wait().order.key for _ in range(2)}) == 2
    assert executor.capacity == 1
    assert "Going on with 1 workers: the machine is full" in caplog.text
    assert [worker.has_ended for worker in place.workers] == [False, True]
    with pytest.raises(NoRoomError, match="the machine is full"):
        pool(1, 1, 1, rooms=0)


def test_a_worker_that_fails_to_start_three_times_is_done_without_and_costs_no_trial_anything(pool, caplog):
    executor, place = pool(4, 2, 1, n_starting=1)
    results = [executor.wait() for _ in range(4)]
    assert len({result.order.key for result in results}) == 4
    assert not executor._losses
    assert len(place.workers) == 1 + 3
    assert executor.capacity == 1
    assert "Going on with 1 workers: 3 workers one after the other ended before they trained anything" in caplog.text


def test_where_no_worker_starts_the_command_ends(pool):
    executor, place = pool(4, 1, 1, n_starting=0)
    with pytest.raises(RuntimeError, match=r"3 workers .*anything \(its process ended with status 1\)\. Correct"):
        [executor.wait() for _ in range(4)]
    assert len(place.workers) == 3


def test_what_a_worker_can_not_go_on_for_is_raised(pool):
    executor, place = pool(1, 1, 1)
    place.workers[0].says.append(Raised.of(OSError(28, "The disk is full")))
    with pytest.raises(OSError, match="The disk is full") as raised:
        executor.wait()
    assert raised.value.errno == 28


def test_closed_it_ends_all_and_starts_others_for_the_next_order(pool, make_plan, monkeypatch):
    monkeypatch.setattr(pool_module, "_GRACE_S", 600.0)
    executor, place = pool(1, 1, 1)
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < 300  # its worker was done before the time that it is given
    assert place.workers[0].has_ended
    assert executor.n_ended == 0
    executor.submit(Order(make_plan("0"), 1))
    assert executor.wait().order.plan.folder.name == "0"
    assert len(place.workers) == 2
