"""Exercises that check themselves."""

import pytest

from vaescan_lite.book.exercises import Check


def test_an_exercise_gives_the_first_hint_that_applies():
    check = Check((lambda a: len(a) == 2, "Two numbers."), (lambda a: sum(a) == 5, "They add up to five."))
    assert not check(...) and "Your turn" in repr(check(...))
    assert not check([1]) and repr(check([1])) == "Not yet. Two numbers."
    assert not check([1, 1]) and repr(check([1, 1])) == "Not yet. They add up to five."
    assert check([2, 3]) and repr(check([2, 3])) == "Right."


def test_an_answer_that_breaks_a_condition_gets_a_hint_and_not_a_traceback():
    check = Check((lambda a: len(a) == 2, "Two <numbers>."))
    assert "Two <numbers>. (Looking at it gave TypeError" in repr(check(7))
    assert "Two &lt;numbers&gt;." in check(7)._repr_html_()


def test_a_check_without_proper_conditions_is_an_error():
    with pytest.raises(ValueError, match="at least one condition"):
        Check()
    with pytest.raises(ValueError, match=r"pair \(function, hint\); got 8"):
        Check(8)
