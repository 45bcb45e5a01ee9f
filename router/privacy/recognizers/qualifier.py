"""Words that make a name near them sensitive: health, dismissal, debt, crime. Nothing is reported for them alone."""

from __future__ import annotations

from presidio_analyzer import Pattern

from router.privacy.recognizers._checked import Checked
from router.privacy.severity import QUALIFIER

EXAMPLES = (
    ("My neighbour Joanna Miller has been diagnosed with bipolar disorder", "Joanna Miller"),
    ("Our employee Wojciech Zieliński was fired for theft", "Wojciech Zieliński"),
    ("nobody was fired, said the diagnosis", None),
)

WORDS = (
    r"diagnos(?:ed|is|ed with)|diagnose|diagnostiziert|diagnóstico|диагноз|prognosis|hiv|aids|chemotherapy|oncology|bipolar|schizophreni\w+|psychiatr\w+"
    r"|шизофрени\w+|miscarriage|abortion|rehab|overdose|suicidal|biopsy|dialysis|medications?|prescribed|admitted to (?:the )?hospital"
    r"|discharged from|blood pressure|lab results?|test results?|medical (?:history|record|leave|condition)s?|sick leave|disability benefits?"
    r"|fired|dismissed|disciplinary|laid off|performance review|salary of|salary is|salary:|payslip|severance|reference for|termination letter"
    r"|owes|in debt|bankruptcy|overdue|unpaid|loan application|credit score|mortgage application|eviction|evicted"
    r"|arrested|convicted|witness|suspect|accused of|restraining order|custody of|divorce|parole|probation|asylum|deported"
    r"|lives (?:in|at|on)|home address|phone number|e-?mail address|date of birth|passport|social security|bank account|credit card"
    r"|(?:my|our) (?:patient|client|employee|colleague|neighbou?r|tenant|coworker|co-worker|customer|ex-wife|ex-husband|landlord)"
)


def build() -> list[Checked]:
    """Give the recognizer."""
    return [Checked(QUALIFIER, "qualifier", [Pattern("words", rf"\b(?:{WORDS})\b", 0.5)])]
