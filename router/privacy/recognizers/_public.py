"""Tells people in public life, in history and in stories from private ones: what is said of them is said everywhere."""

from __future__ import annotations

import re

FAMOUS = frozenset(
    name.strip().lower()
    for name in """
Abraham Lincoln|George Washington|Thomas Jefferson|Benjamin Franklin|Alexander Hamilton|James Madison|Andrew Jackson|Ulysses S. Grant|Theodore Roosevelt|Franklin D. Roosevelt|Franklin Roosevelt|Eleanor Roosevelt
Woodrow Wilson|Harry Truman|Dwight Eisenhower|John F. Kennedy|Robert Kennedy|Lyndon Johnson|Richard Nixon|Gerald Ford|Jimmy Carter|Ronald Reagan|George Bush|George W. Bush|Bill Clinton|Hillary Clinton|Barack Obama|Michelle Obama
Donald Trump|Joe Biden|Kamala Harris|Mike Pence|Bernie Sanders|Elizabeth Warren|John McCain|Mitt Romney|Nancy Pelosi|J.D. Vance|JD Vance|Ron DeSantis|Winston Churchill|Margaret Thatcher|Tony Blair|David Cameron|Theresa May|Boris Johnson
Rishi Sunak|Keir Starmer|Liz Truss|Queen Elizabeth|King Charles|Prince Harry|Meghan Markle|Kate Middleton|Princess Diana|Angela Merkel|Olaf Scholz|Friedrich Merz|Helmut Kohl|Willy Brandt|Konrad Adenauer|Adolf Hitler|Joseph Goebbels
Otto von Bismarck|Emmanuel Macron|Charles de Gaulle|Nicolas Sarkozy|Marine Le Pen|François Mitterrand|Vladimir Putin|Mikhail Gorbachev|Joseph Stalin|Vladimir Lenin|Leon Trotsky|Boris Yeltsin|Alexei Navalny|Volodymyr Zelensky
Xi Jinping|Mao Zedong|Deng Xiaoping|Kim Jong-un|Narendra Modi|Mahatma Gandhi|Indira Gandhi|Jawaharlal Nehru|Benazir Bhutto|Imran Khan|Nelson Mandela|Desmond Tutu|Jacob Zuma|Fidel Castro|Che Guevara|Hugo Chávez|Simón Bolívar
Lula da Silva|Jair Bolsonaro|Javier Milei|Eva Perón|Benito Mussolini|Silvio Berlusconi|Giorgia Meloni|Francisco Franco|Pedro Sánchez|Lech Wałęsa|Lech Walesa|Donald Tusk|Andrzej Duda|Jarosław Kaczyński|Viktor Orbán|Recep Tayyip Erdoğan
Kemal Atatürk|Saddam Hussein|Osama bin Laden|Muammar Gaddafi|Yasser Arafat|Benjamin Netanyahu|Golda Meir|Justin Trudeau|Shinzo Abe|Julius Caesar|Mark Antony|Alexander the Great|Genghis Khan|Napoleon Bonaparte|Louis XIV|Marie Antoinette
Henry VIII|Anne Boleyn|Mary Stuart|Oliver Cromwell|Guy Fawkes|Joan of Arc|Christopher Columbus|Vasco da Gama|Ferdinand Magellan|James Cook|Neil Armstrong|Buzz Aldrin|Yuri Gagarin|Amelia Earhart|Rosa Parks|Martin Luther King|Malcolm X
Martin Luther|Harriet Tubman|Frederick Douglass|Susan B. Anthony|Florence Nightingale|Mother Teresa|Dalai Lama|Pope Francis|John Paul II|Benedict XVI|Anne Frank|Oskar Schindler|Sophie Scholl|Al Capone|Jack the Ripper|Ted Bundy|Charles Manson
Albert Einstein|Isaac Newton|Galileo Galilei|Nicolaus Copernicus|Johannes Kepler|Charles Darwin|Marie Curie|Pierre Curie|Niels Bohr|Max Planck|Werner Heisenberg|Erwin Schrödinger|Richard Feynman|Stephen Hawking|Nikola Tesla|Thomas Edison
Alexander Graham Bell|Louis Pasteur|Alexander Fleming|Robert Koch|Gregor Mendel|Rosalind Franklin|Francis Crick|Alan Turing|Ada Lovelace|Grace Hopper|John von Neumann|Claude Shannon|Carl Sagan|Neil deGrasse Tyson|J. Robert Oppenheimer
Robert Oppenheimer|Enrico Fermi|Michael Faraday|James Clerk Maxwell|Carl Friedrich Gauss|Leonhard Euler|Blaise Pascal|René Descartes|Gottfried Leibniz|Srinivasa Ramanujan|Kurt Gödel|Jane Goodall|Virginia Apgar|Sigmund Freud|Carl Jung
Ivan Pavlov|B.F. Skinner|Jean Piaget|Abraham Maslow|Carl Rogers|Immanuel Kant|Friedrich Nietzsche|Karl Marx|Friedrich Engels|Georg Hegel|Arthur Schopenhauer|John Locke|David Hume|Thomas Hobbes|Adam Smith|John Stuart Mill|Jeremy Bentham|Jean-Jacques Rousseau
Michel Foucault|Jean-Paul Sartre|Simone de Beauvoir|Hannah Arendt|Ludwig Wittgenstein|Bertrand Russell|Noam Chomsky|John Rawls|John Maynard Keynes|Milton Friedman|Friedrich Hayek|Thomas Aquinas|Leonardo da Vinci|Vincent van Gogh|Pablo Picasso
Claude Monet|Salvador Dalí|Frida Kahlo|Andy Warhol|Jackson Pollock|Edvard Munch|Gustav Klimt|Paul Gauguin|Paul Cézanne|Wolfgang Amadeus Mozart|Ludwig van Beethoven|Johann Sebastian Bach|Frédéric Chopin|Fryderyk Chopin|Richard Wagner|Giuseppe Verdi
Franz Schubert|Robert Schumann|Johannes Brahms|Antonio Vivaldi|Igor Stravinsky|William Shakespeare|Jane Austen|Charles Dickens|Mark Twain|Oscar Wilde|Virginia Woolf|James Joyce|Ernest Hemingway|F. Scott Fitzgerald|George Orwell|Aldous Huxley
J.R.R. Tolkien|J.K. Rowling|Stephen King|Agatha Christie|Edgar Allan Poe|Emily Dickinson|Walt Whitman|Sylvia Plath|Toni Morrison|Maya Angelou|Leo Tolstoy|Fyodor Dostoevsky|Anton Chekhov|Franz Kafka|Thomas Mann|Hermann Hesse|Johann Wolfgang von Goethe
Friedrich Schiller|Victor Hugo|Albert Camus|Marcel Proust|Gustave Flaubert|Emile Zola|Charles Baudelaire|Miguel de Cervantes|Gabriel García Márquez|Jorge Luis Borges|Pablo Neruda|Federico García Lorca|Dante Alighieri|Giacomo Leopardi|Umberto Eco
Fernando Pessoa|José Saramago|Adam Mickiewicz|Wisława Szymborska|Salman Rushdie|Haruki Murakami|Elon Musk|Jeff Bezos|Bill Gates|Melinda Gates|Steve Jobs|Steve Wozniak|Tim Cook|Mark Zuckerberg|Larry Page|Sergey Brin|Sundar Pichai|Satya Nadella
Warren Buffett|Jack Ma|Sam Altman|Jensen Huang|Peter Thiel|Henry Ford|John D. Rockefeller|Andrew Carnegie|J.P. Morgan|Bernie Madoff|Bernard Madoff|Sam Bankman-Fried|Elizabeth Holmes|Martha Stewart|Oprah Winfrey|Ellen DeGeneres|Taylor Swift|Kanye West
Kim Kardashian|Beyoncé Knowles|Lady Gaga|Justin Bieber|Selena Gomez|Ariana Grande|Britney Spears|Michael Jackson|Janet Jackson|Whitney Houston|Elvis Presley|John Lennon|Paul McCartney|George Harrison|Ringo Starr|Mick Jagger|David Bowie|Elton John|Freddie Mercury
Bob Dylan|Bob Marley|Kurt Cobain|Amy Winehouse|Bruce Springsteen|Billie Eilish|Ed Sheeran|Harry Styles|Jimi Hendrix|Janis Joplin|Frank Sinatra|Johnny Cash|Dolly Parton|George Michael|Ozzy Osbourne|Snoop Dogg|Tom Hanks|Tom Cruise|Brad Pitt|Angelina Jolie
Jennifer Aniston|Leonardo DiCaprio|Johnny Depp|Amber Heard|Will Smith|Chris Rock|Robin Williams|Michael J. Fox|Charlie Sheen|Meryl Streep|Marilyn Monroe|Audrey Hepburn|Humphrey Bogart|Charlie Chaplin|Bruce Lee|Jackie Chan|Arnold Schwarzenegger|Sylvester Stallone
Robert De Niro|Al Pacino|Morgan Freeman|Samuel L. Jackson|Scarlett Johansson|Natalie Portman|Emma Watson|Daniel Radcliffe|Ryan Reynolds|George Clooney|Keanu Reeves|Steven Spielberg|Quentin Tarantino|Stanley Kubrick|Alfred Hitchcock|Woody Allen|Harvey Weinstein
Christopher Nolan|Martin Scorsese|Roman Polanski|Bill Cosby|O.J. Simpson|O. J. Simpson|Jeffrey Epstein|Ghislaine Maxwell|Roger Federer|Rafael Nadal|Novak Djokovic|Serena Williams|Venus Williams|Andre Agassi|Boris Becker|Steffi Graf|Naomi Osaka|Tiger Woods
Michael Jordan|Magic Johnson|Kobe Bryant|LeBron James|Stephen Curry|Lance Armstrong|Usain Bolt|Simone Biles|Michael Phelps|Muhammad Ali|Mike Tyson|Tom Brady|Colin Kaepernick|Babe Ruth|Lionel Messi|Cristiano Ronaldo|Diego Maradona|David Beckham|Zinedine Zidane
Robert Lewandowski|Christian Eriksen|Kylian Mbappé|Lewis Hamilton|Max Verstappen|Michael Schumacher|Ayrton Senna|Edward Snowden|Julian Assange|Greta Thunberg|Malala Yousafzai|Sherlock Holmes|Harry Potter|Hermione Granger|Ron Weasley|Albus Dumbledore
Severus Snape|Lord Voldemort|Frodo Baggins|Bilbo Baggins|Luke Skywalker|Darth Vader|Han Solo|Princess Leia|James Bond|Indiana Jones|Tony Stark|Peter Parker|Bruce Wayne|Clark Kent|Tony Soprano|Walter White|Jesse Pinkman|Homer Simpson|Bart Simpson
Daenerys Targaryen|Tyrion Lannister|Katniss Everdeen|Forrest Gump|Mickey Mouse|Donald Duck|Lara Croft|Jack Sparrow|Tyler Durden|Hannibal Lecter|Norman Bates|Don Quixote|Jean Valjean|Emma Bovary|Madame Bovary|Anna Karenina|Jay Gatsby|Nick Carraway
Daisy Buchanan|Atticus Finch|Scout Finch|Boo Radley|Holden Caulfield|Tom Sawyer|Huckleberry Finn|Oliver Twist|Ebenezer Scrooge|David Copperfield|Elizabeth Bennet|Jane Eyre|Dorian Gray|Victor Frankenstein|Gregor Samsa|Robinson Crusoe
Romeo Montague|Juliet Capulet|Lady Macbeth|Willy Loman|Blanche DuBois|Alice Liddell|Peter Pan|Robin Hood|King Arthur|Mary Poppins|Santa Claus|Jesus Christ|Virgin Mary|John the Baptist|Pontius Pilate
John Snow|Ignaz Semmelweis|Edward Jenner|Jonas Salk|Henrietta Lacks|Phineas Gage|Dred Scott|Sandra Day O'Connor|Ruth Bader Ginsburg|Clarence Thomas|Brett Kavanaugh|Antonin Scalia|Thurgood Marshall|Earl Warren|Thomas Paine
Morgan Stanley|Eli Lilly|Wells Fargo|Jack Daniel|Johnnie Walker|Goldman Sachs|Johns Hopkins|Merrill Lynch|Philip Morris|Ben Jerry|Harley Davidson|Calvin Klein|Ralph Lauren|Tommy Hilfiger|Louis Vuitton|Hugo Boss|Michael Kors|Lehman Brothers|Betty Crocker|Uncle Sam
""".replace("\n", "|").split("|")
)
"""Full names that stand for one person, or company, the world over."""

NEAR, AROUND = 120, 250
"""Characters to each side in which a word makes a name private, or public."""

_ALTERNATIVE = re.compile(r"(?:\\.|\[[^\]]*\]|\((?:[^()]|\([^()]*\))*\)|[^|()\[\\])+")


def _any_of(alternatives: str, end: str = r"\b") -> re.Pattern[str]:
    """Compile alternatives by their first letter: each word of a text is compared with those only that begin like it."""
    heads: dict[str, list[str]] = {}
    for alternative in _ALTERNATIVE.findall(alternatives):
        head = alternative[0] if alternative[:1].isalpha() and alternative[1:2] not in tuple("?*+{") else ""
        heads.setdefault(head, []).append(alternative[len(head) :])
    groups = (f"{head}(?:{'|'.join(tails)})" for head, tails in heads.items())
    return re.compile(rf"\b(?:{'|'.join(groups)}){end}")


_PRIVATE = _any_of(
    r"i|i'm|i've|i'll|i'd|me|my|mine|our|ours|us|we|we're|ich|mein\w*|unser\w*|je|mon|ma|mes|notre|nos|mi|mis|nuestr\w+|mio|mia|nostr\w+|meu|minha|noss\w+|mijn|ons|onze|mój|moja|mojego|mojej|nasz\w*"
    r"|dear|draft|patients?|clients?|customers?|tenants?|employees?|applicants?|colleagues?|co-?workers?|neighbou?rs?|landlord|roommate|candidate|hr|payroll|e-?mail|please|pls|memo|reminder|write|note:|notes:|name:|subject:|claimant|caller|policyholder|volunteer|interns?",
    end=r"(?:\b|(?<=:))",
)
_PUBLIC = _any_of(
    r"born (?:in|on) (?:[a-z]+ )?(?:\d{1,2},? )?(?:[a-z]+ )?1\d{3}|(?:in|of|since|until|from|by|during) 1[0-9]\d\d|1[0-9]\d\d ?[-–] ?(?:1[0-9]|20)?\d\d|1[0-8]\d\ds?|century|centuries|b\.?c\.?e?|biograph\w+|historians?|history|historical"
    r"|presiden(?:t|ts|tial|cy)|prime minister|chancellor|senators?|congress(?:man|woman)?|parliament|elections?|elected|governor|mayor|ministers?|field marshal|the war|prosecutors?|chief (?:executive|financial officer)|treason|monarch|king|queen|prince(?:ss)?|emperor|pope|the vatican|white house|supreme court"
    r"|actors?|actress(?:es)?|singers?|songwriters?|rappers?|bands?|albums?|films?|movies?|tv|television|series|episodes?|season|the show|sitcom|novels?|novelists?|characters?|protagonists?|plays? the role|fiction(?:al)?|screenplay|stories|story|tale|comics?|manga|anime|video games?"
    r"|painters?|poets?|composers?|philosoph\w+|scientists?|physicists?|mathematicians?|inventors?|explorers?|theor(?:y|em|ies)|nobel|oscars?|grammys?|footballers?|quarterbacks?|strikers?|midfielders?|goalkeepers?|champion(?:s|ship|ships)|olympics?|world cup|nba|nfl|mlb|nhl|fifa|uefa|league|tournament"
    r"|told reporters|reporters?|spokes(?:man|woman|person)|reuters|associated press|press conference|magazine|newspapers?|breaking news|the news|interview with|celebrit\w+|famous|billionaires?|ceo of|founder of|authored?|authors?|wrote the|in the (?:book|film|movie|novel|play|show)|directed by|starring|bestsell\w+|crime and punishment|breaking bad|world war|civil war|war of|battle of|(?:roman|ottoman|british) empire|revolution|dynasty|assassin\w+"
)
_PRIVATE_LABEL = re.compile(r"^[ \t]*[\w ]{2,20}:|[|;]", re.MULTILINE)
_RELATION = re.compile(
    r"\b(?:(?:my|our|mein\w*|unser\w*|mon|ma|notre|mi|nuestr[oa]|meu|minha|mijn|onze|mój|moja|nasz\w?) (?:[\w'-]+,? ){1,3}|(?:patient|client|tenant|employee|applicant|colleague|neighbou?r|customer),? |i am |i'm |name is |dear |m(?:r|rs|s)\.? )$"
)
"""What stands right before the name of somebody one knows, whoever else is called so."""
_LEAF = "\n~\n"


def is_public(text: str, start: int, end: int) -> bool:
    """Say whether the name there belongs to public life, by the name itself or by what stands around it.

    Around it words of private life (my, our, dear, patient) outweigh any of public life.
    """
    name = re.sub(r"\s+", " ", text[start:end].lower()).removesuffix("'s").strip(" .")
    if _famous(name):
        return not is_related(text, start)
    before = max(text.rfind(_LEAF, 0, start), 0)
    after = text.find(_LEAF, end)
    after = len(text) if after < 0 else after
    return not _holds(_PRIVATE, text[max(before, start - NEAR) : start], text[end : min(after, end + NEAR)]) and _holds(
        _PUBLIC, text[max(before, start - AROUND) : start], text[end : min(after, end + AROUND)]
    )


def _holds(words: re.Pattern[str], before: str, behind: str) -> bool:
    return words.search(f"{before}\0{behind}".lower()) is not None


def is_related(text: str, start: int) -> bool:
    """Say whether the name there is said to be that of somebody one knows: `my colleague`, `our client`, `I am`."""
    return _RELATION.search(text[max(0, start - 40) : start].lower()) is not None


def _famous(name: str) -> bool:
    """Say whether the first or the last two words of a longer name are famous."""
    words = name.split()
    return name in FAMOUS or " ".join(words[:2]) in FAMOUS or " ".join(words[-2:]) in FAMOUS
