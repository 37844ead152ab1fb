"""Clinical factors: their names, and the codes that stand for them in each kind of database."""

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
DIAGNOSES = ("LBBB", "RBBB", "AF", "AVB1", "LVH", "IMI", "AMI", "LAFB", "PVC")
PERSON = ("sex_female", "age_years")
FACTOR_NAMES = (*PERSON, *DIAGNOSES, *SUPERCLASSES)

FACTOR_LABELS = {
    "sex_female": "Female sex",
    "age_years": "Age (years)",
    "LBBB": "Left bundle branch block",
    "RBBB": "Right bundle branch block",
    "AF": "Atrial fibrillation",
    "AVB1": "First-degree AV block",
    "LVH": "Left ventricular hypertrophy",
    "IMI": "Inferior infarction",
    "AMI": "Anterior infarction",
    "LAFB": "Left anterior fascicular block",
    "PVC": "Ventricular extrasystoles",
    "NORM": "Normal ECG",
    "MI": "Myocardial infarction (superclass)",
    "STTC": "ST-T change (superclass)",
    "CD": "Conduction disturbance (superclass)",
    "HYP": "Hypertrophy (superclass)",
}

# SCP-ECG statements of PTB-XL (scp_statements.csv). The superclasses are that file's `diagnostic_class`.
SCP_CODES = {
    "LBBB": ("CLBBB",),
    "RBBB": ("CRBBB",),
    "AF": ("AFIB",),
    "AVB1": ("1AVB",),
    "LVH": ("LVH",),
    "IMI": ("IMI",),
    "AMI": ("AMI",),
    "LAFB": ("LAFB",),
    "PVC": ("PVC",),
}

# A heart cannot show both of a pair: no P wave in atrial fibrillation, hence no PR interval; one QRS shape at a time.
CONTRADICTIONS = (("AF", "AVB1"), ("LBBB", "RBBB"), ("LBBB", "LAFB"))
