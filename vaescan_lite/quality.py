"""Faults of an ECG, found and said in words."""

import numpy as np
import pandas as pd


def look_at(ecgs, is_finite, beats, r_index, fs):
    """Columns of faults of a few ECGs."""
    return {"unfinished": (~is_finite).any(axis=1)}


def table_in_words(columns, leads):
    """Table."""
    usable = (columns["n_used"] > 0) & ~columns["unfinished"]
    return pd.DataFrame(
        {
            "usable": usable,
            "reason": np.where(usable, "", "no QRS complex found"),
            "n_beats": columns["n_beats"],
            "n_used": columns["n_used"],
            "n_ectopic": columns["n_ectopic"],
            "dominant_share": columns["dominant_share"],
            "noise_uV": 1000 * columns["noise"].mean(axis=1),
            "rr_s": columns["rr_s"],
            "rr_sd_s": columns["rr_sd_s"],
            "faults": "",
        }
    )


def unread(reasons):
    """Table rows of ECGs that could not be read."""
    table = pd.DataFrame({"usable": False, "reason": reasons, "faults": reasons})
    return table
