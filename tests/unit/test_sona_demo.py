"""SONA with the real encoder on the demo's tasks, and on prompts typed as strangers would type them."""

from __future__ import annotations

import pytest

from router.core.adapters import AdapterCard, AdapterInfo
from sona.demo.tasks import TASKS
from sona.demo.words import Split
from sona.embedder import load_embedder
from sona.selector import Selector

IN_SCOPE: dict[str, tuple[str, ...]] = {
    "iso-date": (
        "7th of july 1999 in iso pls",
        "whats 12 Feb 2021 as yyyy-mm-dd",
        "Can you turn this into an ISO 8601 date: Wednesday, January 5th, 2022?",
        "our wedding was on the 21st of September 2013, give me the iso date",
        "Reformat the date 04 Aug 1987 as YYYY-MM-DD",
        "March 3rd, 1975 -> ISO 8601",
        "iso format for christmas day, 25 december 2030",
        "The contract was signed on October 9, 2018. What is that in ISO notation?",
        "please standardise: Sunday 1 may 2005",
        "convert nov. 30 2044 to the international date format",
        "Normalise 2nd June 2011 to an ISO date string",
        "I need '17 April 1962' written as year-month-day",
    ),
    "json-record": (
        "make json out of this: Peter Novak, 44, Prague",
        "Extract the name, age and city as JSON: My name is Fatima, I'm 29 and I live in Cairo.",
        'can u give me json for "12 chairs at 80 dollars each"',
        "Turn the following into a JSON object with sender, recipient and amount. Liam paid Chloe 250 dollars.",
        "Return only json. Fields: person, day, room. Meeting with Dr. Sato on Friday in room 14",
        "to json: color is red, size is 12, brand is Acme",
        "I have a contact here: Marta Ruiz, marta@example.com, 555-4410. Put it into a json record please",
        "Parse this order as a json record: 3 lamps, 45 euros",
        "give me the rating and the product as json keys -- Olga gave the toaster 2 stars out of 5",
        "Structured data please (JSON): Tom is 31 years old and comes from Dublin.",
        "What would the JSON look like for this message? Anna sent 40 euros to Boris",
        "Convert these key value pairs to JSON: host=web01, port=8080, mode=fast",
    ),
    "shell-command": (
        "how do i see which files in /var/log are bigger than 50 megs",
        "bash command to delete the folder build and everything inside",
        "Count the lines in notes.txt",
        "what's the linux command for showing free disk space?",
        "zip up the directory photos into photos.tar.gz",
        "show me the last 20 lines of server.log in the terminal",
        "find every .py file under src",
        "I want to rename draft.md to final.md on the command line",
        "make run.sh executable",
        "grep for the word timeout in all files in /etc",
        "kill process 4312",
        "One-liner to replace foo with bar in config.ini, please",
    ),
    "sql-filter": (
        "sql: all customers from Berlin, table customers(id, name, city)",
        "I have a table orders with columns id, total, status. Give me the rows where total is more than 100.",
        "Write a SELECT statement: employees older than 40 whose department is sales",
        "Table books (title, author, year). how many books are newer than 2010? need the sql",
        "query for products where price is between 10 and 20, sorted by price descending",
        "Show name and email from users where country is France or Spain. Schema: users(name, email, country)",
        "Given the table flights(origin, destination, delay), list every flight whose delay is greater than 30",
        "select everything from invoices that are unpaid and over 500 dollars pls, columns: amount, status, due",
        "SQL to count rows in logins where user is 'anna'",
        "get all rows of the table sensors with temperature below 5 and location starting with 'roof'",
        "Which where clause do I need for students with grade above 90? table students(name, grade)",
        "write sql that returns title of movies with rating >= 8",
    ),
    "ticket-triage": (
        "Which category and priority does this support ticket have? The app crashes every time I open it, we can't work!",
        "triage this: I was billed twice for March",
        "Customer says: my package hasn't arrived, it's been two weeks. Classify it please.",
        "please sort this ticket - user can't log in after the password reset, urgent!!",
        "Ticket: It would be great if you could add dark mode. No rush. -> category and priority?",
        'what priority should this get? "The export button does nothing since the last update"',
        "Assign a category (billing, account, bug, shipping, feature) to: Where is my refund of 20 dollars?",
        "helpdesk message, classify: how do I change the email address of my account",
        "Support request from a client: the parcel came damaged, I need a replacement asap",
        "Label this complaint with category and urgency: the page stays blank when I click save",
        "A customer wrote us that she can't update her credit card and is angry. Category? Priority?",
        "incoming ticket: please could you support exporting to PDF, whenever you have time",
    ),
}
OUT_OF_SCOPE: tuple[str, ...] = (
    "hey there, how are you doing",
    "what can you do?",
    "tell me something funny",
    "good night!",
    "Who was the first person on the moon?",
    "What's the capital of Peru?",
    "how far is the sun from the earth",
    "Which element has the symbol Fe?",
    "When did the second world war end?",
    "Who wrote Pride and Prejudice?",
    "Why do leaves turn red in autumn?",
    "Explain quantum entanglement to me like I'm five",
    "how does a car engine work",
    "What is 48 divided by 6?",
    "solve x^2 - 5x + 6 = 0",
    "If I have 3 apples and eat one, how many are left?",
    "what is the integral of 1/x",
    "A farmer has 17 sheep and all but 9 run away. How many are left?",
    "Write a poem about the ocean",
    "Compose a short song about friendship",
    "write me a story about a lost robot",
    "Give me five names for a dog",
    "Draft an email to my teacher saying I'm ill",
    "Write a birthday card for my dad",
    "Translate 'good morning' to German",
    "how do you say library in spanish?",
    "Translate this into French: The cat sleeps on the sofa.",
    "Übersetze ins Englische: Der Zug hat Verspätung",
    "Summarize the plot of Hamlet",
    "Summarise this text: Bees live in colonies. They collect nectar and make honey, which they store for winter.",
    "Write a python function that checks for palindromes",
    "implement binary search in Java",
    "What is a closure in JavaScript?",
    "fix this bug: for i in range(10) print(i)",
    "How do I read a CSV file in pandas?",
    "Explain what object-oriented programming is",
    "write a C++ class for a stack",
    "which is better, react or vue?",
    "Give me a recipe for banana bread",
    "what should I cook tonight, I have rice and tuna",
    "How do I get rid of ants in the kitchen?",
    "My knee hurts after running, what can I do?",
    "Plan a weekend in Barcelona",
    "Recommend a good thriller movie",
    "What are the rules of poker?",
    "is it ok to wear brown shoes with a black suit",
    "How do I ask someone out?",
    "I feel sad today",
    "What's the difference between a credit card and a debit card?",
    "How does compound interest work?",
    "give me tips for a job interview",
    "Who is the CEO of Microsoft?",
    "list three countries in South America",
    "What is the best time to visit Japan?",
    "Write an essay on climate change",
    "Pretend you are a pirate and greet me",
    "Is this sentence grammatically correct: She go to school every day.",
    "What rhymes with orange?",
    "thanks a lot!",
    "can you help me?",
    "What is JSON?",
    "What day is today?",
    "What does SQL stand for?",
    "Who created Linux?",
    "how old is python",
    "how many days until christmas",
    "What is a database?",
    "What is a good name for a table in a restaurant?",
    "Buy two tickets for the concert",
    "Why is customer support so important for companies?",
    "¿Qué tiempo hace hoy en Madrid?",
    "Raconte-moi une blague",
    "Wer hat das Telefon erfunden?",
    "今日の天気はどうですか",
    "Write a product review for a vacuum cleaner",
    "what happened on 11 November 1918?",
    "Who was born on July 4, 1872?",
    "paraphrase: The meeting was postponed because of the storm.",
    "Is this review positive? I loved the hotel, will come back!",
    "Write a regex for phone numbers",
)

LETTER = (
    "Hello team, I have been a customer for four years now. Last Tuesday I tried to open the reports page from my "
    "laptop, then from my phone and from a tablet. Every time the spinner kept turning for minutes and nothing came. "
    "We need the numbers for our board meeting on Friday. I restarted the browser and even installed the app again. "
)
ESSAY = (
    "The history of coffee goes back to the fifteenth century. From Yemen it spread to Cairo, Istanbul and Venice. "
    "Coffee houses became places of debate, trade and music, and a cup cost a penny. "
) * 3


@pytest.fixture(scope="module")
def selector(tmp_path_factory: pytest.TempPathFactory) -> Selector:
    cards = [
        AdapterInfo(
            name=task.name,
            version="1",
            state="ready",
            card=AdapterCard(
                description=task.description,
                keywords=task.keywords,
                examples=tuple(example.prompt for example in task.examples(Split.TRAIN, 12)),
                negative_examples=task.negative_examples,
            ),
        )
        for task in TASKS
    ]
    selector = Selector(load_embedder(tmp_path_factory.mktemp("encoder")))
    selector.update(cards)
    return selector


def picked(selector: Selector, prompt: str) -> str | None:
    adapter = selector.select(prompt).adapter
    return adapter.partition("@")[0] if adapter else None


def test_held_out_prompts_of_the_demo_go_to_their_adapter(selector: Selector) -> None:
    prompts = [(task.name, example.prompt) for task in TASKS for example in task.examples(Split.HELD_OUT, 60, seed=1)]
    right = sum(picked(selector, prompt) == name for name, prompt in prompts)
    assert right / len(prompts) >= 0.95


def test_prompts_in_strangers_words_go_to_their_adapter(selector: Selector) -> None:
    wrong = [p for name, prompts in IN_SCOPE.items() for p in prompts if picked(selector, p) != name]
    assert len(wrong) <= 3, wrong


def test_general_prompts_go_to_the_base_model(selector: Selector) -> None:
    wrong = [prompt for prompt in OUT_OF_SCOPE if picked(selector, prompt) is not None]
    assert len(wrong) <= 5, wrong


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (f"Classify this support ticket:\n\n{LETTER}", "ticket-triage"),
        (f"{LETTER}\n\nWhich category and priority?", "ticket-triage"),
        (f"Extract name and city as JSON from the text below.\n\nI am Anna from Oslo. {ESSAY}", "json-record"),
        (f"{ESSAY}\n\nWrite this date as YYYY-MM-DD: the shop opened on 3 May 1999", "iso-date"),
        (f"Translate the following text to Italian.\n\n{ESSAY}", None),
        (ESSAY, None),
    ],
)
def test_pasted_text_does_not_drown_the_instruction(selector: Selector, prompt: str, expected: str | None) -> None:
    assert picked(selector, prompt) == expected
