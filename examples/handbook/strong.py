"""Prints the figures that strong.sh left in a folder, beside the published ones."""

import json
import pathlib
import sys

JUDGED = ("strong", "2018-08-15", "2018-08-22", "2018-08-29")
METRICS = ("auc", "average_precision", "precision_at_k")

# Of the test week: the handbook's chapter on the baseline system, with the libraries' default parameters.
WEEK = {
    "logistic regression": (0.871, 0.606, 0.291),
    "random forest": (0.867, 0.658, 0.287),
    "XGBoost": (0.862, 0.639, 0.273),
}

# Means over the test week and the three after it: the chapters on model selection, imbalance, deep learning.
WEEKS = {
    "XGBoost, tuned": (0.869, 0.687, 0.303),
    "XGBoost, the best on these weeks": (0.872, 0.694, 0.304),
    "neural network, tuned": (0.876, 0.675, 0.303),
    "balanced bagging, tuned": (0.879, 0.680, 0.305),
}


def line(name, figures):
    print(f"{name:<44} {figures[0]:>7.3f} {figures[1]:>18.3f} {figures[2]:>14.3f}")


def main(folder):
    answers = [json.loads((pathlib.Path(folder) / f"{name}.json").read_text()) for name in JUDGED]
    figures = [[answer["metrics"][name] for name in METRICS] for answer in answers]
    print(f"{'':<44} {'AUC ROC':>7} {'average precision':>18} {'precision@100':>14}")
    line("second plan, the test week", figures[0])
    for name, published in WEEK.items():
        line(f"published: {name}", published)
    print()
    for later, week in enumerate(figures[1:], 1):
        line(f"second plan, {later} week{'s' * (later > 1)} later", week)
    line("second plan, mean of the four weeks", [sum(column) / len(figures) for column in zip(*figures)])
    for name, published in WEEKS.items():
        line(f"published: {name}", published)


if __name__ == "__main__":
    main(sys.argv[1])
