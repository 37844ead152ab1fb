"""What the appendix on scale writes out: a line, sizes of leads in pieces, hours; and its exercises refuse near misses."""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.book import Check
from vaescan_lite.models.fitting import lead_sizes

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from chapter_cells import cells, hint, run


@pytest.fixture(scope="module")
def scale_chapter():
    names = {"np": np, "pd": pd, "vl": vl, "Check": Check, "time": time}
    some = np.random.default_rng(0).normal(size=(100, 8, 50)).astype(np.float32) * np.arange(1, 9)[:, None]
    return run(cells("A2_scale", "from-scratch"), names | {"some": some.astype(np.float32)})


def test_a_line_gives_what_a_run_and_what_an_ecg_costs(scale_chapter):
    n = np.array([10, 100, 1000])
    np.testing.assert_allclose(scale_chapter["line"](n, 2 + 0.01 * n), (2, 0.01))
    seconds, made = scale_chapter["cpu_seconds"](sum, range(10))
    assert made == 45 and seconds >= 0


@pytest.mark.parametrize("at_once", [1, 7, 64, 1000])
def test_sizes_of_leads_in_pieces_are_those_of_the_package(scale_chapter, at_once):
    sizes = scale_chapter["lead_sizes"](scale_chapter["some"] + 5, at_once)
    np.testing.assert_allclose(sizes, lead_sizes(scale_chapter["some"] + 5), rtol=1e-6)


def test_minutes_are_bound_by_workers_then_by_the_disk_and_never_below_what_is_done_alone(scale_chapter):
    minutes = scale_chapter["minutes"]
    assert minutes(60, 1, 1.0, 0.0) == pytest.approx(1) and minutes(60, 4, 1.0, 0.0) == pytest.approx(0.25)
    assert minutes(1e6, 10**6, 1.0, 0.0, 0.1, 100.0) == minutes(1e6, 10**9, 1.0, 0.0, 0.1, 100.0) == pytest.approx(1000 / 60)
    assert minutes(0, 1, 1.0, 60.0) == pytest.approx(1)


def test_the_exercises_of_scale_refuse_near_misses_and_say_why(scale_chapter):
    names = run(cells("A2_scale", "exercise-check"), dict(scale_chapter))
    wrong = {48: "Eight leads", 8: "four bytes", 256: "Bytes, not bits", 29.8: "GiB", 320: "Leads times samples"}
    assert all(words in hint(names["check_weight"], answer) for answer, words in wrong.items())
    assert hint(names["check_weight"], 32) == "Right."

    def in_pieces(array, at_once, size=np.abs, short=0):
        starts = range(0, len(array) - short, at_once)
        return np.max([size(array[i : i + at_once]).max(axis=(0, 2)) for i in starts], axis=0)

    check = names["check_largest"]
    assert "gives nothing back" in hint(check, lambda array, at_once: None)
    assert "More than at_once" in hint(check, lambda array, at_once: np.abs(array[:]).max(axis=(0, 2)))
    assert "lowest S wave" in hint(check, lambda array, at_once: in_pieces(array, at_once, size=np.array))
    assert "More than at_once" in hint(check, lambda array, at_once: np.abs(array).max(axis=(0, 2)))
    assert "shorter piece" in hint(check, lambda array, at_once: in_pieces(array, at_once, short=at_once - 1))
    assert "last piece" in hint(check, lambda array, at_once: np.abs(array[len(array) - at_once :]).max(axis=(0, 2)))
    assert "not always 16" in hint(check, lambda array, at_once: in_pieces(array, 16))
    assert hint(check, in_pieces) == "Right."

    def workers(n, each_s, fixed_s, read_s, rounded=np.ceil, share=0.1):
        left = (1 + share) * n * read_s + share * fixed_s
        return max(1, int(rounded(n * each_s / left - 1e-9)))

    def tried_one_by_one(n, each_s, fixed_s, read_s, w=1):
        while fixed_s + n * max(each_s / w, read_s) > 1.1 * (fixed_s + n * read_s):
            w += 1
        return w

    check = names["check_enough"]
    assert hint(check, workers) == hint(check, tried_one_by_one) == "Right."
    assert "whole run" in hint(check, lambda *given: workers(given[0], given[1], 0, given[3]))
    assert "One too few" in hint(check, lambda *given: workers(*given, rounded=np.floor))
    assert "One too few" in hint(check, lambda *given: workers(*given, rounded=np.round))
    assert "no fifth" in hint(check, lambda *given: workers(*given, rounded=lambda w: np.floor(w + 1e-6) + 1))
    assert "1.1" in hint(check, lambda *given: workers(*given, share=0.1001))
    assert "fall below" in hint(check, lambda *given: workers(*given, share=0.5))
