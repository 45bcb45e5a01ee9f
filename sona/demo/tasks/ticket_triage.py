"""Task `ticket-triage`: a support ticket to its category and priority."""

from random import Random

from sona.demo.phrases import lines, table
from sona.demo.tasks.common import Example, Task, lower_first, pick
from sona.demo.words import Split, Words

_CATEGORIES = table(r"""
billing
- I was charged twice for the {item}. | My invoice shows the wrong amount.
- I want a refund for order {n}. | The payment of {n} dollars failed.
- Why was my credit card charged {n} dollars? | Please cancel my subscription and refund the money.
- The bill for {month} is too high. | I need an invoice for order {n}.
- My card was declined when I tried to pay. | There is an unknown charge on my credit card.
- You billed me for the {item} that I never bought. | I paid {n} dollars but the payment is not shown.
- The discount is missing on my invoice. | How do I change my payment method?
- I still wait for my refund. | The price on the bill is wrong. | My subscription was billed twice.
? I was charged {n} dollars twice. | The invoice for the {item} is wrong.
? When do I get my refund for the {item}? | The payment for my subscription failed.

account
- I can't log in to my account. | I forgot my password. | My account is locked.
- How do I change my email address? | The password reset link does not work. | Please delete my account.
- I want to change my user name to {name}. | I do not get the login code. | My login fails every time.
- Two-factor login does not accept my code. | Someone changed the password of my account.
- Please unlock the account of {name}. | I can't sign in since {month}. | My profile shows the wrong name.
- I need to reset my password. | The sign in page does not accept my password.
? My password is not accepted. | Please unlock my account. | I can't log in with my password.
? The account of {name} is locked.

bug
- The app crashes when I open the {item} page. | I get error {n} when I save.
- The page stays blank after the update. | The button does nothing when I click it.
- The export to PDF fails with an error. | The app freezes on my phone.
- The search returns wrong results. | Since the update the app is very slow.
- There is a bug in the {item} screen. | The screen flickers when I scroll. | The website shows error {n}.
- Uploading a file crashes the app. | The report page does not load. | The app closes by itself.
- An error message appears when I click on {item}. | The {item} page is broken.
- The server is down and nothing works. | The website is down.
? The app crashes with error {n}. | The {item} page does not load.
? Since the update the page stays blank. | The website freezes when I click the button.

shipping
- My package has not arrived. | Where is my order {n}? | The {item} was damaged during shipping.
- The delivery to {city} is late. | I got the wrong {item} in my parcel.
- The tracking number does not work. | Can you send order {n} to a new address in {city}?
- The courier did not deliver the {item}. | My parcel is lost. | When will the {item} be delivered?
- The box arrived empty. | The tracking says the package is still in {city}.
- The delivery was left at the wrong door. | Order {n} was shipped to the wrong address.
- I still wait for the delivery of my {item}. | The {item} arrived broken.
? My parcel to {city} has not arrived. | Where is the package with my {item}?
? The delivery of order {n} is late. | The tracking of my parcel says it is lost.

feature
- Please add a dark mode. | It would be great to export data to {item}.
- I wish the app had a {item} view. | Could you add support for {item}?
- A calendar for the {item} would be useful. | Can you add a filter for {item}?
- It would be nice to have a mobile app. | I suggest a shortcut for the {item} page.
- Feature request: sort by {item}. | Please support more languages.
- I would love an option to hide the {item}. | My idea: add a {item} widget.
- Would it be possible to add {item} reports? | I would like to have a {item} button.
- Please consider adding a {item} export.
? It would be useful to have a {item} filter. | Feature request: add a {item} view.
? Please add an option for {item}. | I suggest to add a {item} export.
""")
_PRIORITIES = table(r"""
high
- This is urgent! | Please fix this immediately. | I need help right now. | This is critical for us.
- ASAP please. | We can't work at all! | It is an emergency. | Please answer as soon as possible.
- All our users are affected. | Urgent. | We lose money every minute. | I need this today.
- Everything has stopped. | It blocks our whole team.
? This is very urgent. | Please help immediately! | It is critical, all users are affected.
? I need an answer ASAP.

low
- No rush. | It is not urgent. | Whenever you have time. | Just a small thing. | Take your time.
- It can wait. | Only a minor issue. | There is no hurry. | Low priority. | Just wondering.
- Not important, just so you know. | Some day would be fine.
? No hurry, take your time. | It is only a small thing. | This is not urgent at all.
? It can wait, no rush.

medium
-  |  |  | Thanks. | Please help. | Can you check? | Please let me know. | Thank you, {name}
- What should I do? | Regards, {name}
? Please check. | Thanks, {name}
""")
_FRAMES = lines(r"""
{t}
Triage this ticket: {t}
Ticket: {t}
Classify this support ticket: {t}
Support ticket from {name}: {t}
{t}\nCategory and priority?
What category and priority is this? {t}
Triage: {t}
Customer message: {t} Give category and priority.
Please triage: {t}
Classify: {t}
Please classify this ticket: {t}
Ticket #{n}: {t}
A customer writes: {t} Which category and priority?
Triage the ticket "{t}"
Assign a category and a priority to this ticket: {t}
{name} writes: {t}
Hello, {t}
Hi team, {t}
Triage this support request: {t}
Set category and priority: {t}
New ticket: {t}
""")
_FRAMES_HELD_OUT = lines(r"""
Can you triage this ticket? {t}
Please set category and priority for this ticket: {t}
Hi, {t}
Support request: {t} Category and priority?
Categorize this ticket: {t}
{name} says: {t} Triage this ticket.
""")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "October", "December")


def generate(rng: Random, split: Split) -> Example:
    """Make one ticket and its category and priority."""
    words = Words(rng, split)
    category, train, held_out = rng.choice(_CATEGORIES)
    priority, cues, cues_held_out = rng.choice(_PRIORITIES)
    values = {
        "item": words.item(),
        "n": str(words.number()),
        "name": words.first_name(),
        "city": words.city(),
        "month": rng.choice(_MONTHS),
    }
    body = pick(rng, split, train, held_out)
    if "{" not in body and split is Split.HELD_OUT:
        body = rng.choice(held_out)
    body = body.format(**values)
    cue = pick(rng, split, cues, cues_held_out).format(**values)
    ticket = f"{body} {cue}" if rng.random() < 0.8 else f"{cue} {body}"
    ticket = ticket.strip()
    if rng.random() < 0.15:
        ticket = ticket.rstrip(".")
    if rng.random() < 0.15:
        ticket = ticket.lower() if rng.random() < 0.5 else lower_first(ticket)
    prompt = pick(rng, split, _FRAMES, _FRAMES_HELD_OUT).format(t=ticket, name=words.first_name(), n=words.number())
    return Example(prompt, f"category: {category}, priority: {priority}")


TASK = Task(
    name="ticket-triage",
    title="Support ticket triage",
    description=(
        "Sorts a customer support ticket into a category (billing, account, bug, shipping, feature) "
        "and a priority (low, medium, high)."
    ),
    keywords=(
        "support ticket",
        "triage",
        "category",
        "priority",
        "customer",
        "classify",
        "helpdesk",
        "complaint",
        "refund",
    ),
    negative_examples=(
        "What is customer support?",
        "Buy me a ticket to the cinema.",
        "Write a poem about patience.",
    ),
    generate=generate,
    seed=15,
    steps=300,
)
