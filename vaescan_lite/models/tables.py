"""Models of tables, from the most to the least transparent, and the network beside them."""

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from ..training import TABLE_BUDGETS
from .cnn import EcgCNN

EBM = dict(
    interactions=0, learning_rate=0.1, max_bins=32, greedy_ratio=0, smoothing_rounds=20, early_stopping_rounds=20, n_jobs=1,
)  # fmt: skip
BOOSTING = dict(
    learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=10, l2_regularization=1.0, early_stopping=False,
)  # fmt: skip
STRENGTHS = [0.003, 0.03, 0.3]  # C of the logistic models; three folds inside the training set choose by AUROC


def standard_models(budget="workshop"):
    """Models of tables and beats by name, from the most to the least transparent, for a `budget`: smoke, workshop or full.

    Unfitted scikit-learn classifiers. They get standardised tables; a beat comes to them as its first principal components.
    `EcgCNN` gets signals as they are, and all tasks at once.
    """
    from .ebm import NumericEBM  # takes two seconds, which most imports do not need

    lengths, sparse = TABLE_BUDGETS[budget], LogisticRegression(l1_ratio=1, solver="liblinear", random_state=0)
    return {
        "logistic": GridSearchCV(LogisticRegression(max_iter=1000), {"C": STRENGTHS}, cv=3, scoring="roc_auc"),
        "sparse logistic": GridSearchCV(sparse, {"C": [0.01, 0.1, 1.0]}, cv=3, scoring="roc_auc"),
        "EBM": NumericEBM(**EBM, **lengths["EBM"], random_state=0),
        "boosting": HistGradientBoostingClassifier(**BOOSTING, **lengths["boosting"], random_state=0),
        "CNN": EcgCNN(budget=budget),
    }
