import json
import re

import numpy as np
import pandas as pd
import pytest

from vaescan_lite.ecg import LEADS_8, BeatSet
from vaescan_lite.web.reading_study import ReadingStudy

SEGMENTS = {"P": (-0.40, -0.12), "QRS": (-0.12, 0.08), "T": (0.08, 0.56)}


def study(n=200, seed=0, share_wrong=0.3, **changes):
    rng = np.random.default_rng(seed)
    beats = BeatSet(rng.normal(size=(n, 8, 96)).astype(np.float32), 100, LEADS_8, r_index=40)
    y = rng.integers(0, 2, n).astype(float)
    wrong = rng.random(n) < share_wrong
    given = {
        "beats": beats,
        "y": y,
        "probability": np.where((y == 1) != wrong, 0.8, 0.1),
        "contributions": pd.DataFrame(
            rng.normal(size=(n, 24)), columns=pd.MultiIndex.from_product([SEGMENTS, LEADS_8], names=["segment", "lead"])
        ),
        "segments_s": SEGMENTS,
        "disease": "LVH",
        "seed": seed,
    } | changes
    return ReadingStudy(**given), given


def shown(made):
    return json.loads(re.search(r"getElementById\('[\w-]+'\), (\{.*\})\);", made._repr_html_())[1])


def test_the_two_ecgs_of_a_pair_agree_in_label_and_in_whether_the_model_is_right():
    made, given = study()
    assert len(made.pairs) == 10 and len(set(made.rows)) == 20
    right = (given["probability"] >= 0.5) == (given["y"] == 1)
    for a, b in made.pairs:
        one, other = made.rows[a], made.rows[b]
        assert given["y"][one] == given["y"][other] and right[one] == right[other]
    assert (~right[made.rows]).sum() == 6
    assert given["y"][made.rows].sum() == 10


def test_the_page_holds_what_the_model_and_the_explanation_say_of_these_ecgs():
    made, given = study()
    data = shown(made)
    for position, row in enumerate(made.rows):
        ecg = data["ecgs"][position]
        assert ecg["y"] == given["y"][row] and ecg["p"] == pytest.approx(given["probability"][row])
        assert ecg["waves"] == pytest.approx([given["contributions"].iloc[row][name].sum() for name in SEGMENTS], abs=0.006)
        assert len(ecg["uv"]) == 12 and len(ecg["uv"][0]) == 96
        lead_ii = 1000 * given["beats"].signals[row, 1]
        assert ecg["uv"][1] == pytest.approx(lead_ii - np.median(lead_ii), abs=0.51)


def test_lines_of_neighbouring_segments_meet_and_cover_the_beat():
    segments = shown(study()[0])["segments"]
    assert segments[0]["start"] == 0 and segments[-1]["end"] == 95
    assert all(one["end"] == other["start"] for one, other in zip(segments, segments[1:]))


def test_without_scripts_the_page_says_what_would_be_there_and_nothing_comes_from_elsewhere_or_is_stored():
    page = study(disease="a </script><b>bold</b> disease")[0]._repr_html_()
    before = page[: page.index("<script>")]
    assert "needs JavaScript" in before and "<b>bold" not in before
    assert page.count("</script>") == 1
    for word in ("fetch(", "XMLHttpRequest", "localStorage", "sessionStorage", "indexedDB", "cookie", "src=", "sendBeacon"):
        assert word not in page
    assert set(re.findall(r"https?://[\w./]+", page)) == {"http://www.w3.org/2000/svg"}
    assert len(page) < 300_000


def test_two_studies_on_a_page_do_not_share_an_id():
    made = study()[0]
    assert re.search(r'id="([\w-]+)"', made._repr_html_())[1] != re.search(r'id="([\w-]+)"', made._repr_html_())[1]


def test_people_without_a_label_are_not_shown_and_a_model_that_is_never_wrong_still_gives_ten_pairs():
    made, given = study(share_wrong=0.0)
    assert len(made.pairs) == 10
    labels = np.where(np.arange(200) < 100, given["y"], np.nan)
    made, _ = study(share_wrong=0.0, y=labels)
    assert made.rows.max() < 100


def test_too_few_ecgs_and_rows_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match="at least 2 are needed"):
        study(y=np.full(200, np.nan))
    with pytest.raises(ValueError, match="got 200, 3, 200 and 200"):
        study(y=np.zeros(3))
