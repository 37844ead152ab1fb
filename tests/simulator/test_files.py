"""The files of a simulated database: PTB-XL's layout, readable by wfdb, whole or not there."""

import numpy as np
import pandas as pd
import pytest
import wfdb

from vaescan_lite.ecg import LEADS_12
from vaescan_lite.simulator import Population, draw_factors, files, simulate_with_truth, write_simulated_database


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return write_simulated_database(tmp_path_factory.mktemp("simulated") / "db", 60, seed=4, progress=False)


def test_records_read_by_wfdb_are_the_simulated_ecgs(database):
    labels = pd.read_csv(database / "ptbxl_database.csv", index_col="ecg_id")
    truth = pd.read_csv(database / "ground_truth.csv", index_col="ecg_id")
    factors = draw_factors(Population(), 60, 4)
    ecgs, expected = simulate_with_truth(factors, seed=4)
    for ecg_id in (1, 37, 60):
        record = wfdb.rdrecord(str(database / labels.loc[ecg_id, "filename_lr"]))
        assert record.fs == 100 and [name.lower() for name in record.sig_name] == [lead.lower() for lead in LEADS_12]
        np.testing.assert_allclose(record.p_signal.T, ecgs.signals[ecg_id - 1], atol=6e-4)
        digital = wfdb.rdrecord(str(database / labels.loc[ecg_id, "filename_lr"]), physical=False)
        assert digital.calc_checksum(expanded=False) == [checksum % 65536 for checksum in record.checksum]
        assert digital.init_value == digital.d_signal[0].tolist()
    np.testing.assert_allclose(truth["pr_ms"], expected["pr_ms"], atol=1e-3)
    np.testing.assert_allclose(truth["LVH"], factors["LVH"])


def test_label_table_has_ptbxls_columns_and_conventions(database):
    labels = pd.read_csv(database / "ptbxl_database.csv", index_col="ecg_id")
    truth = pd.read_csv(database / "ground_truth.csv", index_col="ecg_id")
    statements = pd.read_csv(database / "scp_statements.csv", index_col=0)
    codes = labels["scp_codes"].map(eval)
    assert {code for row in codes for code in row} <= set(statements.index)
    for name, code in (("AF", "AFIB"), ("LVH", "LVH"), ("STTC", "NDT"), ("PVC", "PVC"), ("NORM", "NORM")):
        np.testing.assert_array_equal(codes.map(lambda row, code=code: code in row), truth[name] > 0)
    for row in codes:
        for code, likelihood in row.items():
            assert likelihood == (100 if statements.loc[code, "diagnostic"] == 1 else 0)
    classes = statements["diagnostic_class"].dropna()
    for name in ("MI", "STTC", "CD", "HYP", "NORM"):
        from_codes = codes.map(lambda row, name=name: any(classes.get(code) == name for code in row))
        np.testing.assert_array_equal(from_codes, truth[name] > 0)
    assert set(labels["strat_fold"]) == set(range(1, 11))
    assert labels.loc[truth["age_years"] >= 90, "age"].eq(300).all()
    assert labels["sex"].isin([0, 1]).all() and labels["patient_id"].is_unique


def test_a_database_at_500_hz_lies_where_ptbxl_has_it(tmp_path):
    folder = write_simulated_database(tmp_path / "db", 3, fs=500, progress=False)
    assert wfdb.rdrecord(str(folder / "records500/00000/00003_hr")).p_signal.shape == (5000, 12)
    with pytest.raises(ValueError, match="fs=250"):
        write_simulated_database(tmp_path / "other", 3, fs=250)


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "database_table", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_simulated_database(tmp_path / "db", 5, progress=False)
    assert list(tmp_path.iterdir()) == []
