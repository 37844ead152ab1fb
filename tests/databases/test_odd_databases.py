"""Folders as people have them: labels are found, people stay in one fold, an odd record stops nothing; or a word says why."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite import factors, open_database
from vaescan_lite.databases.people import patients_of, said_in_comments
from vaescan_lite.leads import LEADS_8, LEADS_12
from vaescan_lite.simulator import write_simulated_database


def write(path, signals, fs, leads=LEADS_12, comments=()):
    """Write a WFDB record of 1000 counts per mV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{path.name} {len(leads)} {fs} {signals.shape[1]}"]
    lines += [f"{path.name}.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in leads]
    path.with_name(f"{path.name}.hea").write_text("\n".join([*lines, *comments, ""]), encoding="utf-8")
    path.with_name(f"{path.name}.dat").write_bytes(np.rint(signals * 1000).astype("<i2").T.tobytes())


def ecg(fs=500, duration_s=10):
    people = pd.DataFrame([{"age_years": 60, "sex_female": 0}], index=[1])
    return vl.simulate(people, fs=fs, duration_s=duration_s, noise=False).signals[0]


SHORT = np.zeros((12, 50))  # where only headers count


@pytest.fixture
def copy(tmp_path):
    """Six simulated ECGs in PTB-XL's layout, without what tells that they are simulated."""
    folder = write_simulated_database(tmp_path / "copy", 6, progress=False)
    (folder / "ground_truth.csv").unlink()
    return folder


# label tables


@pytest.mark.parametrize("name", ["ptbxl_database (1).csv", "PTBXL_DATABASE.CSV", "labels.csv", "ptbxl_database_v2.csv"])
def test_the_label_table_is_found_under_another_name_and_that_is_said(copy, name):
    expected = open_database(copy)
    (copy / "ptbxl_database.csv").rename(copy / name)
    with pytest.warns(UserWarning, match="label table of another name, taken for ptbxl_database"):
        db = open_database(copy)
    pd.testing.assert_frame_equal(db.factors(), expected.factors())
    assert db.fold.equals(expected.fold) and db.issues["where"].tolist() == [name]


def test_two_tables_that_may_be_meant_are_an_error(copy):
    for name in ("a.csv", "b.csv"):
        (copy / name).write_bytes((copy / "ptbxl_database.csv").read_bytes())
    assert len(open_database(copy)) == 6
    (copy / "ptbxl_database.csv").unlink()
    with pytest.raises(ValueError, match=r"ptbxl_database\.csv: a\.csv, b\.csv"):
        open_database(copy)


@pytest.mark.parametrize("below", ["records100", "records100/00000"])
def test_a_part_of_a_copy_has_the_labels_of_the_whole(copy, below):
    db, whole = open_database(copy / below), open_database(copy)
    assert db.name == "PTB-XL" and db.fs_available == (100,)
    pd.testing.assert_frame_equal(db.factors(), whole.factors())
    assert db.fold.equals(whole.fold)
    np.testing.assert_array_equal(db.read().signals, whole.read().signals)


def test_records_of_ptbxl_without_a_table_are_pointed_out_and_one_ecg_stays_in_one_fold(tmp_path):
    for i in range(1, 21):
        write(tmp_path / f"records100/00000/{i:05d}_lr", SHORT, 100)
        write(tmp_path / f"records500/00000/{i:05d}_hr", SHORT, 500)
    with pytest.warns(UserWarning, match="no label table ptbxl_database"):
        db = open_database(tmp_path)
    assert (db.fold.groupby([id_[:5] for id_ in db.ids]).nunique() == 1).all() and db.fold.nunique() > 3


def test_a_table_that_a_spreadsheet_saved_with_semicolons_is_read(copy):
    expected = open_database(copy).factors()
    table = pd.read_csv(copy / "ptbxl_database.csv")
    table.to_csv(copy / "ptbxl_database.csv", sep=";", decimal=",", index=False)
    pd.testing.assert_frame_equal(open_database(copy).factors(), expected)


def test_a_patient_whose_ecgs_lie_in_several_folds_is_named(copy):
    table = pd.read_csv(copy / "ptbxl_database.csv")
    table.assign(patient_id=[7, 7, 8, 8, 9, 9], strat_fold=[1, 2, 3, 3, 4, 4]).to_csv(copy / "ptbxl_database.csv", index=False)
    with pytest.warns(UserWarning, match="patient with ECGs in several folds"):
        assert open_database(copy).issues["where"].tolist() == ["7"]
    table.assign(patient_id=[7, 7, 8, 8, 9, 9]).drop(columns="strat_fold").to_csv(copy / "ptbxl_database.csv", index=False)
    assert open_database(copy).fold.groupby([7, 7, 8, 8, 9, 9]).nunique().tolist() == [1, 1, 1]


# people


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("57", 57), ("057", 57), ("57.5", 57.5), ("57,5", 57.5), ("57Y", 57), ("057Y", 57), ("57 y", 57), ("57 years", 57),
        ("57 yrs.", 57), ("57 years old", 57), ("57yo", 57), ("57 Jahre", 57), ("57 J.", 57), ("57 Jahre alt", 57),
        ("57 años", 57), ("57 anos", 57), ("57 ans", 57), ("006M", 0.5), ("18 months", 1.5), ("026W", 26 / 52.18), ("0", 0),
        (">89", None), ("90+", None), ("> 89", None), ("≥90", None), ("over 89", None), ("90 or older", None), ("300", None),
        ("57 M", None), ("6M", None), ("old", None), ("-3", None), ("121", None), ("57-60", None), ("1957-03-01", None),
        ("", None),
    ],
)  # fmt: skip
def test_ages_are_read_in_every_way_they_are_written_or_not_at_all(text, years):
    (age,), _ = factors.clean_ages([text])
    assert age == pytest.approx(years) if years is not None else np.isnan(age)


@pytest.mark.parametrize("text", ["57 M", "6M", "old", "-3", "121", "57-60", "1957-03-01", "?57"])
def test_a_text_that_is_no_age_is_told_apart_from_none(text):
    assert factors.read_ages([text, "57", ">89", "90+", "", "NaN", "Unknown"])[-1].tolist() == [True] + [False] * 6


@pytest.mark.parametrize(
    ("text", "female"),
    [("F", 1), ("Female", 1), ("w", 1), ("weiblich", 1), ("Mujer", 1), ("Femenino", 1), ("femme", 1), ("F\n", 1),
     ("m", 0), ("MALE", 0), ("männlich", 0), ("Masculino", 0), ("Hombre", 0), ("Homme", 0)],
)  # fmt: skip
def test_sexes_are_read_in_several_languages(text, female):
    values, unread = factors.clean_sexes([text, "1", "x", "", "Unknown"])
    assert values[0] == female and np.isnan(values[1:]).all()
    assert unread.tolist() == [False, True, True, False, False]  # 1 is male by ISO 5218 and female in PTB-XL


@pytest.mark.parametrize(
    ("comments", "age", "sex"),
    [
        (["Age: 65", "Sex: Female"], "65", "Female"),
        (["<age>: 65 <sex>: F <diagnoses> Coronary artery disease"], "65", "F"),
        (["<age>: >89", "<sex>: M"], ">89", "M"),
        (["Age: 57 Sex: M"], "57", "M"),
        (["Age: 57, Sex: M, Dx: 164889003"], "57", "M"),
        (["Age=57; Gender=M"], "57", "M"),
        (["AGE : 57Y", "GENDER : female"], "57Y", "female"),
        (["age: 81", "sex: female", "ECG date: 01/10/1990"], "81", "female"),
        (["Alter: 57 Jahre", "Geschlecht: weiblich"], "57 Jahre", "weiblich"),
        (["Edad: 57 años Sexo: Mujer"], "57 años", "Mujer"),
        (["69 M 1085 1629 x1", "Aldomet, Inderal"], "69", "M"),
        (["Average: 3", "Sexton: x", "a note on age and sex"], None, None),
        ([], None, None),
    ],
)
def test_age_and_sex_are_found_in_comments(comments, age, sex):
    said = said_in_comments(comments)
    assert (said.get("Age"), said.get("Sex")) == (age, sex)


@pytest.mark.parametrize(
    ("comment", "issue"),
    [
        ("Age: fifty", "age that cannot be read"),
        ("Age: 57 M", "age that cannot be read"),
        ("Sex: 1", "sex that cannot be read"),
        ("DOB: 1957-03-01", "date of birth and no age"),
        ("Dx: something", "diagnosis that is neither"),
    ],
)
def test_what_a_header_states_and_nobody_can_read_is_listed(tmp_path, comment, issue):
    write(tmp_path / "a", SHORT, 500, comments=[f"#{comment}"])
    with pytest.warns(UserWarning, match=issue):
        db = open_database(tmp_path)
    assert db.issues["where"].str.startswith("a: ").all()
    assert db.factors(["age_years", "sex_female"]).isna().all().all()


# patients


PATHS = {
    "PTB": [f"patient{i // 3:03d}/s{i:04d}_re" for i in range(60)],
    "one file name each": [f"patient{i // 3:03d}_{i % 3}" for i in range(60)],
    "subjects": [f"data/subject-{i // 3}/run{i}" for i in range(60)],
    "MIMIC-IV-ECG": [f"files/p{1000 + i // 30}/p{10_000_000 + i // 3}/s{i}/{i}" for i in range(60)],
    "small folders": [f"{i // 3:05d}/{i}" for i in range(60)],
    "numbered names": [f"A{i // 3:04d}-{i % 3 + 1}" for i in range(60)],
    "two rates": [f"rec{rate}/{i:05d}_{'lr' if rate == 100 else 'hr'}" for i in range(30) for rate in (100, 500)],
}


@pytest.mark.parametrize(("kind", "paths"), PATHS.items(), ids=PATHS)
def test_records_of_a_patient_are_together(kind, paths):
    patients = patients_of(paths, [""] * 60)
    true = [i // (2 if kind == "two rates" else 3) for i in range(60)]
    assert pd.Series(patients).groupby(true).nunique().eq(1).all() and len(set(patients)) == len(set(true))


SINGLE = {
    "two large folders": [f"g{1 + i // 30}/HR{i:05d}" for i in range(60)],
    "LUDB": [f"data/{i}" for i in range(60)],
    "one prefix": [f"ecg_{i}" for i in range(60)],
    "PTB-XL's folders": [f"records100/{i // 20:02d}000/{i:05d}_lr" for i in range(60)],
}


@pytest.mark.parametrize("paths", SINGLE.values(), ids=SINGLE)
def test_what_is_no_patient_is_not_taken_for_one(paths):
    assert len(set(patients_of(paths, [""] * 60))) == 60


def test_what_headers_say_of_patients_counts_first(tmp_path):
    for i in range(30):
        write(tmp_path / f"r{i}", SHORT, 100, comments=[f"#Patient ID: {i // 3}"])
    db = open_database(tmp_path)
    assert (db.fold.groupby(np.arange(30) // 3).nunique() == 1).all() and db.fold.nunique() > 3
    sample = open_database(tmp_path, n=12, seed=1)
    assert sample.fold.equals(db.fold.loc[sample.ids])


# short records, few leads, numerics beside them


@pytest.mark.filterwarnings("ignore:.*computed from")
def test_beats_come_from_what_is_there_in_the_order_of_ids_and_the_rest_is_named(tmp_path):
    whole = ecg()
    leads_9 = ("I", "II", "III", *LEADS_8[2:])
    for name, n, leads in (
        ("a", 5000, LEADS_12),
        ("b", 2500, LEADS_12),
        ("c", 2499, LEADS_12),
        ("d", 3500, leads_9),
        ("e", 5000, LEADS_8),
    ):
        write(tmp_path / name, whole[[LEADS_12.index(lead) for lead in leads], :n], 500, leads)
    write(tmp_path / "f", np.zeros((2, 100)), "0.0166667", ("HR", "RESP"))
    write(tmp_path / "g", ecg(100)[:, ::2], 50)
    beats = vl.median_beats(open_database(tmp_path))
    assert beats.ids.tolist() == list("abcdefg") and beats.fs == 500
    assert beats.usable.tolist() == [True, True, False, True, True, False, False]
    assert np.abs(vl.measure(beats).loc[list("bde"), "heart_rate_bpm"] - vl.measure(beats).loc["a", "heart_rate_bpm"]).max() < 3
    reasons = beats.quality["reason"]
    assert "at least 5 s" in reasons["c"] and "0.0166667 Hz" in reasons["f"] and "50 Hz" in reasons["g"]
    again = vl.median_beats(open_database(tmp_path), ["d", "a", "d"])
    np.testing.assert_array_equal(again.signals, beats.signals[[3, 0, 3]])


def test_a_database_computes_limb_leads_and_names_them(tmp_path):
    whole = ecg(100)
    write(tmp_path / "a", whole[[LEADS_12.index(lead) for lead in LEADS_8]], 100, LEADS_8)
    with pytest.warns(UserWarning, match=r"III, aVR, aVL, aVF of 1 ECG\(s\) computed"):
        ecgs = open_database(tmp_path).read()
    np.testing.assert_allclose(ecgs.signals[0], whole, atol=2e-3)


# slips


@pytest.mark.parametrize("n", [0, -1, 2.5, np.nan, np.inf, "5", True, [3]])
def test_a_number_of_ecgs_without_sense_is_refused(copy, n):
    with pytest.raises(ValueError, match="n, a number of ECGs, must be a whole number of at least 1"):
        open_database(copy, n=n)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None])
def test_a_seed_without_sense_is_refused_at_the_door(copy, seed):
    for call in (lambda: open_database(copy, n=3, seed=seed), lambda: vl.Workspace("smoke", copy, seed)):
        with pytest.raises(ValueError, match="seed must be a whole number"):
            call()


@pytest.mark.parametrize("where", ["", "  ", None, 5, ["a"]])
def test_a_place_without_sense_is_refused(where):
    with pytest.raises(ValueError, match="where must be a folder"):
        open_database(where)


@pytest.mark.parametrize("options", [{"duration_s": "10"}, {"fs": "100"}, {"fs": None}, {"duration_s": np.inf}])
def test_options_of_reading_that_are_no_numbers_are_refused(copy, options):
    with pytest.raises(ValueError, match="must be above 0"):
        open_database(copy).read(**options)


def test_whole_numbers_of_any_type_are_taken(copy):
    assert len(open_database(copy, n=3.0)) == len(open_database(copy, n=np.int64(3), seed=np.int32(1))) == 3


def test_of_two_that_want_a_simulated_database_one_makes_it(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "cache"))
    written = []

    def write(folder, n, **settings):
        written.append(folder)
        time.sleep(0.3)  # long enough for the other one to come by
        write_simulated_database(folder, n, **settings)

    monkeypatch.setattr("vaescan_lite.simulator.write_simulated_database", write)
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda seed: open_database("simulated", n=5, seed=seed), [1, 1])
    assert first.fingerprint == second.fingerprint and len(written) == 1


@pytest.mark.parametrize("damage", ["empty", "cut off", "gone", "table"])
def test_a_simulated_database_of_the_cache_that_is_damaged_is_made_again(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "cache"))
    db = open_database("simulated", n=5, seed=1)
    signals = db.read().signals
    path = db.folder / ("ptbxl_database.csv" if damage == "table" else "records100/00000/00002_lr.dat")
    content = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(content[: {"empty": 0}.get(damage, len(content) // 2)])
    with pytest.warns(UserWarning, match="are damaged or missing; they are made again"):
        again = open_database("simulated", n=5, seed=1)
    np.testing.assert_array_equal(again.read().signals, signals)
    assert path.read_bytes() == content
