"""Replicates random schemas one after the other and says of each that fails what went wrong; no test, run by hand.

    python tests/survey_random_schemas.py URL [--seed 1] [--first 0] [--last 250]

URL is any database of a server where databases may be created. Examples of one seed are always the same, so that a
survey can be done in parts and a failure be looked at again with ``--show``. Failing examples are not made smaller.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from conftest import Server
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from random_rows import build
from random_schemas import RandomSchema, ddl, random_schemas, reference_ddl
from test_random_schemas import Pair, verify

from replica.databases.url import parse_url

EXAMPLES = 250


class Done(BaseException):
    """The last example that was wanted has been tried; no error, so that hypothesis lets it through."""


@dataclass
class Survey:
    """A survey on its way.

    Attributes:
        pair: where examples are built and replicated.
        first: how many examples are passed over.
        last: the last example.
        show: whether schemas that fail are printed.
        seen: how many examples have been drawn.
        outcomes: how many of them replicated, were refused rightly, or failed.
    """

    pair: Pair
    first: int
    last: int
    show: bool
    seen: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: {"replicated": 0, "refused": 0, "failed": 0})

    def take(self, schema: RandomSchema, scale: float, all_made: bool) -> None:
        """Tries the next example."""
        self.seen += 1
        if self.first < self.seen <= self.last:
            self.outcomes[self._outcome(schema, scale, all_made)] += 1
        if self.seen >= self.last:
            raise Done

    def _outcome(self, schema: RandomSchema, scale: float, all_made: bool) -> str:
        counts = build(self.pair.source, schema)
        try:
            enough = verify(self.pair.source, self.pair.target, schema, counts, scale, all_made)
        except Exception as error:  # whatever it is, the survey goes on
            print(f"{self.seen}: scale {scale}, all made: {all_made}: {type(error).__name__}: {error}", flush=True)
            if self.show:
                print(f"{ddl(schema)}\n{reference_ddl(schema)}\nrows: {counts}", flush=True)
            return "failed"
        return "replicated" if enough else "refused"


def main() -> None:
    """Surveys the examples that the command line names and prints how they came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    for option, default in (("--seed", 1), ("--first", 0), ("--last", EXAMPLES)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--show", action="store_true", help="print the schemas that fail")
    wanted = parser.parse_args()
    server = Server(parse_url(wanted.url), "survey")
    survey = Survey(Pair(server.create(), server.fresh()), wanted.first, min(wanted.last, EXAMPLES), wanted.show)
    draw = given(schema=random_schemas(), scale=st.sampled_from([1.0, 0.5, 2.0]), all_made=st.booleans())
    # The number of examples shapes them, so it is always the same.
    always = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(wanted.seed)(always(draw(survey.take)))()
    except Done:
        print(f"examples {survey.first + 1} to {survey.seen} of seed {wanted.seed}: {survey.outcomes}")
    finally:
        server.drop(survey.pair.source)
        server.drop(survey.pair.target)


if __name__ == "__main__":
    main()
