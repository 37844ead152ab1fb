"""Exercises that check themselves: a chapter states what a right answer fulfils, and a reader gets feedback on theirs."""

import html


class Check:
    """Conditions that a right answer to an exercise fulfils, each with the hint to give where it does not.

    Parameters
    ----------
    *conditions : tuple of (callable, str)
        ``(test, hint)``, tried in order. ``test(answer)`` is true for a right answer; the first test that is not true, or
        that fails with an error, decides the feedback, so put the easy conditions (type, shape) first.

    Examples
    --------
    >>> check = Check(
    ...     (lambda a: a == int(a), "A whole number, please."),
    ...     (lambda a: a == 8, "Which leads follow from I and II?"),
    ... )
    >>> check(...)
    Your turn: put your answer in place of the dots and run the cell again.
    >>> check(12)
    Not yet. Which leads follow from I and II?
    >>> check(8)
    Right.
    """

    def __init__(self, *conditions):
        for condition in conditions:
            if not (isinstance(condition, tuple) and len(condition) == 2 and callable(condition[0]) and condition[1]):
                raise ValueError(f"each condition must be a pair (function, hint); got {condition!r}.")
        if not conditions:
            raise ValueError("give at least one condition, a pair (function, hint).")
        self.conditions = conditions

    def __call__(self, answer):
        """Return a Feedback on an answer, true where all conditions hold; ``...`` or None stands for no answer yet."""
        if answer is ... or answer is None:
            return Feedback(False, "Your turn: put your answer in place of the dots and run the cell again.")
        for test, hint in self.conditions:
            try:
                holds = bool(test(answer))
            except Exception as error:  # whatever a reader's answer does to a test is feedback, not a traceback
                return Feedback(False, f"Not yet. {hint} (Looking at it gave {type(error).__name__}: {error})")
            if not holds:
                return Feedback(False, f"Not yet. {hint}")
        return Feedback(True, "Right.")


class Feedback:
    """What an exercise says about an answer: whether it is right, and words for the reader."""

    def __init__(self, right, text):
        self.right, self.text = right, text

    def __bool__(self):
        return self.right

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        colour, mark = ("#14602b", "&#10003;") if self.right else ("#704800", "&#8226;")
        return f'<p style="color: {colour}; font-weight: 600">{mark} {html.escape(self.text)}</p>'
