"""The yearly reviews of the sample company: ratings that reviewers and employees both shape, and comments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from replica.samples.company.people import People
from replica.samples.company.tables import UNKNOWN, Flags, Ints, Table, dates, keys
from replica.samples.company.truth import TRUTH
from replica.seeds import stream

_SENTENCES = {
    "good": (
        "{who} delivered {quality} work on {topic}",
        "{who} took the lead on {topic} and kept everybody informed",
        "Colleagues praise the {trait} that {who} shows in {topic}",
        "With {trait}, {who} finished {topic} {lead} ahead of plan",
        "{topic_capital} improved a lot, thanks to {trait}",
        "{who} is ready for more responsibility in {topic}",
        "The results in {topic} were {quality}, {when} above all",
        "{who} trained two colleagues in {topic} {when}",
    ),
    "fair": (
        "{who} met the goals that were set for {topic}",
        "{who} works reliably, {when} somewhat slower than planned",
        "Work on {topic} was sound, with room for more {trait}",
        "{who} should take part in a course on {topic} {when}",
        "We agreed to look at {topic} again in {lead}",
        "{who} keeps {topic} running and asks for help in time",
        "{trait_capital} has grown since the last review, {topic} less so",
        "The goals for {topic} were reached {lead} late",
    ),
    "poor": (
        "{who} fell short of the goals for {topic}",
        "Several deadlines in {topic} were missed {when}",
        "{who} needs closer guidance with {topic}",
        "There were complaints about {topic} {when}",
        "{who} has to show more {trait} in {topic}",
        "We agreed on a plan for {topic} with a check after {lead}",
        "Mistakes in {topic} had to be mended by others",
        "{trait_capital} was missing, {when} in particular",
    ),
}
_TOPICS = (
    "the reporting routine",
    "customer requests",
    "the handover to new colleagues",
    "documentation",
    "the quarterly figures",
    "cost control",
    "the migration",
    "the supplier contracts",
    "the training plan",
    "quality checks",
    "the release schedule",
    "the audit preparation",
    "planning",
    "stock keeping",
    "the new ticket system",
    "stakeholder meetings",
    "the annual budget",
    "the data cleanup",
    "process descriptions",
    "the pilot project",
    "shift planning",
    "the trade fair",
    "onboarding",
    "the complaints backlog",
    "the price list",
    "the security review",
    "the survey",
    "the office move",
)
_TRAITS = (
    "patience",
    "care",
    "initiative",
    "a calm manner",
    "clear communication",
    "persistence",
    "team spirit",
    "attention to detail",
    "curiosity",
    "a sense of duty",
    "good judgement",
    "flexibility",
    "openness",
    "speed",
    "accuracy",
)
_WHEN = (
    "in spring",
    "in the second quarter",
    "over the summer",
    "in autumn",
    "towards the end of the year",
    "in the first half",
    "during the busy season",
    "after the reorganisation",
    "in the last months",
    "throughout the year",
)
_LEAD = ("two weeks", "three weeks", "a month", "six weeks", "two months", "a quarter", "half a year", "ten days")
_QUALITY = ("excellent", "very good", "outstanding", "convincing", "thorough", "remarkable", "strong", "impressive")
_TONES = {1: "poor", 2: "poor", 3: "fair", 4: "good", 5: "good"}


def reviews(seed: int, people: People) -> Table:
    """Draws the reviews of all who have a manager and were there for half of the year and at its review."""
    rng = stream(seed, "company", "review")
    owner, year, held = _due(rng, people)
    reviewer = people.manager[owner]
    level = rng.normal(0, TRUTH.rating_employee_sd, len(people))
    leniency = rng.normal(0, TRUTH.rating_reviewer_sd, len(people))
    noise = rng.normal(0, TRUTH.rating_noise_sd, len(owner))
    rating = np.clip(np.rint(TRUTH.rating_mean + level[owner] + leniency[reviewer] + noise), 1, 5).astype(np.int64)
    names = [people.first_name[position] for position in owner.tolist()]
    return Table(
        "hr.review",
        {
            "review_id": keys(len(owner)),
            "employee_id": (owner + 1).tolist(),
            "year": year.tolist(),
            "reviewer_id": (reviewer + 1).tolist(),
            "reviewed_on": dates(held),
            "rating": rating.tolist(),
            "comments": _comments(stream(seed, "company", "comments"), names, rating),
        },
    )


def _due(rng: np.random.Generator, people: People) -> tuple[Ints, Ints, Ints]:
    """Returns whose reviews were held, for which year and on which day, in the order of the days."""
    first, last = TRUTH.review_years
    years = np.arange(first, last + 1)
    middle = np.array([np.datetime64(f"{year}-07-01") for year in years]).astype(np.int64)
    january = np.array([np.datetime64(f"{year + 1}-01-10") for year in years]).astype(np.int64)
    held = january[None, :] + (rng.beta(2, 2.5, (len(people), len(years))) * 75).astype(np.int64)
    due: Flags = (people.hire[:, None] <= middle) & (people.last_day[:, None] >= held)
    due &= (people.on_payroll & (people.manager != UNKNOWN))[:, None]
    due &= rng.random(due.shape) >= TRUTH.review_skipped_share
    owner, place = np.nonzero(due)
    day = held[owner, place]
    # Nobody holds reviews on a weekend; 1970 began on a Thursday.
    day -= np.maximum((day + 3) % 7 - 4, 0)
    order = np.argsort(day, kind="stable")
    return owner[order], years[place][order], day[order]


def _comments(rng: np.random.Generator, names: Sequence[str], rating: Ints) -> list[str | None]:
    """Writes comments in the tone of the rating; a few reviews have none."""
    empty = (rng.random(len(names)) < 0.06).tolist()
    named = (rng.random(len(names)) < TRUTH.comment_first_name_share).tolist()
    length = rng.choice([1, 2, 3, 4], len(names), p=[0.25, 0.4, 0.25, 0.1]).tolist()
    draws = rng.random((len(names), 4, 6)).tolist()
    return [
        None if is_empty else _comment(draw[:count], _TONES[grade], name if is_named else None)
        for is_empty, is_named, count, draw, name, grade in zip(
            empty, named, length, draws, names, rating.tolist(), strict=True
        )
    ]


def _comment(draws: Sequence[Sequence[float]], tone: str, name: str | None) -> str:
    """Writes a sentence for each draw; the first one calls the employee by name if a name is given."""
    return " ".join(_sentence(draw, tone, name if n == 0 else None) for n, draw in enumerate(draws))


def _sentence(draw: Sequence[float], tone: str, name: str | None) -> str:
    forms: Sequence[str] = _SENTENCES[tone]
    if name:
        forms = [form for form in forms if "{who}" in form]
    topic, trait = _of(_TOPICS, draw[1]), _of(_TRAITS, draw[2])
    form = _of(forms, draw[0])
    who = name or ("the employee" if not form.startswith("{who}") else "The employee")
    return (
        form.format(
            who=who,
            topic=topic,
            topic_capital=topic[0].upper() + topic[1:],
            trait=trait,
            trait_capital=trait[0].upper() + trait[1:],
            when=_of(_WHEN, draw[3]),
            lead=_of(_LEAD, draw[4]),
            quality=_of(_QUALITY, draw[5]),
        )
        + "."
    )


def _of(options: Sequence[str], draw: float) -> str:
    return options[int(draw * len(options))]
