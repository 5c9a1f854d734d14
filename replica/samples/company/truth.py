"""What holds in the sample company: the parameters that its rows are drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import numpy as np

from replica.samples.company.facts import DEPARTMENTS

TODAY = date(2025, 6, 30)
"""The day on which the sample was taken. It is fixed, so that the sample does not change with the calendar."""


@dataclass(frozen=True, slots=True)
class CompanyTruth:
    """The dependences that the sample company is built with.

    Salaries: ``log(amount) = intercept + per_grade * grade + per_year * years since hire + effect of the department +
    effect of the country + noise of the employee``, in the currency that is paid; each step from one period to the
    next is multiplied by a factor drawn from ``raise_spread``, and is above zero. Ratings: ``round(mean + employee's
    level + reviewer's leniency + noise)`` within 1 to 5.

    Attributes:
        today: the day the sample was taken; nothing but a planned project lies after it.
        log_salary_intercept: of the logarithm of a salary.
        log_salary_per_grade: what a grade adds to it.
        log_salary_per_year: what a year since hire adds to it.
        log_salary_noise_sd: spread between employees who are otherwise the same.
        department_effect: what each department adds to it.
        country_effect: what each country adds to it, in its own currency.
        raise_spread: lowest and highest factor on the yearly step.
        country_share: share of each country in the departments that ``country_share_of`` does not name.
        country_share_of: share of each country in the departments that lean to some.
        women_share: share of women by job family.
        part_time_share: share of part-time work by sex, among those without a team.
        contractor_share: share of contractors among those without a team; they have no salary, review or absence.
        contractor_domain: e-mail domain of contractors.
        employee_domain: e-mail domain of all others.
        full_hours: hours per week of full-time work by country.
        leaving_per_year: chance to leave, per year, by employment.
        first_of_month_share: share of hires on the first of a month, at least.
        absent_since: first day of the records of absences.
        absences_per_year: mean of an employee's own rate.
        absence_rate_shape: shape of the gamma distribution of the own rates.
        never_absent_share: share of employees whose rate is zero.
        absence_season: weight of each month by type; the types not named have none.
        review_years: first and last year with reviews.
        review_skipped_share: share of due reviews that were not held.
        rating_mean: mean of the rating before rounding.
        rating_employee_sd: spread of the levels of employees.
        rating_reviewer_sd: spread of the leniencies of reviewers.
        rating_noise_sd: what is left.
        comment_first_name_share: share of the comments that hold the employee's first name.
        skill_own_family_odds: weight of a skill of the own job family; a general one has 3, any other 1.
        skill_level_per_year: what a year of use adds to the level.
        own_department_share: share of a project's assignments with people of its department.
        audit_since: first day of the audit log.
        audit_weekday_share: share of sessions on Monday to Friday.
        audit_hours: local hours that nearly all sessions begin in.
    """

    today: date
    log_salary_intercept: float
    log_salary_per_grade: float
    log_salary_per_year: float
    log_salary_noise_sd: float
    department_effect: Mapping[str, float]
    country_effect: Mapping[str, float]
    raise_spread: tuple[float, float]
    country_share: Mapping[str, float]
    country_share_of: Mapping[str, Mapping[str, float]]
    women_share: Mapping[str, float]
    part_time_share: Mapping[str, float]
    contractor_share: float
    contractor_domain: str
    employee_domain: str
    full_hours: Mapping[str, float]
    leaving_per_year: Mapping[str, float]
    first_of_month_share: float
    absent_since: date
    absences_per_year: float
    absence_rate_shape: float
    never_absent_share: float
    absence_season: Mapping[str, tuple[float, ...]]
    review_years: tuple[int, int]
    review_skipped_share: float
    rating_mean: float
    rating_employee_sd: float
    rating_reviewer_sd: float
    rating_noise_sd: float
    comment_first_name_share: float
    skill_own_family_odds: float
    skill_level_per_year: float
    own_department_share: float
    audit_since: date
    audit_weekday_share: float
    audit_hours: tuple[int, int]


TRUTH = CompanyTruth(
    today=TODAY,
    log_salary_intercept=9.9,
    log_salary_per_grade=0.2,
    log_salary_per_year=0.025,
    log_salary_noise_sd=0.05,
    department_effect=MappingProxyType({each.name: each.effect for each in DEPARTMENTS}),
    country_effect=MappingProxyType({"DE": 0.0, "FR": -0.08, "GB": 0.05, "ES": -0.25, "NL": 0.1}),
    raise_spread=(0.5, 1.5),
    country_share=MappingProxyType({"DE": 0.42, "FR": 0.18, "GB": 0.16, "ES": 0.13, "NL": 0.11}),
    country_share_of=MappingProxyType(
        {
            "Sales Central Europe": MappingProxyType({"DE": 0.9, "FR": 0.0, "GB": 0.0, "ES": 0.0, "NL": 0.1}),
            "Sales Western Europe": MappingProxyType({"DE": 0.0, "FR": 0.4, "GB": 0.3, "ES": 0.3, "NL": 0.0}),
            "First Line Support": MappingProxyType({"DE": 0.2, "FR": 0.1, "GB": 0.1, "ES": 0.5, "NL": 0.1}),
        }
    ),
    women_share=MappingProxyType(
        {
            "management": 0.4,
            "engineering": 0.25,
            "product": 0.5,
            "sales": 0.42,
            "marketing": 0.66,
            "support": 0.55,
            "finance": 0.58,
            "people": 0.78,
            "operations": 0.2,
            "legal": 0.55,
        }
    ),
    part_time_share=MappingProxyType({"f": 0.3, "m": 0.08, "x": 0.15}),
    contractor_share=0.09,
    contractor_domain="partner.example.org",
    employee_domain="example.com",
    full_hours=MappingProxyType({"DE": 40.0, "FR": 35.0, "GB": 37.5, "ES": 40.0, "NL": 38.0}),
    leaving_per_year=MappingProxyType({"full_time": 0.05, "part_time": 0.05, "contractor": 0.25}),
    first_of_month_share=0.65,
    absent_since=date(2021, 1, 1),
    absences_per_year=3.8,
    absence_rate_shape=1.8,
    never_absent_share=0.05,
    absence_season=MappingProxyType(
        {
            "vacation": (0.4, 0.5, 0.6, 1.0, 1.1, 1.4, 3.4, 3.2, 1.2, 1.0, 0.4, 1.5),
            "sick": (3.0, 2.8, 1.6, 1.0, 0.7, 0.5, 0.45, 0.45, 0.7, 1.1, 1.3, 1.5),
            "child_sick": (3.0, 2.8, 1.6, 1.0, 0.7, 0.5, 0.45, 0.45, 0.7, 1.1, 1.3, 1.5),
        }
    ),
    review_years=(2017, 2024),
    review_skipped_share=0.04,
    rating_mean=3.4,
    rating_employee_sd=0.65,
    rating_reviewer_sd=0.55,
    rating_noise_sd=0.4,
    comment_first_name_share=0.35,
    skill_own_family_odds=30.0,
    skill_level_per_year=0.3,
    own_department_share=0.82,
    audit_since=date(2024, 7, 1),
    audit_weekday_share=0.97,
    audit_hours=(7, 19),
)
"""The one truth of the sample."""


def salary_band(grade: int) -> tuple[float, float]:
    """Returns the lowest and the highest salary of a grade, in euro, to the next 500."""
    middle = float(np.exp(TRUTH.log_salary_intercept + TRUTH.log_salary_per_grade * grade))
    return round(0.8 * middle / 500) * 500.0, round(1.5 * middle / 500) * 500.0
