"""Jobs: results in order, and what is finished is kept whole and not done again."""

import numpy as np
import pytest

from vaescan_lite.cache import run_jobs

done = []


def square(number):
    if number == 99:
        raise KeyboardInterrupt
    done.append(number)
    return number**2


def jobs_of(numbers):
    return [((np.arange(number), number), square, (number,)) for number in numbers]


@pytest.fixture(autouse=True)
def nothing_done():
    done.clear()


def test_results_come_in_the_order_of_the_jobs_in_any_number_of_processes():
    assert run_jobs(jobs_of([3, 1, 2]), n_jobs=2, progress=False) == [9, 1, 4] == run_jobs(jobs_of([3, 1, 2]), progress=False)


def test_after_an_interruption_only_what_is_missing_is_done(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs_of([1, 2, 99, 4]), keep=tmp_path / "kept", progress=False)
    assert done == [1, 2] and len(list((tmp_path / "kept").rglob("output.pkl"))) == 2
    assert run_jobs(jobs_of([1, 2, 3, 4]), keep=tmp_path / "kept", progress=False) == [1, 4, 9, 16]
    assert done == [1, 2, 3, 4]


def test_another_key_is_another_job(tmp_path):
    run_jobs([("a", square, (2,))], keep=tmp_path, progress=False)
    assert run_jobs([("b", square, (3,))], keep=tmp_path, progress=False) == [9]
    assert run_jobs([("a", square, (4,))], keep=tmp_path, progress=False) == [4]  # the key says that it is the same


def test_without_a_folder_nothing_is_kept():
    run_jobs(jobs_of([5]), progress=False)
    run_jobs(jobs_of([5]), progress=False)
    assert done == [5, 5]


def test_what_several_processes_did_is_not_done_again(tmp_path):
    assert run_jobs(jobs_of([1, 2, 3, 4]), keep=tmp_path, n_jobs=2, progress=False) == [1, 4, 9, 16]
    assert run_jobs(jobs_of([1, 2, 3, 4]), keep=tmp_path, progress=False) == [1, 4, 9, 16]
    assert done == []
