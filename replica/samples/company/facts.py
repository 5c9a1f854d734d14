"""The fixed facts of the sample company: its lookup tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import NamedTuple


class Country(NamedTuple):
    """A row of ``ref.country``."""

    code: str
    name: str
    currency: str
    dialling: str
    time_zone: str
    in_eu: bool


class Bank(NamedTuple):
    """A row of ``ref.bank``; all of them are made up."""

    bic: str
    name: str
    country: str
    code: str


class Office(NamedTuple):
    """A row of ``hr.office``, and its share of the employees of its country."""

    name: str
    street: str
    postcode: str
    city: str
    country: str
    opened: date
    share: float


class Department(NamedTuple):
    """A row of ``hr.department``.

    Attributes:
        name: its name.
        parent: the name of the department above it.
        family: the job family of its employees.
        weight: its size, relative to the others.
        effect: what it adds to the logarithm of a salary.
    """

    name: str
    parent: str | None
    family: str
    weight: float
    effect: float


class Title(NamedTuple):
    """A row of ``ref.title``, without the salary band."""

    name: str
    family: str
    grade: int


class AbsenceType(NamedTuple):
    """A row of ``ref.absence_type``, and its share of all absences."""

    code: str
    name: str
    is_paid: bool
    needs_approval: bool
    share: float


CURRENCIES = (("EUR", "Euro"), ("GBP", "Pound Sterling"), ("CHF", "Swiss Franc"), ("PLN", "Zloty"), ("DKK", "Krone"))

COUNTRIES = (
    Country("DE", "Germany", "EUR", "+49", "Europe/Berlin", True),
    Country("FR", "France", "EUR", "+33", "Europe/Paris", True),
    Country("GB", "United Kingdom", "GBP", "+44", "Europe/London", False),
    Country("ES", "Spain", "EUR", "+34", "Europe/Madrid", True),
    Country("NL", "Netherlands", "EUR", "+31", "Europe/Amsterdam", True),
    Country("AT", "Austria", "EUR", "+43", "Europe/Vienna", True),
    Country("BE", "Belgium", "EUR", "+32", "Europe/Brussels", True),
    Country("CH", "Switzerland", "CHF", "+41", "Europe/Zurich", False),
    Country("DK", "Denmark", "DKK", "+45", "Europe/Copenhagen", True),
    Country("IE", "Ireland", "EUR", "+353", "Europe/Dublin", True),
    Country("IT", "Italy", "EUR", "+39", "Europe/Rome", True),
    Country("PL", "Poland", "PLN", "+48", "Europe/Warsaw", True),
)

BANKS = (
    Bank("NDSBDEFFXXX", "Nordspree Bank", "DE", "37090010"),
    Bank("VBHMDEHHXXX", "Volksbank Hammerfeld", "DE", "20190077"),
    Bank("SPKADEMMXXX", "Sparkasse Auental", "DE", "70150555"),
    Bank("DIRKDEBBXXX", "Direktkontor", "DE", "10099030"),
    Bank("CRMRFRPPXXX", "Crédit Marin", "FR", "18829"),
    Bank("BQVLFRPPXXX", "Banque du Val", "FR", "30188"),
    Bank("CELYFR22XXX", "Caisse du Lyonnais", "FR", "13907"),
    Bank("ALBNGB2LXXX", "Albion Mutual", "GB", "ALBN"),
    Bank("HRWDGB22XXX", "Harwood Bank", "GB", "HRWD"),
    Bank("NTHMGB21XXX", "Northmoor Building Society", "GB", "NTHM"),
    Bank("BMERESMMXXX", "Banco Meridiano", "ES", "2193"),
    Bank("CCOSESBBXXX", "Caja de la Costa", "ES", "2177"),
    Bank("BTAJES2MXXX", "Banco del Tajo", "ES", "0267"),
    Bank("POLDNL2AXXX", "Polderbank", "NL", "POLD"),
    Bank("AMSTNL2RXXX", "Amstelbank", "NL", "AMST"),
)

OFFICES = (
    Office("Headquarters", "Lindenallee 41", "10435", "Berlin", "DE", date(2004, 1, 15), 0.5),
    Office("Hamburg Docks", "Speicherweg 7", "22093", "Hamburg", "DE", date(2009, 5, 1), 0.3),
    Office("Munich South", "Gartenstraße 112", "80371", "München", "DE", date(2013, 9, 1), 0.2),
    Office("Paris", "18 rue des Tilleuls", "75011", "Paris", "FR", date(2007, 3, 1), 0.7),
    Office("Lyon", "5 quai des Orfèvres", "69003", "Lyon", "FR", date(2015, 10, 1), 0.3),
    Office("London", "27 Chandler Row", "SE1 4DN", "London", "GB", date(2006, 6, 1), 0.65),
    Office("Manchester", "3 Weaver Street", "M4 7QT", "Manchester", "GB", date(2016, 2, 1), 0.35),
    Office("Madrid", "Calle del Olmo 60", "28014", "Madrid", "ES", date(2008, 4, 1), 0.6),
    Office("Barcelona", "Calle de la Marina 9", "08018", "Barcelona", "ES", date(2014, 11, 1), 0.4),
    Office("Amsterdam", "Molenstraat 88", "1012 KD", "Amsterdam", "NL", date(2006, 9, 1), 1.0),
)

CITIES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "DE": (
            ("Berlin", "104##"),
            ("Hamburg", "220##"),
            ("München", "803##"),
            ("Potsdam", "1446#"),
            ("Leipzig", "0410#"),
            ("Köln", "5066#"),
            ("Frankfurt am Main", "6031#"),
            ("Stuttgart", "7017#"),
            ("Bremen", "2819#"),
        ),
        "FR": (
            ("Paris", "7501#"),
            ("Lyon", "6900#"),
            ("Versailles", "7800#"),
            ("Lille", "5980#"),
            ("Nantes", "4400#"),
            ("Toulouse", "3140#"),
            ("Bordeaux", "3300#"),
        ),
        "GB": (
            ("London", "SE# #??"),
            ("Manchester", "M# #??"),
            ("Leeds", "LS# #??"),
            ("Bristol", "BS# #??"),
            ("Reading", "RG# #??"),
            ("Liverpool", "L# #??"),
        ),
        "ES": (
            ("Madrid", "280##"),
            ("Barcelona", "080##"),
            ("Valencia", "4600#"),
            ("Sevilla", "4101#"),
            ("Bilbao", "4800#"),
            ("Zaragoza", "5001#"),
        ),
        "NL": (
            ("Amsterdam", "10## ??"),
            ("Haarlem", "201# ??"),
            ("Utrecht", "351# ??"),
            ("Rotterdam", "301# ??"),
            ("Den Haag", "251# ??"),
            ("Eindhoven", "561# ??"),
        ),
    }
)
"""Cities with the pattern of their postcodes, which no two cities share: ``#`` is a digit, ``?`` a letter."""

DEPARTMENTS = (
    Department("Executive Office", None, "management", 0.5, 0.08),
    Department("Engineering", "Executive Office", "engineering", 1.0, 0.06),
    Department("Platform Engineering", "Engineering", "engineering", 13.0, 0.10),
    Department("Product Engineering", "Engineering", "engineering", 22.0, 0.07),
    Department("Data and Analytics", "Engineering", "engineering", 8.0, 0.12),
    Department("Quality Assurance", "Engineering", "engineering", 5.0, -0.03),
    Department("IT Services", "Engineering", "engineering", 5.0, -0.06),
    Department("Product", "Executive Office", "product", 3.0, 0.05),
    Department("Design", "Product", "product", 4.0, 0.0),
    Department("Sales", "Executive Office", "sales", 1.0, 0.05),
    Department("Sales Central Europe", "Sales", "sales", 9.0, 0.06),
    Department("Sales Western Europe", "Sales", "sales", 9.0, 0.03),
    Department("Key Accounts", "Sales", "sales", 3.0, 0.15),
    Department("Sales Operations", "Sales", "operations", 2.0, -0.04),
    Department("Marketing", "Executive Office", "marketing", 4.0, -0.02),
    Department("Events", "Marketing", "marketing", 1.5, -0.08),
    Department("Customer Care", "Executive Office", "support", 1.0, -0.05),
    Department("First Line Support", "Customer Care", "support", 18.0, -0.15),
    Department("Technical Support", "Customer Care", "support", 8.0, -0.04),
    Department("Customer Training", "Customer Care", "support", 2.0, -0.08),
    Department("Finance", "Executive Office", "finance", 1.0, 0.05),
    Department("Accounting", "Finance", "finance", 6.0, -0.03),
    Department("Controlling", "Finance", "finance", 3.0, 0.04),
    Department("Treasury", "Finance", "finance", 0.7, 0.10),
    Department("Payroll", "Finance", "finance", 2.0, -0.05),
    Department("People", "Executive Office", "people", 1.5, 0.0),
    Department("Recruiting", "People", "people", 3.0, -0.03),
    Department("Learning", "People", "people", 1.0, -0.06),
    Department("Operations", "Executive Office", "operations", 1.0, 0.0),
    Department("Logistics", "Operations", "operations", 11.0, -0.12),
    Department("Procurement", "Operations", "operations", 2.5, 0.02),
    Department("Facilities", "Operations", "operations", 3.0, -0.14),
    Department("Legal", "Executive Office", "legal", 1.5, 0.13),
    Department("Compliance", "Legal", "legal", 0.8, 0.08),
)
"""The department tree; parents stand before their children, and a department's key is its place here."""

# Each step is a grade and the title that goes with it.
_LADDERS = {
    "management": "4 Executive Assistant, 6 Chief of Staff, 8 Head of Department, 9 Vice President,"
    " 10 Managing Director",
    "engineering": "3 Junior Engineer, 4 Software Engineer, 5 Senior Engineer, 6 Staff Engineer, 7 Engineering Manager",
    "product": "3 Junior Designer, 4 Designer, 5 Product Manager, 6 Senior Product Manager, 7 Lead Product Manager",
    "sales": "2 Sales Assistant, 3 Sales Representative, 4 Account Executive, 5 Senior Account Executive,"
    " 6 Key Account Manager, 7 Sales Manager",
    "marketing": "2 Marketing Assistant, 3 Marketing Specialist, 4 Content Editor, 5 Campaign Manager,"
    " 6 Brand Manager, 7 Marketing Manager",
    "support": "1 Support Trainee, 2 Support Agent, 3 Senior Support Agent, 4 Support Specialist,"
    " 5 Support Engineer, 7 Support Manager",
    "finance": "2 Accounts Clerk, 3 Accountant, 4 Senior Accountant, 5 Financial Controller,"
    " 6 Senior Controller, 7 Finance Manager",
    "people": "2 HR Assistant, 3 HR Specialist, 4 Recruiter, 5 HR Business Partner, 7 HR Manager",
    "operations": "1 Warehouse Worker, 2 Logistics Clerk, 3 Dispatcher, 4 Operations Analyst, 5 Buyer,"
    " 7 Operations Manager",
    "legal": "3 Paralegal, 5 Legal Counsel, 6 Senior Counsel, 7 Lead Counsel",
}

TITLES = tuple(
    Title(name, family, int(grade))
    for family, ladder in _LADDERS.items()
    for grade, _, name in (step.partition(" ") for step in ladder.split(", "))
)
"""All job titles; a title's key is its place here."""

_SKILLS = {
    "engineering": "Python, Java, SQL, TypeScript, Kubernetes, Linux, Machine Learning, Test Automation,"
    " Network Security, Cloud Architecture",
    "product": "User Research, Prototyping, Roadmapping, Usability Testing, Interaction Design",
    "sales": "Negotiation, CRM, Forecasting, Tender Management, Cold Calling, Contract Closing",
    "marketing": "Copywriting, SEO, Campaign Planning, Brand Strategy, Social Media, Web Analytics",
    "support": "Ticketing, De-escalation, Product Knowledge, Phone Support, Knowledge Base Writing",
    "finance": "IFRS, Payroll Accounting, Cost Accounting, Tax Law, Cash Management, Budgeting",
    "people": "Interviewing, Labour Law, Coaching, Onboarding, Mediation",
    "operations": "Forklift Licence, Inventory Control, Route Planning, Purchasing, Lean Management",
    "legal": "Contract Law, Data Protection, Compliance Audits, Litigation",
    "management": "Strategy, Corporate Governance, Mergers and Acquisitions",
    "general": "Presentation, Project Management, Spreadsheets, Public Speaking, First Aid",
}

SKILLS = tuple((name, family) for family, names in _SKILLS.items() for name in names.split(", "))
"""Skills and the job family that needs them, or ``general``; a skill's key is its place here."""

ABSENCE_TYPES = (
    AbsenceType("vacation", "Vacation", True, True, 0.50),
    AbsenceType("sick", "Sick leave", True, False, 0.32),
    AbsenceType("child_sick", "Child is sick", True, False, 0.05),
    AbsenceType("training", "Training", True, True, 0.07),
    AbsenceType("bereavement", "Bereavement", True, False, 0.02),
    AbsenceType("parental", "Parental leave", False, True, 0.012),
    AbsenceType("unpaid", "Unpaid leave", False, True, 0.028),
)
