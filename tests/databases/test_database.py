"""Databases: the same interface for the PTB-XL layout, Challenge folders, LUDB and any WFDB folder, sound or broken."""

import ast
import os
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vaescan_lite
from vaescan_lite import factors, open_database, read_record
from vaescan_lite.databases import database, layouts
from vaescan_lite.ecg import LEADS_12

AGES = {1: 56.0, 2: 300.0, 3: np.nan, 4: -1.0, 5: 0.0}
STATEMENTS = {
    1: "{'NORM': 100.0, 'SR': 0.0}",
    2: "{'CLBBB': 15.0, 'AFIB': 0.0}",
    3: "{'CRBBB': 100.0, '1AVB': 80.0, 'IMI': 35.0}",
    4: "{'SR': 0.0, 'PVC': 0.0}",
    5: "{'LVH': 50.0, 'LAFB': 100.0, 'ASMI': 100.0, 'NDT': 100.0}",
}


def signal_of(number, fs, duration_s=10.0):
    """Twelve sines, (12, time) in mV, that tell which ECG and which lead they are."""
    times_s = np.arange(round(duration_s * fs)) / fs
    return np.stack([np.sin(2 * np.pi * times_s) * (number + lead / 100) / 10 for lead in range(12)])


def write_record(path, signals, fs, leads=LEADS_12, comments=()):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{path.name} {len(leads)} {fs} {signals.shape[1]}"]
    lines += [f"{path.name}.dat 16 1000.0(0)/mV 16 0 0 0 0 {lead}" for lead in leads]
    path.with_name(path.name + ".hea").write_text("\n".join([*lines, *comments]) + "\n")
    np.round(signals * 1000).astype("<i2").T.tofile(path.with_name(path.name + ".dat"))


@pytest.fixture
def ptbxl(tmp_path):
    """Five ECGs at 100 Hz, the first two at 500 Hz too, in the layout and with the columns of PTB-XL."""
    folder = tmp_path / "ptbxl"
    rows = []
    for id_, cell in STATEMENTS.items():
        low, high = f"records100/00000/{id_:05d}_lr", f"records500/00000/{id_:05d}_hr"
        write_record(folder / low, signal_of(id_, 100), 100)
        if id_ <= 2:
            write_record(folder / high, signal_of(id_, 500), 500)
        rows.append({"ecg_id": id_, "age": AGES[id_], "sex": id_ % 2, "scp_codes": cell, "strat_fold": 11 - id_,
                     "filename_lr": low, "filename_hr": high})  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "ptbxl_database.csv", index=False)
    return folder


def change_table(folder, change):
    table = pd.read_csv(folder / "ptbxl_database.csv")
    change(table).to_csv(folder / "ptbxl_database.csv", index=False)


@pytest.fixture
def challenge(tmp_path):
    """Three ECGs with SNOMED codes in their headers, in both spellings of the comments, and one without codes."""
    folder = tmp_path / "challenge"
    comments = {
        "JS1": ["#Age: 85", "#Sex: Male", "#Dx: 164889003,59118001"],
        "JS2": ["# Age: NaN", "# Sex: Female", "# Dx: 270492004,427172004"],
        "JS10": ["#Age: 40", "#Sex: Female", "#Dx: 426783006"],
        "JS11": ["#Age: 41", "#Sex: Unknown", "#Dx: Unknown"],
    }
    for number, (name, lines) in enumerate(comments.items(), start=1):
        write_record(folder / f"g{number % 2}" / name, signal_of(number, 500), 500, comments=lines)
    return folder


@pytest.fixture
def ludb(tmp_path):
    """Three ECGs with the columns of LUDB, line breaks in the cells, lower-case leads."""
    folder = tmp_path / "ludb"
    for number in (1, 2, 10):
        write_record(folder / "data" / str(number), signal_of(number, 500), 500, [lead.lower() for lead in LEADS_12])
    columns = ["ID", "Sex", "Age", "Rhythms", "Conduction abnormalities", "Extrasystolies", "Hypertrophies", "Ischemia"]
    rows = [
        ["1", "F\n", "51", "Sinus rhythm", "Incomplete right bundle branch block", None, "Left ventricular hypertrophy\nX",
         "Undefined ischemia/scar/supp.nstemi: inferior wall\nStemi: anterior wall"],
        ["2", "M", ">89", "Atrial fibrillation", "Complete left bundle branch block\nLeft anterior hemiblock", *[None] * 3],
        ["10", "M", "64", "Sinus rhythm", "I degree av block", "Ventricular extrasystole, type: single pvc", None,
         "Ischemia: inferior wall"],
    ]  # fmt: skip
    pd.DataFrame(rows, columns=columns).to_csv(folder / "ludb.csv", index=False)
    return folder


# opening


def test_the_ptbxl_layout_is_opened_with_labels_rates_and_folds(ptbxl):
    db = open_database(ptbxl)
    assert (db.name, db.folder, db.is_simulated, db.ground_truth) == ("PTB-XL", ptbxl.resolve(), False, None)
    assert db.ids.tolist() == [1, 2, 3, 4, 5] == db.labels.index.tolist()
    assert db.ids.dtype == np.int64
    assert db.fs_available == (100, 500)
    assert db.fold.to_dict() == {1: 10, 2: 9, 3: 8, 4: 7, 5: 6}
    assert "5 recorded ECGs, 100 Hz (5), 500 Hz (2)" in db.description
    assert db.description in repr(db)
    assert len(db.issues) == 0


def test_a_sound_database_is_opened_without_a_warning(ptbxl, challenge, ludb):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for folder in (ptbxl, challenge, ludb):
            open_database(folder)


def test_a_partial_copy_is_opened_and_what_is_amiss_is_reported_once(ptbxl):
    for ending in ("hea", "dat"):
        (ptbxl / f"records100/00000/00003_lr.{ending}").unlink()  # a row without a file
        (ptbxl / f"records100/00000/00001_lr.{ending}").unlink()  # at 500 Hz it is still there
    write_record(ptbxl / "records100/21000/21837_lr", signal_of(7, 100), 100)  # a file without a row
    with pytest.warns(UserWarning) as caught:
        db = open_database(ptbxl)
    assert len(caught) == 1
    assert "1 x row of ptbxl_database.csv without a file" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert db.ids.tolist() == [1, 2, 4, 5]
    assert set(map(tuple, db.issues.to_numpy())) == {
        ("row of ptbxl_database.csv without a file", "3"),
        ("record without a row in ptbxl_database.csv", "records100/21000/21837_lr"),
    }
    assert db.factors().index.tolist() == db.fold.index.tolist() == db.ids.tolist()
    assert db.factors().loc[[4, 5], ["PVC", "LVH", "RBBB"]].to_numpy().tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match=r"no signal in PTB-XL: 3\."):
        db.read([1, 3])
    assert db.read([1]).ids.tolist() == [1]


def test_a_table_none_of_whose_records_is_there_is_refused(ptbxl):
    shutil.rmtree(ptbxl / "records100")
    shutil.rmtree(ptbxl / "records500")
    with pytest.raises(FileNotFoundError, match=r"ptbxl_database\.csv has 5 rows, and none.*00001_lr"):
        open_database(ptbxl)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.drop(columns="scp_codes"),
            r"ptbxl_database\.csv: column\(s\) scp_codes are missing; found ecg_id, age, sex",
        ),
        (lambda t: t.drop(columns="ecg_id"), r"column\(s\) ecg_id are missing"),
        (lambda t: t.drop(columns=["filename_lr", "filename_hr"]), r"no column filename_lr or filename_hr; found ecg_id"),
        (lambda t: pd.concat([t, t.iloc[[3]]]), r"1 ecg_id\(s\) occur more than once, such as \[4\]"),
        (lambda t: t.assign(ecg_id=["a", *range(2, 6)]), r"ecg_id must be whole numbers; found 'a' in row 1"),
        (lambda t: t.assign(ecg_id=[1.5, *range(2, 6)]), r"ecg_id must be whole numbers; found 1\.5"),
        (
            lambda t: t.assign(scp_codes=[*t.scp_codes[:4], "{'NORM': 100.0"]),
            r"scp_codes of ecg_id 5 cannot be read: \"\{'NORM",
        ),
        (lambda t: t.assign(scp_codes=["['NORM']", *t.scp_codes[1:]]), r"scp_codes of ecg_id 1 cannot be read"),
        (lambda t: t.assign(scp_codes=["{'NORM': 'very'}", *t.scp_codes[1:]]), r"scp_codes of ecg_id 1 cannot be read"),
        (lambda t: t.iloc[:, :0], r"cannot be read as a CSV table"),
    ],
)
def test_a_broken_label_table_is_refused_with_file_and_cause(ptbxl, change, message):
    change_table(ptbxl, change)
    with pytest.raises(ValueError, match=message):
        open_database(ptbxl)


def test_an_unknown_statement_is_reported(ptbxl):
    change_table(ptbxl, lambda t: t.assign(scp_codes=["{'NORMAL': 100.0}", *t.scp_codes[1:]]))
    with pytest.warns(UserWarning, match="statement that is not in SCP-ECG"):
        db = open_database(ptbxl)
    assert db.issues["where"].tolist() == ["NORMAL"]


def test_an_empty_cell_of_statements_is_unknown_and_an_empty_dict_is_not(ptbxl):
    change_table(ptbxl, lambda t: t.assign(scp_codes=[None, "{}", *t.scp_codes[2:]]))
    table = open_database(ptbxl).factors(["LBBB", "NORM"])
    assert table["LBBB"].isna().tolist() == [True, False, False, False, False]
    assert table["NORM"].isna().tolist() == [True, True, False, True, False]


def test_a_challenge_folder_is_opened_with_the_comments_as_labels(challenge):
    db = open_database(challenge)
    assert db.ids.tolist() == ["JS2", "JS11", "JS1", "JS10"]  # by folder, then by number
    assert db.fs_available == (500,)
    assert db.labels.loc["JS2", ["Age", "Sex", "Dx"]].tolist() == ["NaN", "Female", "270492004,427172004"]
    assert db.fold.isin(range(1, 11)).all()


@pytest.mark.parametrize("where", [".", "data"])
def test_ludb_is_recognised_from_its_folder_and_from_its_data(ludb, where):
    db = open_database(ludb / where)
    assert (db.name, db.ids.tolist(), db.fs_available) == ("LUDB", ["1", "2", "10"], (500,))


def test_a_ludb_table_with_more_rows_than_records_is_opened(ludb):
    (ludb / "data" / "2.hea").unlink()
    with pytest.warns(UserWarning, match=r"row of ludb\.csv without a file"):
        assert open_database(ludb).ids.tolist() == ["1", "10"]


def test_other_wfdb_records_are_opened_without_labels(tmp_path):
    write_record(tmp_path / "a" / "rec", signal_of(1, 250), 250, comments=["# a remark: none of ours"])
    write_record(tmp_path / "b" / "rec", signal_of(2, 250), 250)
    db = open_database(tmp_path)
    assert db.labels.empty
    assert db.ids.tolist() == ["a/rec", "b/rec"]  # the same name twice is told apart by the folder
    assert db.factors().isna().all().all()
    np.testing.assert_allclose(db.read(["b/rec"], fs=250).signals[0], signal_of(2, 250), atol=6e-4)


def test_records_that_are_broken_are_reported_when_the_folder_is_opened(tmp_path):
    write_record(tmp_path / "good", signal_of(1, 100), 100)
    write_record(tmp_path / "half", signal_of(2, 100), 100)
    (tmp_path / "half.dat").unlink()
    (tmp_path / "bad.hea").write_bytes(b"\x00\xff")
    with pytest.warns(UserWarning, match="header that cannot be read"):
        db = open_database(tmp_path)
    assert db.ids.tolist() == ["good", "half"]
    assert sorted(db.issues["issue"]) == ["header that cannot be read", "header without its signal file"]


def test_a_label_table_further_down_is_pointed_out(ptbxl):
    with pytest.warns(UserWarning, match="label table in a folder below"):
        db = open_database(ptbxl.parent)
    assert db.issues["where"].tolist() == ["ptbxl/ptbxl_database.csv"]


def test_a_folder_that_is_no_database_says_what_was_looked_for(tmp_path):
    (tmp_path / "letter.txt").write_text("hello")
    with pytest.raises(FileNotFoundError, match=r"not a database.*ptbxl_database\.csv.*ludb\.csv.*\.hea.*found 1 file"):
        open_database(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        open_database(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"letter\.txt: is a file"):
        open_database(tmp_path / "letter.txt")


def test_links_that_lead_nowhere_or_back_up_do_no_harm(ptbxl):
    (ptbxl / "records100" / "up").symlink_to(ptbxl, target_is_directory=True)
    (ptbxl / "records100" / "broken.hea").symlink_to(ptbxl / "nothing.hea")
    assert len(open_database(ptbxl)) == 5


def test_a_sample_is_drawn_by_seed_and_stays_aligned(ptbxl):
    first, again, other = (open_database(ptbxl, n=3, seed=seed) for seed in (0, 0, 1))
    assert first.ids.tolist() == again.ids.tolist() != other.ids.tolist()
    for db in (first, other):
        assert len(db) == 3
        assert sorted(db.ids) == db.ids.tolist() == db.labels.index.tolist() == db.fold.index.tolist()
        everything = open_database(ptbxl).factors()
        pd.testing.assert_frame_equal(db.factors(), everything.loc[db.ids])
        assert db.read().ids.tolist() == db.ids.tolist()
    assert len(open_database(ptbxl, n=100)) == 5
    with pytest.raises(ValueError, match="at least 1; got 0"):
        open_database(ptbxl, n=0)


def test_folds_by_hash_do_not_depend_on_the_process_or_the_subset(challenge):
    assert open_database(challenge).fold.to_dict() == {"JS2": 7, "JS11": 7, "JS1": 4, "JS10": 2}
    assert open_database(challenge, n=1).fold.item() == open_database(challenge).fold[open_database(challenge, n=1).ids[0]]


def test_rows_without_a_fold_get_one_by_hash(ptbxl):
    change_table(ptbxl, lambda t: t.assign(strat_fold=[1, np.nan, 11, 4, 5]))
    fold = open_database(ptbxl).fold
    assert fold[[1, 4, 5]].tolist() == [1, 4, 5]
    assert fold.isin(range(1, 11)).all()


def test_the_fingerprint_changes_with_labels_records_and_sample_and_with_nothing_else(ptbxl, tmp_path):
    fingerprint = open_database(ptbxl).fingerprint
    assert open_database(str(ptbxl)).fingerprint == fingerprint
    assert open_database(ptbxl, n=2).fingerprint != fingerprint
    seen = {fingerprint}

    def changed():
        seen.add(open_database(ptbxl).fingerprint)
        return len(seen)

    change_table(ptbxl, lambda t: t.assign(sex=1 - t.sex))
    assert changed() == 2
    signals = ptbxl / "records100/00000/00001_lr.dat"
    os.utime(signals, ns=(1, 1))
    assert changed() == 3
    signals.write_bytes(signals.read_bytes() + b"00")
    os.utime(signals, ns=(1, 1))
    assert changed() == 4
    for ending in ("hea", "dat"):
        (ptbxl / f"records500/00000/00002_hr.{ending}").unlink()
    assert changed() == 5


# auto, ptbxl, simulated


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VAESCAN_DATABASE", raising=False)
    return tmp_path / "cache"


def test_auto_takes_the_variable_then_the_download_and_says_so(own_cache, ptbxl, monkeypatch):
    shutil.copytree(ptbxl, own_cache / "ptbxl")
    assert open_database("auto").folder == own_cache / "ptbxl"
    assert "downloaded copy" in repr(open_database())
    monkeypatch.setenv("VAESCAN_DATABASE", str(ptbxl))
    assert open_database("auto").folder == ptbxl
    assert "VAESCAN_DATABASE" in repr(open_database())
    assert open_database("ptbxl").folder == own_cache / "ptbxl"


def test_auto_simulates_where_there_is_nothing_else(own_cache):
    db = open_database(n=12)
    assert (db.name, len(db), db.is_simulated) == ("simulated", 12, True)
    assert "12 simulated ECGs, 100 Hz; no downloaded PTB-XL was found" in repr(db)


def test_ptbxl_without_a_download_says_how_to_get_it(own_cache):
    with pytest.raises(FileNotFoundError, match=r"physionet\.org/content/ptb-xl/1\.0\.3.*simulated"):
        open_database("ptbxl")


def test_a_simulated_database_is_made_once_and_has_the_truth_beside_it(own_cache):
    db = open_database("simulated", n=20, seed=3)
    assert db.ground_truth.index.tolist() == db.ids.tolist() == list(range(1, 21))
    written = {path: path.stat().st_mtime_ns for path in own_cache.rglob("*.csv")}
    again = open_database("simulated", n=20, seed=3)
    assert {path: path.stat().st_mtime_ns for path in own_cache.rglob("*.csv")} == written
    assert again.fingerprint == db.fingerprint
    other = open_database("simulated", n=20, seed=4)
    assert not np.array_equal(other.read().signals, db.read().signals)
    assert {path.name for path in own_cache.glob("simulated*")} == {db.folder.name, other.folder.name}
    assert db.factors().notna().any().all()


def test_all_that_the_simulator_depends_on_is_in_the_name_of_its_folder():
    package = Path(vaescan_lite.__file__).parent
    rooms = set()
    for path in (package / "simulator").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                rooms.add(node.module.split(".")[0])
    assert rooms - {"cache"} <= set(database.SIMULATED_BY) and "simulator" in database.SIMULATED_BY


def test_a_where_that_is_no_place_is_refused():
    with pytest.raises(ValueError, match='"auto"; got None'):
        open_database(None)


# factors


def test_diagnoses_follow_the_statements_whatever_their_likelihood(ptbxl):
    table = open_database(ptbxl).factors()
    assert table.columns.tolist() == list(factors.FACTOR_NAMES)
    positive = {
        id_: {name for name in table if name not in factors.PERSON and table.loc[id_, name] == 1} for id_ in table.index
    }
    assert positive == {
        1: {"NORM"},
        2: {"LBBB", "AF", "CD"},
        3: {"RBBB", "RBBB_any", "AVB1", "IMI", "CD", "MI"},
        4: {"PVC"},
        5: {"LVH", "LAFB", "MI", "CD", "HYP", "STTC"},
    }
    unknown = table[[*factors.DIAGNOSES, *factors.SUPERCLASSES]].isna()
    assert unknown.loc[4, list(factors.SUPERCLASSES)].all()  # no diagnostic statement
    assert unknown.to_numpy().sum() == 5
    assert table["sex_female"].tolist() == [1, 0, 1, 0, 1]


def test_a_threshold_on_likelihood_spares_rhythm_and_form(ptbxl):
    table = open_database(ptbxl).factors(min_likelihood=50)
    assert table.loc[2, ["LBBB", "AF"]].tolist() == [0, 1]  # CLBBB 15, AFIB 0 (not graded)
    assert table.loc[4, "PVC"] == 1
    assert table.loc[5, "LVH"] == 1  # 50 is not below 50
    assert table.loc[3, ["IMI", "MI", "CD"]].tolist() == [0, 0, 1]
    assert table.loc[2, list(factors.SUPERCLASSES)].isna().all()  # its only diagnostic statement does not count


def test_ages_that_are_hidden_missing_or_absurd_are_unknown_and_noted(ptbxl):
    table = open_database(ptbxl).factors(["age_years"])
    assert table["age_years"].isna().tolist() == [False, True, True, True, False]
    assert table.loc[5, "age_years"] == 0
    notes = " | ".join(table.attrs["notes"])
    assert "1 ECG(s): hidden because the person is very old" in notes
    assert "1 ECG(s): missing" in notes
    assert "1 ECG(s): not a number from 0 to 120" in notes


@pytest.mark.parametrize("age", [np.inf, -np.inf, 121, 299, "old", "-3"])
def test_ages_out_of_range_are_unknown(age):
    ages_years, notes = factors.clean_ages([50, age, ">89", "300.0", None])
    assert np.isnan(ages_years).tolist() == [False, True, True, True, True]
    assert len(notes) == 3


def test_columns_of_person_may_be_absent(ptbxl):
    change_table(ptbxl, lambda t: t.drop(columns=["age", "sex", "strat_fold"]))
    db = open_database(ptbxl)
    assert db.factors(["sex_female", "age_years"]).isna().all().all()
    assert db.fold.isin(range(1, 11)).all()


def test_only_the_named_factors_are_given_in_their_order(ptbxl):
    assert open_database(ptbxl).factors(["AF", "age_years"]).columns.tolist() == ["AF", "age_years"]
    with pytest.raises(ValueError, match=r"unknown factor\(s\) 'LBB'; known are sex_female, age_years, LBBB"):
        open_database(ptbxl).factors(["LBB"])


def test_snomed_codes_become_factors_and_what_never_occurs_is_unknown(challenge):
    db = open_database(challenge)
    table = db.factors()
    assert table.loc["JS1", ["AF", "RBBB_any", "AVB1", "PVC"]].tolist() == [1, 1, 0, 0]
    assert table.loc["JS2", ["AF", "RBBB_any", "AVB1", "PVC"]].tolist() == [0, 0, 1, 1]
    assert table.loc["JS10", ["AF", "RBBB_any", "AVB1", "PVC"]].tolist() == [0, 0, 0, 0]
    assert table["RBBB"].isna().all()  # 59118001 does not say whether it is complete, and no other code occurs
    assert table.loc["JS11", list(factors.DIAGNOSES)].isna().all()  # no codes: nothing is known
    assert table[["LBBB", "LVH", "IMI", *factors.SUPERCLASSES]].isna().all().all()
    assert "LBBB" in table.attrs["notes"][-1]
    assert table.loc[["JS1", "JS2", "JS10"], "sex_female"].tolist() == [0, 1, 1]
    assert np.isnan(table.loc["JS11", "sex_female"])
    assert np.isnan(table.loc["JS2", "age_years"])
    one = open_database(challenge, n=1, seed=2)
    pd.testing.assert_frame_equal(one.factors(), table.loc[one.ids])  # what occurs is asked of the whole folder


def test_headers_that_name_the_classes_of_cpsc_are_read(challenge):
    path = next(challenge.rglob("JS1.hea"))
    others = [other for other in challenge.rglob("*.hea") if other != path]
    for name in ("AF,RBBB", "rbbb", "I-AVB, LBBB", "Normal", "Unknown", "AF, Fibrilation"):
        text = path.read_text()
        for old in [line for line in text.splitlines() if line.startswith("#Dx")]:
            path.write_text(text.replace(old, f"#Dx: {name}"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            db = open_database(challenge)
        row = db.factors().loc["JS1"]
        if name == "Unknown":
            assert row[list(factors.DIAGNOSES)].isna().all()
            continue
        assert {d for d in ("AF", "RBBB_any", "LBBB", "AVB1") if row[d] == 1} == {
            {"AF": "AF", "RBBB": "RBBB_any", "I-AVB": "AVB1", "LBBB": "LBBB"}[word]
            for word in name.replace("rbbb", "RBBB").replace(" ", "").split(",") if word not in ("Normal", "Fibrilation")
        }  # fmt: skip
        assert np.isnan(row["RBBB"]) or row["RBBB"] == 0
        assert ("JS1: Fibrilation" in db.issues["where"].tolist()) == ("Fibrilation" in name)
    assert others


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({"713427006"}, {"RBBB": 1, "RBBB_any": 1}),
        ({"713426002"}, {"RBBB": 0, "RBBB_any": 1}),
        ({"59118001"}, {"RBBB": np.nan, "RBBB_any": 1}),
        ({"59118001", "713427006"}, {"RBBB": 1, "RBBB_any": 1}),
        ({"6374002"}, {"RBBB": np.nan, "RBBB_any": np.nan, "LBBB": np.nan, "AF": 0}),
        ({"251120003"}, {"LBBB": 0}),
        ({"164890007"}, {"AF": 0}),
        ({"195080001"}, {"AF": np.nan}),
        ({"164865005"}, {"AMI": np.nan}),
    ],
)
def test_a_code_that_leaves_a_factor_open_makes_it_unknown(codes, expected):
    annotated = {code for listed in factors.SNOMED_CODES.values() for code in listed}
    row = factors.diagnoses_from_snomed([codes], annotated).iloc[0]
    for name, value in expected.items():
        assert row[name] == value or (np.isnan(value) and np.isnan(row[name])), name


def test_the_meanings_of_all_factors_stand_in_one_table():
    table = factors.meanings()
    assert list(table.index) == [name for name in (*factors.SCP_CODES, *factors.SUPERCLASSES)]
    assert (table["PTB-XL"] != "").all() and (table["remark"] != "").all()
    assert table.loc["RBBB_any", "CPSC2018"] == "RBBB" and table.loc["RBBB", "CPSC2018"] == ""
    for broader, narrower in factors.BROADER.items():  # by every kind of code the broader factor holds the narrower
        for codes in (factors.SCP_CODES, factors.SNOMED_CODES, factors.LUDB_TEXTS):
            assert set(codes[narrower]) < set(codes[broader])


def test_nested_factors_are_refused_unless_they_are_the_same():
    table = pd.DataFrame({"RBBB": [1.0, 0, np.nan], "RBBB_any": [1.0, 0, np.nan]}, index=["a", "b", "c"])
    assert factors.repeated_factors(table) == ["RBBB_any"] and factors.repeated_factors(table[["RBBB"]]) == []
    with pytest.raises(ValueError, match="RBBB is part of RBBB_any, and they cannot be learnt side by side"):
        factors.repeated_factors(table.assign(RBBB_any=[1.0, 1, np.nan]))
    with pytest.raises(ValueError, match="ECG 'a' has RBBB = 1 and RBBB_any = 0"):
        factors.repeated_factors(table.assign(RBBB_any=[0.0, 0, np.nan]))


def test_ludb_texts_become_factors(ludb):
    table = open_database(ludb).factors()
    names = list(factors.DIAGNOSES)
    positive = {id_: {name for name in names if table.loc[id_, name] == 1} for id_ in table.index}
    assert positive == {"1": {"LVH", "AMI"}, "2": {"LBBB", "AF", "LAFB"}, "10": {"AVB1", "PVC"}}
    unknown = table[names].isna()
    assert unknown.loc["1", "IMI"] and unknown.to_numpy().sum() == 1  # "undefined": not known whether it is one
    assert table["sex_female"].tolist() == [1, 0, 0]
    assert table["age_years"].isna().tolist() == [False, True, False]
    assert table[list(factors.SUPERCLASSES)].isna().all().all()


# reading


def test_ecgs_are_read_in_the_order_asked_for(ptbxl):
    ecgs = open_database(ptbxl).read([4, 1, 4])
    assert (ecgs.ids.tolist(), ecgs.fs, ecgs.leads) == ([4, 1, 4], 100, LEADS_12)
    assert ecgs.signals.shape == (3, 12, 1000)
    assert ecgs.signals.dtype == np.float32
    np.testing.assert_allclose(ecgs.signals[0], signal_of(4, 100), atol=6e-4)
    np.testing.assert_array_equal(ecgs.signals[0], ecgs.signals[2])
    assert len(ecgs.rejected) == 0
    assert open_database(ptbxl).read([]).signals.shape == (0, 12, 1000)
    assert open_database(ptbxl).read(2).ids.tolist() == [2]


@pytest.mark.parametrize(
    ("fs", "from_low"), [(100, True), (120, True), (250, False), (400, False), (500, False), (1000, False)]
)
def test_the_file_nearest_in_rate_is_read(ptbxl, fs, from_low):
    low = ptbxl / "records100/00000/00001_lr"
    write_record(low, signal_of(9, 100), 100)  # another signal than at 500 Hz, to tell the files apart
    ecg = open_database(ptbxl).read([1], fs=fs).signals[0]
    expected = signal_of(9 if from_low else 1, fs)
    assert ecg.shape == (12, 10 * fs)
    np.testing.assert_allclose(ecg[:, fs:-fs], expected[:, fs:-fs], atol=5e-3)


def test_ecgs_of_several_rates_are_read_together(ptbxl):
    ecgs = open_database(ptbxl).read(fs=500)
    for id_, ecg in zip(ecgs.ids, ecgs.signals):
        np.testing.assert_allclose(ecg[:, 500:-500], signal_of(id_, 500)[:, 500:-500], atol=5e-3)


def test_a_longer_record_gives_its_start_and_a_shorter_one_is_an_error(ptbxl):
    write_record(ptbxl / "records100/00000/00001_lr", signal_of(1, 100, 25.0), 100)
    write_record(ptbxl / "records100/00000/00002_lr", signal_of(2, 100, 9.99), 100)
    shutil.rmtree(ptbxl / "records500")
    db = open_database(ptbxl)
    np.testing.assert_allclose(db.read([1]).signals[0], signal_of(1, 100), atol=6e-4)
    with pytest.raises(ValueError, match=r"ECG 2: .*00002_lr\.hea: 9\.99 s long.*999 samples at 100 Hz.*10 s is wanted"):
        db.read()
    assert db.read(duration_s=5).signals.shape == (5, 12, 500)


def test_what_is_invalid_after_the_part_that_is_read_does_not_matter(ptbxl):
    signals = signal_of(1, 100, 20.0)
    signals[3, 1500] = -32.768
    write_record(ptbxl / "records100/00000/00001_lr", signals, 100)
    db = open_database(ptbxl)
    assert np.isfinite(db.read([1]).signals).all()
    with pytest.raises(ValueError, match=r"aVR \(1\)"):
        db.read([1], duration_s=20)


def break_record(path, how):
    signals = signal_of(3, 100)
    if how == "no .dat":
        path.with_name(path.name + ".dat").unlink()
    elif how == "no .hea":
        path.with_name(path.name + ".hea").unlink()
    elif how == "truncated":
        path.with_name(path.name + ".dat").write_bytes(b"\0" * 2400)
    elif how == "11 leads":
        write_record(path, signals[:11], 100, LEADS_12[:11])
    elif how == "NaN":
        signals[6] = -32.768
        write_record(path, signals, 100)
    elif how == "no header at all":
        path.with_name(path.name + ".hea").write_text("<html>not found</html>")


@pytest.mark.filterwarnings(
    "ignore:.*records100:UserWarning", "ignore:.*its .dat:UserWarning", "ignore:.*its header:UserWarning"
)
@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("no .dat", FileNotFoundError, r"00003_lr\.dat: no such signal file"),
        ("no .hea", FileNotFoundError, r"00003_lr\.hea: no such header"),
        ("truncated", ValueError, r"00003_lr\.dat is truncated.*24000 bytes.*2400 bytes, 100 samples"),
        ("11 leads", ValueError, r"00003_lr\.hea: lead\(s\) V6 are missing.*has 11"),
        ("NaN", ValueError, r"00003_lr\.hea: .*of 1000 in each lead: V1 \(1000\)"),
        ("no header at all", ValueError, r"00003_lr\.hea is not a WFDB header"),
    ],
)
def test_a_broken_record_stops_the_reading_or_is_left_out_with_the_reason(ptbxl, how, error, message):
    break_record(ptbxl / "records100/00000/00003_lr", how)
    db = open_database(ptbxl)
    assert db.ids.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(error, match="ECG 3: .*" + message):
        db.read()
    ecgs = db.read(errors="skip")
    assert ecgs.ids.tolist() == [1, 2, 4, 5]
    assert ecgs.rejected["id"].tolist() == [3]
    assert ecgs.rejected["reason"].str.contains(message).all()
    np.testing.assert_allclose(ecgs.signals[3], signal_of(5, 100), atol=6e-4)


def test_unknown_ids_are_named(ptbxl):
    with pytest.raises(ValueError, match=r"2 id\(s\) have no signal in PTB-XL: 77, 88\. It has 5 ids such as 1, 2, 3"):
        open_database(ptbxl).read([1, 77, 88])


def test_a_mask_is_not_taken_for_ids(ptbxl):
    db = open_database(ptbxl)
    with pytest.raises(ValueError, match=r"not a mask; use db\.read\(db\.ids\[mask\]\)"):
        db.read(db.fold <= 10)
    assert db.read(db.ids[db.fold <= 7]).ids.tolist() == [4, 5]


@pytest.mark.parametrize("options", [{"errors": "ignore"}, {"fs": 0}, {"fs": np.nan}, {"duration_s": 0}, {"duration_s": -1}])
def test_options_that_make_no_sense_are_refused(ptbxl, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        open_database(ptbxl).read(**options)


def test_several_processes_read_the_same_and_in_the_same_order(ptbxl, monkeypatch):
    monkeypatch.setattr(database, "_BATCH", 2)
    (ptbxl / "records100/00000/00003_lr.dat").write_bytes(b"")
    db = open_database(ptbxl)
    one, two = (db.read([5, 4, 3, 2, 1], n_jobs=n_jobs, errors="skip") for n_jobs in (1, 2))
    assert one.ids.tolist() == two.ids.tolist() == [5, 4, 2, 1]
    np.testing.assert_array_equal(one.signals, two.signals)
    assert two.rejected["id"].tolist() == [3]


def test_leads_are_put_in_order_and_text_ids_are_kept(ludb):
    db = open_database(ludb)
    write_record(ludb / "data" / "2", signal_of(2, 500)[::-1], 500, LEADS_12[::-1])
    ecgs = db.read(["10", "2"], fs=500)
    assert ecgs.ids.tolist() == ["10", "2"]
    np.testing.assert_allclose(ecgs.signals[1], signal_of(2, 500), atol=6e-4)


def test_reading_by_id_equals_reading_the_file(ptbxl):
    ecgs = open_database(ptbxl).read([2], fs=500)
    np.testing.assert_array_equal(ecgs.signals, read_record(ptbxl / "records500/00000/00002_hr").signals)


# real ECGs


@pytest.mark.real
def test_the_real_ptbxl_copy_has_the_counts_its_readme_states(real_data):
    db = open_database(real_data / "ptbxl")
    assert (len(db), db.fs_available, len(db.issues)) == (2015, (100, 500), 0)
    table = db.factors()
    counts = {"NORM": 1067, "STTC": 472, "CD": 415, "MI": 378, "HYP": 220, "LVH": 176, "AF": 100, "PVC": 99, "AVB1": 65,
              "RBBB": 41, "LBBB": 34, "RBBB_any": 148}  # fmt: skip
    assert {name: int(table[name].sum()) for name in counts} == counts
    assert table["NORM"].isna().sum() == 22
    assert table["age_years"].isna().sum() == 24  # 12 missing, 12 hidden
    late = table[db.fold >= 9]
    assert {name: int(late[name].sum()) for name in ("AMI", "RBBB", "LBBB", "LAFB", "IMI", "LVH")} == {
        "AMI": 5, "RBBB": 10, "LBBB": 12, "LAFB": 29, "IMI": 44, "LVH": 46}  # fmt: skip


@pytest.mark.real
def test_graded_likelihoods_of_the_official_rows_keep_atrial_fibrillation(real_data, tmp_path):
    folder = tmp_path / "official"
    folder.mkdir()
    shutil.copy(real_data / "ptbxl" / "official_rows.csv", folder / "ptbxl_database.csv")
    (folder / "records100").symlink_to(real_data / "ptbxl" / "records100", target_is_directory=True)
    with pytest.warns(UserWarning, match="without a row"):
        db = open_database(folder)
    everything, likely = db.factors(), db.factors(min_likelihood=80)
    assert likely["AF"].sum() == everything["AF"].sum() > 90
    assert likely["PVC"].sum() == everything["PVC"].sum() > 0
    assert 0 < likely["IMI"].sum() < everything["IMI"].sum()


@pytest.mark.real
def test_superclasses_are_those_of_the_official_table_of_statements(real_data):
    table = pd.read_csv(real_data / "ptbxl" / "scp_statements.csv", index_col=0)
    diagnostic = table[table["diagnostic"] == 1]["diagnostic_class"]
    assert diagnostic.to_dict() == factors.SCP_DIAGNOSTIC
    assert set(table.index) == {*factors.SCP_DIAGNOSTIC, *factors.SCP_FORM_AND_RHYTHM}


@pytest.mark.real
def test_snomed_codes_are_named_in_the_challenge_tables(real_data):
    tables = [pd.read_csv(path, dtype=str) for path in sorted((real_data / "chapman-ningbo").glob("dx_mapping_*.csv"))]
    names = pd.concat(tables).set_index("SNOMED CT Code")["Dx"].str.casefold()
    words = {"RBBB": "right bundle branch block", "AF": "atrial fibrillation", "AVB1": "1st degree av block",
             "LVH": "left ventricular hypertrophy", "AMI": "anterior myocardial infarction", "LAFB": "left anterior fascicular",
             "PVC": "ventricular", "LBBB": "left bundle branch block"}  # fmt: skip
    for factor, word in words.items():
        listed = [code for code in factors.SNOMED_CODES[factor] if code in names]
        assert listed and all(word in names[code] for code in listed), factor


@pytest.mark.real
def test_the_real_chapman_and_ludb_folders_are_read(real_data):
    chapman = open_database(real_data / "chapman-ningbo")
    assert (len(chapman), chapman.fs_available) == (86, (500,))
    table = chapman.factors()
    assert (table["AF"].sum(), table["RBBB"].sum(), table["RBBB"].isna().sum(), table["LBBB"].isna().all()) == (2, 1, 2, True)
    assert table["RBBB_any"].sum() == 3
    assert table["age_years"].notna().all() and table["sex_female"].notna().all()
    ludb = open_database(real_data / "ludb-dev")
    table = ludb.factors()
    assert (len(ludb), table["AF"].sum(), table["LBBB"].sum(), table["RBBB"].sum()) == (100, 9, 4, 2)
    assert table["RBBB_any"].sum() == 22
    for db in (chapman, ludb):
        ecgs = db.read()
        assert ecgs.signals.shape == (len(db), 12, 1000)
        assert np.isfinite(ecgs.signals).all()


@pytest.mark.real
def test_500_hz_records_brought_to_100_hz_agree_with_the_files_at_100_hz(real_data, tmp_path):
    (tmp_path / "ptbxl_database.csv").symlink_to(real_data / "ptbxl" / "ptbxl_database.csv")
    (tmp_path / "records500").symlink_to(real_data / "ptbxl" / "records500", target_is_directory=True)
    with pytest.warns(UserWarning, match=r"1824 x row of ptbxl_database\.csv without a file"):
        high_only = open_database(tmp_path)
    assert high_only.fs_available == (500,)
    resampled = high_only.read(fs=100, errors="skip")
    stored = open_database(real_data / "ptbxl").read(resampled.ids)

    def difference(lag):
        moved = np.roll(resampled.signals, lag, axis=-1)[..., 5:-5]
        return np.median(np.std(moved - stored.signals[..., 5:-5], axis=-1) / np.std(stored.signals, axis=-1))

    # Both were low-passed by other filters, so that QRS complexes differ a little; a delay would show far more.
    assert difference(0) < 0.15
    assert difference(0) < 0.5 * min(difference(-1), difference(1))


@pytest.mark.real
def test_opening_two_thousand_records_takes_well_under_a_second(real_data):
    open_database(real_data / "ptbxl")
    start = time.process_time()
    open_database(real_data / "ptbxl")
    assert time.process_time() - start < 1


def test_folders_are_scanned_with_sizes_and_times(ptbxl):
    files = layouts.files_below(ptbxl)
    assert files["records100/00000/00001_lr.dat"][0] == 24000
    assert len(files) == 15
