"""One's own labels and split: what is read from the tables, what is left out and said, and what is refused with its place."""

import warnings

import numpy as np
import pandas as pd
import pytest

from vaescan_lite import open_database

from .test_database import ptbxl, signal_of, write_record  # noqa: F401 - ptbxl is a fixture

IDS = [f"JS{number:03d}" for number in range(1, 21)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty ECGs whose headers have age, sex and a diagnosis."""
    folder = tmp_path_factory.mktemp("clinic")
    for number, id_ in enumerate(IDS, start=1):
        comments = [f"#Age: {40 + number}", "#Sex: Female", "#Dx: 164889003"]
        write_record(folder / "g1" / id_, signal_of(number, 100), 100, comments=comments)
    return folder


def targets(**changes):
    table = {"id": IDS, "stroke": [0, 1] * 10, "potassium": np.linspace(3, 5.5, 20).round(2)}
    return pd.DataFrame(table | changes).astype(object)


def opened(folder, tmp_path, labels, split=None, **options):
    """Open with tables written to files; the database, and the text of its warnings."""
    paths = {}
    for name, table in (("labels", labels), ("split", split)):
        if table is not None:
            paths[name] = tmp_path / f"{name}.csv"
            data = table if isinstance(table, bytes) else table.to_csv(index=False, **options).encode()
            paths[name].write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        db = open_database(folder, **paths)
    return db, " ".join(str(warning.message) for warning in caught)


def test_targets_come_with_sex_and_age_of_the_headers_and_their_kind_by_their_values(folder, tmp_path):
    db, said = opened(folder, tmp_path, targets(stroke=[0, 1, None, 1] * 5))
    factors = db.factors()
    assert list(factors) == ["sex_female", "age_years", "stroke", "potassium"] and not said
    assert db.targets == ("stroke", "potassium") and db.continuous == ("age_years", "potassium")
    assert factors["stroke"].tolist()[:2] == [0, 1] and factors["stroke"].isna().sum() == 5
    assert factors.loc["JS020"].tolist() == [1, 60, 1, 5.5]
    assert db.factors(["AF", "potassium"])["AF"].eq(1).all()  # what headers say can still be asked for
    assert "labels.csv" in db.description and db.labels["potassium"].iloc[0] == 3


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("utf-8-sig", {}), ("utf-16", {"sep": "\t"}), ("cp1252", {"sep": ";", "decimal": ","}), ("utf-8", {"sep": ";"})],
)
def test_tables_of_spreadsheets_give_the_same_numbers(folder, tmp_path, encoding, options):
    table = targets().rename(columns={"potassium": "Kalium (ä)"})
    data = table.astype({"Kalium (ä)": float}).to_csv(index=False, **options).encode(encoding)
    db, _ = opened(folder, tmp_path, data)
    assert db.factors()["Kalium (ä)"].tolist() == table["Kalium (ä)"].tolist()


def test_ids_may_have_an_ending_or_a_path_and_stand_in_any_column(folder, tmp_path):
    db, said = opened(folder, tmp_path, targets(id=[f"clinic\\g1\\{id_}.hea" for id_ in IDS])[["stroke", "potassium", "id"]])
    assert len(db) == 20 and not said
    db, _ = opened(folder, tmp_path, targets().rename(columns={"id": "tracing"}))  # the first, whatever it is called
    assert db.targets == ("stroke", "potassium")


def test_sex_age_and_patient_of_the_table_replace_those_of_the_headers(folder, tmp_path):
    db, said = opened(folder, tmp_path, targets(Sex="M", age="71", patient_id=[i // 4 for i in range(20)]))
    assert db.factors().iloc[0].tolist() == [0, 71, 0, 3] and db.targets == ("stroke", "potassium") and not said
    assert (db.fold.to_numpy().reshape(5, 4) == db.fold.to_numpy()[::4, None]).all()
    _, said = opened(folder, tmp_path, targets(sex=1))
    assert "20 x sex that cannot be read (JS001: 1" in said


def test_what_has_no_partner_is_left_out_counted_and_named(folder, tmp_path):
    labels = targets(id=[*IDS[:-1], "JS999"], stroke=[None, *[0, 1] * 9, 0], potassium=[None, *range(19)])
    split = pd.DataFrame({"id": [*IDS[1:], "JS777"], "split": ["train"] * 15 + ["test"] * 4 + ["train"]})
    db, said = opened(folder, tmp_path, labels, split.iloc[1:])
    assert db.ids.tolist() == IDS[2:-1]
    for words in (
        "1 x ECG without a row in labels.csv, left out (JS020)",
        "1 x id in labels.csv that is no ECG of the folder (JS999 (line 21))",
        "1 x ECG without any value in labels.csv, kept with unknown targets (JS001)",
        "2 x ECG without a row in split.csv, left out (JS001, JS002)",
        "JS777 (line 20)",
    ):
        assert words in said, words


@pytest.mark.parametrize(
    ("values", "words"),
    [(0, "target without positives, .*stroke: 0 in all 20"), (1, "less than two values, .*1 in all"), (None, "stroke: empty")],
)
def test_targets_that_teach_nothing_are_named(folder, tmp_path, values, words):
    with pytest.warns(UserWarning, match=words):
        (tmp_path / "l.csv").write_text(targets(stroke=values).to_csv(index=False))
        open_database(folder, labels=tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (targets(id=["JS002", *IDS[1:]]), r"1 id\(s\) occur more than once: JS002 in lines 2, 3"),
        (targets(potassium=[4] * 6 + ["high"] + [5] * 13), "line 8, potassium: 'high' is no number"),
        (targets(potassium=[4] * 6 + ["inf"] + [5] * 13), "line 8, potassium: 'inf' is no number"),
        (targets(stroke=["yes", "no"] * 10), "line 2, stroke: 'yes' is no number"),
        (targets(stroke=[1, 2] * 10), "target stroke has no other values than 1 and 2"),
        (targets()[["stroke", "potassium"]], "column of ids, called id, .*such as JS001.* found stroke, potassium"),
        (targets(id=range(20)), "found id, stroke, potassium, with 0, 1, 2"),
        (targets()[["id"]], "no target; beside the ids"),
        (b"id,stroke\nJS001,1\nJS002\n", "line 3: 1 values, and the table has 2 columns"),
        (b"id,stroke\nJS001,1\nJS002,1,1\n", "line 3: 3 values"),
        (b'id,potassium\nJS001,"1,234"\n', "line 2, potassium: '1,234' is no number"),
        (b"id,stroke,stroke\nJS001,1,0\n", "a name of its own"),
        (b"", "is no table"),
        (b"PK\x03\x04\x00\x00", "is no table"),
    ],
)
def test_wrong_labels_are_refused_with_their_place(folder, tmp_path, labels, words):
    with pytest.raises(ValueError, match=rf"labels\.csv.*{words}"):
        opened(folder, tmp_path, labels)


def test_a_table_that_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such file.*none\.csv"):
        open_database(folder, labels=tmp_path / "none.csv")


def test_parts_become_folds_1_to_8_9_and_10(folder, tmp_path):
    words = ["train"] * 14 + ["Validation"] * 2 + ["test"] * 4
    db, _ = opened(folder, tmp_path, targets(), pd.DataFrame({"name": IDS, "part": words}))
    assert db.fold[:14].between(1, 8).all() and db.fold[:14].nunique() > 3
    assert db.fold[14:].tolist() == [9, 9, 10, 10, 10, 10]
    db, _ = opened(folder, tmp_path, targets(fold=[i % 10 + 1 for i in range(20)]))  # in the same table
    assert db.fold.tolist() == [i % 10 + 1 for i in range(20)] and "fold" not in db.targets
    db, _ = opened(folder, tmp_path, None, pd.DataFrame({"id": IDS, "split": words}))  # the folder's own labels
    assert db.fold[16:].eq(10).all() and "LBBB" in db.factors()


@pytest.mark.parametrize(("word", "words"), [("0", "line 3, split: '0'; a fold from 1 to 10"), ("holdout", "'holdout'")])
def test_a_part_that_is_none_is_refused(folder, tmp_path, word, words):
    with pytest.raises(ValueError, match=words):
        opened(folder, tmp_path, targets(), pd.DataFrame({"id": IDS, "split": ["1", word, *["2"] * 18]}))


def test_a_patient_in_several_parts_is_named_and_else_in_one_fold(folder, tmp_path):
    split = pd.DataFrame({"id": IDS, "split": ["train"] * 15 + ["test"] * 5})
    _, said = opened(folder, tmp_path, targets(patient_id=[i // 2 for i in range(20)]), split)
    assert "1 x patient in several parts of split.csv, which makes scores too good (7)" in said
    split["split"] = "train"
    db, said = opened(folder, tmp_path, targets(patient_id=[i // 2 for i in range(20)]), split)
    assert not said and (db.fold.to_numpy()[::2] == db.fold.to_numpy()[1::2]).all() and db.fold.max() <= 8


def test_tables_in_the_folder_are_taken_and_another_table_is_another_fingerprint(folder, tmp_path):
    write_record(tmp_path / "a" / "x1", signal_of(1, 100), 100)
    write_record(tmp_path / "a" / "x2", signal_of(2, 100), 100)
    (tmp_path / "a/labels.csv").write_text("id,stroke\nx1,0\nx2,1\n")
    db = open_database(tmp_path / "a")
    assert db.targets == ("stroke",) and "labels.csv" in db.description
    prints = {opened(folder, tmp_path, targets(potassium=range(k, k + 20)))[0].fingerprint for k in (3, 4)}
    assert len(prints) == 2


def test_the_layout_of_ptbxl_takes_them_too(ptbxl, tmp_path):  # noqa: F811
    table = pd.DataFrame({"ecg_id": [1, 2, 3, 4, 5, 77], "stroke": [0, 1, 0, 1, 0, 1], "strat_fold": [1, 2, 3, 9, 10, 1]})
    db, said = opened(ptbxl, tmp_path, table)
    assert "1 x id in labels.csv that is no ECG of the folder (77 (line 7))" in said
    assert db.ids.tolist() == [1, 2, 3, 4, 5] and db.fold.tolist() == [1, 2, 3, 9, 10]
    assert db.factors()["stroke"].tolist() == [0, 1, 0, 1, 0] and db.factors(["LBBB"])["LBBB"].sum() == 1
