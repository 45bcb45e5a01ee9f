"""Generic prompts that no adapter is made for, and ways to put them: what a prompt is like beside its subject."""

from __future__ import annotations

# Written for this project, for breadth: what people ask an assistant of any kind, in a few languages and moods.
_PROMPTS = """\
# small talk and assistant commands
hey, how's it going today?
good morning! did you sleep well?
thanks, that was really helpful
who are you and what can you do?
tell me a joke about cats
are you a robot or a real person?
set a timer for twelve minutes
wake me up at half past six tomorrow
turn off the lights in the living room
play something relaxing, maybe piano music
add oat milk and bananas to my shopping list
what's the weather going to be like in Oslo this weekend
remind me to call my sister on Sunday
how do you say thank you when you are embarrassed
I'm bored, entertain me
flip a coin for me
never mind, forget what I said
can you speak more slowly please
what time is it in Tokyo right now
book a table for four at an Italian place near me
# facts and trivia
What is the capital of Mongolia?
Who painted the ceiling of the Sistine Chapel?
How tall is Mount Kilimanjaro in metres?
Which planet has the most moons?
when did the Berlin wall come down
Who wrote the novel Moby-Dick?
What language do people speak in Suriname?
Which country won the football world cup in 1998?
how many bones does an adult human have
What does the Latin phrase carpe diem mean?
Name the three longest rivers of Africa.
Which actor played the lead in Casablanca?
What year was the first email sent?
who invented the telephone
What are the primary colours of light?
Which sea lies between Italy and Croatia?
what's the population of New Zealand
Write a friendly reply to this message from a client: Your last invoice was wrong again.
In Greek mythology, who stole fire from the gods?
# explanations
Explain how photosynthesis works to a ten-year-old.
Why is the sky blue and the sunset red?
How does a refrigerator keep things cold?
What is the difference between weather and climate?
Explain inflation in simple words
How do vaccines train the immune system?
why do cats purr
What causes the northern lights?
Can you explain what a blockchain is without jargon?
How do noise-cancelling headphones work?
What is the theory of relativity about?
Describe how a bill becomes a law in most democracies.
Why did the Roman Empire fall? Give me the main theories.
What is the point of a heat pump compared to a gas boiler?
# writing and creativity
Write a short poem about autumn rain.
Write a haiku about a train that is late
Compose a limerick about a lazy programmer
Tell me a bedtime story with a dragon that is afraid of the dark.
Write the opening paragraph of a detective novel set in Venice.
Give me ten name ideas for a small coffee shop.
Write a cover letter for a junior marketing position.
Draft a polite email to my landlord about the broken heating.
write a birthday message for my grandmother, she turns 80
Help me write a wedding toast for my best friend, about two minutes long.
Make this sound more professional: hey, can't come tomorrow, sorry
Fix the grammar in this sentence: he don't knows where is the station
Write a product description for a handmade leather wallet.
Continue the story: The door creaked open and nobody was there.
Come up with a slogan for a bicycle repair shop
Write a dialogue between the moon and the sea.
I need a catchy title for my blog post about sourdough bread.
Rewrite the following paragraph in a friendlier tone: Your application has been received and will be processed.
# texts to work on
Summarize this article in three sentences: The city council met on Tuesday to discuss the new tram line. Residents complained about the noise, while shop owners hoped for more visitors. A decision is expected in spring.
Translate the following sentence into Spanish: The meeting has been moved to Thursday.
translate to french: where can I buy a ticket for the museum?
How do I say "have a nice evening" in Japanese?
Is this review positive or negative? The soup was cold and the waiter ignored us.
Read the text and answer the question. Text: Anna moved to Lisbon in 2015 and opened a bakery. Question: Where is the bakery?
Proofread my essay about the industrial revolution and mark the mistakes.
Paraphrase this: The early bird catches the worm.
Extract the names of all people from this text: Yesterday Maria and Tom met Dr. Okafor at the station.
What is the tone of this message? "Fine. Do whatever you want."
Here is my diary entry. What do you think of it? Today I walked along the beach for two hours and thought about changing my job. I felt calm for the first time in weeks.
Turn these notes into a paragraph: budget approved, hiring freeze ends in May, new office in Leeds
Shorten this email to fifty words: Hello, I am writing because my order has not arrived and I would like to know where it is.
# programming
Write a Python function that reverses a linked list.
How do I center a div with CSS?
Explain the difference between a process and a thread.
Why does my JavaScript promise never resolve?
Write unit tests for a function that parses phone numbers.
What is a race condition, and how can I avoid one?
Refactor this class so that it uses dependency injection.
def f(x): return x*x  # what does this do?
Can you walk me through this query? SELECT id FROM users WHERE active = 1 ORDER BY id;
I get a segmentation fault in my C program, where do I start looking?
What's the best way to learn Rust when I know Java?
Write a regular expression that matches email addresses.
How can I speed up my slow Docker build?
What does the git rebase command do compared to merge?
design a database schema for a library
Explain what an index does in a database.
Write a React component that shows a list of todos
What is the time complexity of quicksort?
How do I install Python on a Mac?
Convert this Java code to Kotlin
Which text editor do you recommend for beginners?
How do I delete a branch in my repository?
Write an HTML page with a contact form
# mathematics and logic
What is 17 times 23?
Solve the equation 3x + 7 = 22 for x.
A train leaves at 9:40 and arrives at 13:15. How long does the ride take?
Prove that the square root of two is irrational.
Find the derivative of x squared times sin x
If a shirt costs 40 euros after a 20 percent discount, what was the price before?
What is the probability of rolling two sixes in a row?
Three friends share a pizza bill of 48 dollars and tip 15 percent. How much does each pay?
Compute the area of a circle with radius 5 cm
Is 221 a prime number?
I have two coins that add up to 30 cents and one of them is not a nickel. What are they?
How many ways can five people sit at a round table?
convert 72 degrees Fahrenheit to Celsius
How many days are there between 3 March and 18 August?
# food, health, home
Give me a recipe for vegetable lasagne for six people.
What can I cook with eggs, spinach and leftover rice?
how long do I boil a soft egg
I have a headache and a sore throat, what could it be?
How much water should I drink on a hot day?
Which exercises help against back pain from sitting?
Is it safe to take ibuprofen together with coffee?
How do I get a red wine stain out of a white carpet?
my basil plant keeps dying, what am I doing wrong
How do I unclog a kitchen sink?
What's a good beginner yoga routine for the morning?
How often should I water a cactus?
# travel and leisure
Plan a three-day trip to Lisbon for a family with two kids.
What should I pack for a week of hiking in Scotland?
Recommend me a science fiction book similar to Dune.
which films by Hitchcock should I watch first
What are the rules of chess for a complete beginner?
Suggest a board game for six adults who hate long rules
Do I need a visa to travel from India to Thailand?
What is the best time of year to see whales in Iceland?
How do I get from the airport to the city centre in Rome?
Can I bring a guitar on a plane as hand luggage?
# work, money, law
How do I ask my boss for a raise?
Prepare five interview questions for a product manager.
What is the difference between a stock and a bond?
How much of my salary should I save every month?
My neighbour plays loud music at night, what are my legal options?
What should be in a rental contract?
Make a pros and cons list for working from home.
Write an agenda for a one-hour kickoff meeting.
Explain supply and demand with the example of coffee
How do I cancel a gym membership?
What does a scrum master do all day?
how to write a good resume with no experience
What questions should I ask before buying a used car?
Where is my parcel? It should have arrived on Monday.
I forgot my password and can't log in to my account.
How do I start a small online shop?
# people and feelings
I had a fight with my best friend and don't know how to apologise.
I feel nervous before exams, what can I do?
How do I tell my parents that I want to change my studies?
My son refuses to eat vegetables. Any ideas?
what should I give my girlfriend for our anniversary
Is it normal to miss an ex after two years?
How can I make new friends in a new city?
give me one good reason to get out of bed today
# opinions, lists, games
Who would win, a bear or a shark?
What is the meaning of life?
Is a hot dog a sandwich?
List ten animals that live in the desert.
Give me a list of synonyms for "happy".
Let's play twenty questions, you start.
Make a quiz with five questions about space.
Which is better for a small flat, a cat or a dog?
apple, river, engine, violin, snow
Write a sentence with these words: lamp, garden, whistle, bread
asdf qwerty
ok
yes please, do that
Lorem ipsum dolor sit amet, consectetur adipiscing elit.
Can you help me with something?
# data and documents without a clear task
Who is older, Ada or Linus? [{"name": "Ada", "age": 36}, {"name": "Linus", "age": 21}]
The quick brown fox jumps over the lazy dog.
Dear team, please find attached the minutes of our last meeting. Best regards, Nora
What does this message mean? bash: ./start.sh: No such file or directory
2024-03-01 12:00:07 INFO server started on port 8080
According to the report, sales rose by four percent in the second quarter while costs stayed flat.
# other languages
Wie wird das Wetter morgen in Hamburg?
Schreib mir ein kurzes Gedicht über den Winter.
¿Cuál es la capital de Australia?
Cuéntame un chiste corto
Explique-moi la différence entre la météo et le climat.
Quelle heure est-il à Montréal ?
Come si prepara una buona carbonara?
Quem descobriu o caminho marítimo para a Índia?
Hoe laat gaat de trein naar Utrecht?
Расскажи мне интересный факт о космосе.
日本で一番高い山は何ですか。
请给我讲一个笑话。
"""

BACKGROUND: tuple[str, ...] = tuple(line for line in _PROMPTS.splitlines() if not line.startswith("# "))

FORMS: tuple[str, ...] = (
    "{}\nA. yes\nB. no\nC. both of them\nD. none of these",
    "Question: {}\nAnswer:",
    '## Task\n{}\n\n## Output\nReply as JSON: {{"answer": "..."}}',
    "Please answer truthfully.\n{}",
    "You are a helpful assistant. {} Think step by step.",
    "{}\n\nChoose the correct option:\n(1) the first\n(2) the second\n(3) I can't tell",
    "hi, quick question. {} thanks",
    "A friend asked me this: {} What should I say?",
    "Read carefully and give a short answer. {}",
    "### Instruction:\n{}\n\n### Response:",
    "{} Give the answer only.",
    "Here is a question from an exam. {} Select one answer and explain your choice.",
)
"""Ways to put a prompt that say nothing of what it is about."""

FORMED = BACKGROUND[::14]
"""Prompts that are put in all of these ways."""
