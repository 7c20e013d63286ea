#!/usr/bin/env python3
"""How long a model takes to load, and how much memory it keeps, by format: a 10 MB JSON of XGBoost, the
same model as UBJSON, LightGBM's text, and the published models where they are at hand. Prints what
bench_load does."""

import os
from pathlib import Path

from common import PEER_PYTHON, ROOT, machine, need, run, scratch

BENCH = ROOT / "build/release/bench_load"
PEER = ROOT / "bench/peer_forest.py"
MODELS = Path(os.environ.get("SHRIKE_DATA", ROOT.parent / "shared")) / "models"
# Trees, depth and features whose JSON has about 10 MB.
SIZE = (430, 8, 40)


def main():
    need(BENCH, PEER_PYTHON)
    with scratch() as folder:
        folder = Path(folder)
        rows = folder / "rows.f32"
        made = [folder / name for name in ("model.json", "model.ubj", "model.txt")]
        for path in made[:2]:
            run([PEER_PYTHON, PEER, "train", *SIZE, path, rows], 1)
        run([PEER_PYTHON, PEER, "lightgbm", rows, SIZE[2], made[2]], 1)
        print(machine())
        print(run([BENCH, *made, *sorted(MODELS.glob("*.json"))], 1).out, end="")


if __name__ == "__main__":
    main()
