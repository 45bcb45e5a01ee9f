"""Words that make a name near them sensitive: health, dismissal, debt, crime. Nothing is reported for them alone."""

from __future__ import annotations

from presidio_analyzer import Pattern

from router.privacy.recognizers._checked import Checked
from router.privacy.severity import QUALIFIER, WEAK

EXAMPLES = (
    ("My neighbour Joanna Miller has been diagnosed with bipolar disorder", "Joanna Miller"),
    ("Our employee Wojciech Zieliński was fired for theft", "Wojciech Zieliński"),
    ("nobody was fired, said the diagnosis", None),
)

STRONG = (
    r"diagnos(?:ed|is|ed with)|diagnose|diagnostiziert|diagnóstico|диагноз|prognosis|hiv|chemotherapy|oncology|bipolar"
    r"|schizophreni\w+|psychiatr\w+|шизофрени\w+|miscarriage|overdose|biopsy|dialysis|medications?|prescribed"
    r"|admitted to (?:the )?hospital|blood pressure|lab results?|test results?|medical (?:history|record|leave|condition)s?"
    r"|sick leave|disability benefits?|disciplinary|laid off|performance review|salary (?:of|is)|salary:|payslip|severance"
    r"|reference for|termination letter|owes|in debt|overdue|loan application|credit score|mortgage application|evict(?:ed|ion)"
    r"|restraining order|home address|phone number|e-?mail address|date of birth|passport|social security|bank account"
    r"|credit card|(?:my|our) (?:patient|client|employee|colleague|neighbou?r|tenant|coworker|co-worker|customer|ex-wife"
    r"|ex-husband|landlord)"
)
WEAK_WORDS = (
    r"fired|dismissed|bankruptcy|unpaid|arrested|convicted|witness|suspect|accused of|custody of|divorced?|parole|probation"
    r"|asylum|deported|lives (?:in|at|on)|abortion|rehab|suicidal|discharged from|aids"
)


def build() -> list[Checked]:
    """Give the recognizer."""
    patterns = [Pattern("strong", rf"\b(?:{STRONG})\b", 0.8), Pattern("weak", rf"\b(?:{WEAK_WORDS})\b", WEAK)]
    return [Checked(QUALIFIER, "qualifier", patterns)]
