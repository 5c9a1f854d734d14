"""How often attacks catch a planted leak, and how often they cry wolf.

    python -m benchmarks.attacks --seeds 50 [--persons 2000] [NAME ...]

In each round a crowd is drawn, of whom a fifth is kept out of learning. A replica without a leak is another crowd of
the same population. In one with a leak, some of its persons are copies of those learned: of one in a hundred for the
exact copies, of one in five for the other attacks.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from benchmarks.crowd import PERSON, VISIT, Crowd, draw_crowd, ground_of
from replica.evaluation.attacks import ATTACKS, Attack
from replica.evaluation.attacks.base import AttackResult
from replica.evaluation.attacks.copies import PERSONS, ROWS, SHARE
from replica.evaluation.attacks.scene import Scene, open_scene
from replica.seeds import stream

CONTROL, LEAK = 0.2, 0.2
COPIES = (ROWS.name, PERSONS.name)

Results = defaultdict[tuple[str, str | None], list[AttackResult]]


def scene_of(persons: int, leak: float, seed: int, control: float = CONTROL) -> Scene:
    """Returns a crowd with a replica that copies a share of those learned."""
    rng = stream(seed, "attacks", persons)
    crowd = draw_crowd(persons, rng)
    held = rng.permutation(persons) < control * persons
    found = open_scene(ground_of(crowd, _replica(crowd, held, leak, rng), seed), _masks(crowd, held))
    assert found is not None
    return found


def _masks(crowd: Crowd, held: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.bool_]]:
    return {PERSON: held, VISIT: held[crowd.visitor]}


def _replica(crowd: Crowd, held: npt.NDArray[np.bool_], leak: float, rng: np.random.Generator) -> Crowd:
    copied = rng.permutation(np.flatnonzero(~held))[: round(leak * (~held).sum())]
    return draw_crowd(len(crowd) - len(copied), rng).beside(crowd.of(copied))


def share_of_leak(attack: Attack) -> float:
    """Returns the share of members that an attack must find given away."""
    return SHARE if attack.asks.name in COPIES else LEAK


def main() -> None:
    """Runs the attacks that the command line names, or all, and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--persons", type=int, default=2000)
    given = parser.parse_args()
    attacks = [ATTACKS[name] for name in given.names or ATTACKS]
    caught: Results = defaultdict(list)
    quiet: Results = defaultdict(list)
    for seed in range(given.seeds):
        for leak, found in ((SHARE, caught), (LEAK, caught), (0.0, quiet)):
            wanted = [attack for attack in attacks if leak in (0.0, share_of_leak(attack))]
            if wanted:
                scene = scene_of(given.persons, leak, seed)
                for result in (result for attack in wanted for result in attack.run(scene)):
                    found[result.name, result.table].append(result)
    print(f"{'attack':<40}   leak  caught  power  figure    quiet  passed  figure")
    for (name, table), results in caught.items():
        label, leak = f"{name} {table or ''}", SHARE if name in COPIES else LEAK
        print(f"{label:<40} {leak:>6.0%} {_figures(results, quiet[name, table])}", flush=True)


def _figures(caught: list[AttackResult], quiet: list[AttackResult]) -> str:
    failed, passed = (np.mean([one.verdict == "fail" for one in found]) for found in (caught, quiet))
    power, figures, others = (
        float(np.mean([np.nan if value is None else value for value in values]))
        for values in ([x.power for x in quiet], [x.figure for x in caught], [x.figure for x in quiet])
    )
    ok = np.mean([one.verdict == "pass" for one in quiet])
    return f"{failed:>7.0%} {power:>6.2f} {figures:>7.3f}   {1 - passed:>6.0%} {ok:>7.0%} {others:>7.3f}"


if __name__ == "__main__":
    main()
