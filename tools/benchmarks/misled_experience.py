"""An experience that is wrong: each configuration has the trials of another one, on all tasks of the same one.

    python tools/benchmarks/misled_experience.py smollm2 runs/misled
    lightning-quicktune tune shop.jsonl --model smollm2 --experience runs/misled
    python tools/benchmarks/live.py --config tools/benchmarks/live_smollm2_cpu.yaml --data FOLDER \
        --experience runs/misled --output runs/live_misled --results runs/live_misled/results

What earlier tasks agree on is then agreed on by them still, and holds for no new one: what transfer costs at its worst.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import numpy as np

from lightning_quicktune.metadataset.folder import save
from lightning_quicktune.metadataset.table import MetaDataset
from lightning_quicktune.tuning.experience_folder import read_whole


def misled(table: MetaDataset, seed: int) -> MetaDataset:
    """The same tasks and curves, of other configurations; one that failed stays one that failed.

    Args:
        table: The meta-dataset.
        seed: Decides which configuration has the trials of which.
    """
    columns = ["config_id", *table.space.names]
    own = table.trials.drop_duplicates("config_id").set_index("config_id", drop=False)[columns]
    others = own.iloc[np.random.default_rng(seed).permutation(len(own))].set_index(own.index)
    trials = table.trials.copy()
    trials[columns] = others.loc[trials["config_id"], columns].to_numpy()
    trials = trials.astype(dict(table.trials.dtypes))
    return replace(table, trials=trials, meta={**table.meta, "origin": f"{table.meta['origin']}; shuffled"})


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experience", help="name or folder of the true one")
    parser.add_argument("output", help="folder of the wrong one")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = save(misled(read_whole(args.experience), args.seed), args.output)
    sys.stdout.write(f"{folder}: what it teaches is wrong\n")


if __name__ == "__main__":
    main()
