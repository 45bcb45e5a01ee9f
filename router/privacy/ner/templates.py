"""Sentences of our own that the trainer fills. Slots: P full name, F given name, S surname, L place, A address,
O organisation, B brand, D date, M month, N number, J job, K code name, w and W a plain word, X numbers and code, Z words in a foreign
script, U an e-mail address or page, E a noun behind eponyms.

One template per line of a table, or several parted by `|`; `\\n` is a line end. Not used at run time.
"""

from __future__ import annotations

ABOUT = """
is on leave until {D}|called about the {w}|has not answered yet|wants to know when the {w} is ready|said no|is late again
moved to {L} last year|works for {O}|works at {O} as a {J}|used to be a {J}|is our new {J}|lives in {L}|lives at {A}
lives near {L} with two kids|sent the {w} on {D}|was very kind|doesn't like the {w}|will join us on {D}|thinks so too
has {N} {w} and buys {N} more|is {N} years old|was born in {L}|was here yesterday|is a friend of {F}|married {F} in {N}
told me about {L}|asked {F} for the {w}|is not available|has been promoted|was fired|resigned on {D}|is allergic to nuts
needs a visa for {L}|owes me ${N}|paid {N} euros|forgot the {w}|left the company|broke a leg|has the flu|is in hospital
wrote a song about {L}|won the race in {L}|played {w} in the film|directed two films|scored twice against {L}|signed the bill
and {F} argue about the {w}|and {P} are getting married|, {N}, of {L}, was named {J}|, a {J} from {L}, won the prize
's car is in the garage|'s mother is {w}|'s flight to {L} was cancelled|'s {w} is broken|'s idea sounds {w}|'s team lost
began to paint in {N}|studied in {L} and {L}|told the paper that the {w} was {w}|replied that it was too early|laughed
"""
"""What may follow a name."""

FRAMES = """
Write a letter to {P}|please call {P} back|I met {P} at the party in {L}|My name is {P}|my name is {F}, nice to meet you
This is {P} speaking|{F} here!|I'm {P} and I live in {L}|I am {F}.|Ask {F} or {P} about it|Tell {P} that the {w} is {w}
Can you schedule a call with {P} on {D}?|Is {P} coming?|Who is {P}?|Where does {P} live?|What did {F} say?|Do you know {P}?
Summarise the e-mail of {P}|Draft an answer to {P} of {O}|Translate this for {P}: {c}|Thank you, {F}!|Thanks {F}|Hi {F},\\n{c}
Dear {P},\\n{c}|Dear Mr. {S},\\n\\n{c}|Dear Ms {S} and Mr {S},|Hello Mrs. {S}, {c}|Good evening Dr. {S}|Hey {F}! {c}
Best regards,\\n{P}|Cheers,\\n{F}|Yours sincerely,\\n\\n{P}\\n{J}\\n{O}|Kind regards\\n{P}\\n{A}\\nTel. {N}|xoxo {F}|-- \\n{P}
From: {P}\\nTo: {P}\\nSubject: {W} {w}|From: {P}\\nSent: {D}\\nTo: {P}; {P}\\n\\n{c}|cc {P}|@{w} thanks to {P}|Re: {P} / {w}
{P}: {c}\\n{P}: {c}|{F}: {c}\\n{F}: {c}\\n{F}: {c}|[{N}:{N}] {F}: {c}|<{F}> {c}|{F} says: {c}|"{c}", said {P}.|"{c}" - {P}
Customer: {P}\\nAddress: {A}\\nPhone: {N}|Name: {P}\\nAge: {N}\\nCity: {L}|Name: {S}, {F}|First name: {F}\\nLast name: {S}
first_name: {F}, last_name: {S}, city: {L}|Surname {S}\\nGiven names {F} {F}|Employee: {P} ({J})|Manager: {P}|Contact: {P}, {O}
Full name ........ {P}|Name of applicant: {P}|Attn: {P}|Attention {P}|c/o {P}, {A}|Signature: {P}|Prepared by {P} on {D}
| {P} | {L} | {N} || {F} | {S} | {N} || {O} | {P} ||name,city,age\\n{P},{L},{N}\\n{P},{L},{N}|{N},{F},{S},{L}|{F};{S};{N}
{P}\\t{J}\\t{N}|{"name": "{P}", "city": "{L}", "age": {N}}|{"first": "{F}", "last": "{S}"}|"author": "{P}"|'customer': '{P}'
<name>{P}</name>|<first>{F}</first><last>{S}</last>|assigned_to: {P}|author = {P}|- {P}\\n- {P}\\n- {P}|* {P} ({L})\\n* {P} ({L})
1. {P}\\n2. {P}\\n3. {P}|Present: {P}, {P} and {P}|Participants: {F}, {F}, {F}|Invite {F}, {F} and {P}|{F}/{F}/{F}|{S} and {S}
{P} - {J}, {O}|{P} ({J})|{P}, {J}|{J} {P} {w}|the {J} {P}|our {J}, {P}, is out|my {w}, {F}, is out|President {S} met {P} in {L}
my brother {F} works at {O}|my wife {F} and I|my boss {P} is angry|our neighbour {P} at {A} is loud|my friends {F} and {F}
my son {F} is {N}|our daughter {F}|Uncle {F}|aunt {F} called|cousin {F}|grandma {F} makes the best {w}|my colleague {P} asks
Please transfer {N} to {P}|invoice to {P}|Book a table for {P} at {N}|a reference for {P} who worked for me|Patient {P}, {N}
The patient, {P}, complains of {w}|Witness {P} saw the car|Judge {S} ruled|Mr. {S} resigned|Mrs. {S} asked Dr. {S} for help
Professor {S} teaches {w}|Prof. {P}|Sir {P}|Lady {S}|Sister {F}|Father {F}|Captain {S}|Coach {S}|Officer {P}|Miss {F}|St. {F}
written by {P}|a book by {P}|directed by {P} and starring {P}|songs by {P}|according to {P}|between {P} and {P}|thanks to {P}
{F} and {F} went to {L}|{F}, {F} and {F} share {N} {w}|If {F} has {N} {w} and gives {N} to {F}, how many are left?|{F} vs {F}
Each of {F}'s {N} {w} costs ${N}.|How old is {F}?|Does {F} like {F}?|why is {P} so {w}?|why didn't {F} come?|wtf {F}|lol {F}
omg {F} is {w}|happy birthday {F}!!|congrats {P}|RIP {P}|RT @{w}: {P} is {w}|watching {P} with {F} #{w}|miss u {F}|go {S}!!
just saw {P} in {L}|shout out to {P}|so proud of {F}|can't stand {P}|{P} rocks|{F} u there?|hey {F} wanna go to {L}|ok {F}
Is {P} older than {P}?|Compare {P} and {P}|Write a poem about {F}, my {w}|A birthday speech for {P}, who turns {N}|Imagine {F} is {w}
You are {P}, a {J}.|Act as {F}, a {J} from {L}|Let's call her {F}.|a girl named {F}|a man called {P}|someone by the name of {S}
{P} of {O} {w} {w}|{O}: {P} {w}|{P}, CEO of {O}, said that {c}|{S} told reporters in {L} that {c}|{S}, who {w}, {w} {w}
The office at {A} is closed.|We will meet at {A} on {D}.|Ship it to {A}|deliver to:\\n{P}\\n{A}|I live at {A}|my address is {A}
I moved from {A} to {A}|the house at {A} was sold|{A} is my new address|Where is {A}?|send a taxi to {A} please|come to {A}
Address: {A}|Billing address: {A}\\nDelivery address: {A}|{P}\\n{A}|{O}\\n{A}|Headquarters: {A}|{O}, {A}|parking near {A}?
The bus stops at {A}|pick me up at {A} at {N}|the corner of {A}|property {A} {w}|rent for {A}: {N}|address={A}|{P}, {A}, {N}
How do I get from {L} to {L}?|What is the weather in {L}?|The flight from {L} to {L}|a hotel in {L}|in {L}, {L} and {L}|{L} is {w}
I want to visit {L}|{L} beat {L} {N}-{N}|the mayor of {L}|trains to {L}|made in {L}|a trip to {L} in {M}|the north of {L}|from {L}
Is {O} a good employer?|I bought it at {O}|{O} announced a {w}|shares of {O} fell|He left {O} in {N}|a contract with {O}|{O} and {O} merged
the partners {S}, {S} and {S}|by {S} and {S}|{S}, {S} & {S} wrote the {w}|the {S} family|the {w} by {S}|{S} began to write at {N}|{S} replied|says {S}|talk to {P} about {w}|a call with {P}|they call her {F}|his name was {F}|baby {F}
{O} is a {w} bank|{O} was founded in {N} by {P}|founder of {O}|I work for {O}|an account with {O}|{O} {J} {P} said no|the {O} {w}|at {O} in {L}
e-mail {P} <{U}>|{P} ({U})|{P}\n{U}\n{N}|write to {U} or call {P}|Name: {P}\nE-mail: {U}|{O} - {U}|{F} {U} {N}|{P}\n{O}\n{A}\n{U}|{P}\n{J}\n{O}
"""
"""Texts with names in them."""

FOREIGN = {
    "de": """
Mein Name ist {P} und ich wohne in {L}.|Ich heiße {F}.|Ich bin {P} aus {L}|Sehr geehrte Frau {S}, vielen Dank.|Hallo {F}, wie geht's?
Herr {S} aus {L} hat angerufen.|Die Adresse ist {A}.|Mit freundlichen Grüßen\\n{P}|Viele Grüße, {F}|Name: {S}\\nVorname: {F}\\nOrt: {L}
{P} arbeitet bei {O}|Unser Kollege {P} ist krank|Schreib {P}, dass er kommen soll|Wo wohnt {P}?|Ich habe {F} und {F} gesehen|{P} sagt nein
Die Firma {O} in {L}|Bitte an {P}, {A} schicken|Ist {F} da?|Frag {F}|meine Schwester {F}|Kunde: {P}, {A}|mit {P} nach {L} fahren|von {P}
Kennst du {P}?|Das Buch von {P}|Frau {P} hat {c}|{F} hat {N} {c}|der Sohn von {P}|Lieber {F}|Liebe {F},\\n{c}|{P} ({N}) aus {L}""",
    "fr": """
Je m'appelle {P} et j'habite à {L}.|Bonjour {F}, merci.|M. {S} habite {A}.|Madame {P} est née à {L}.|Je suis {P}|Mme {S} est absente
Monsieur {S},\\n{c}|Cordialement,\\n{P}|Nom : {S}\\nPrénom : {F}|J'ai vu {F} et {F} à {L}|Écris à {P}|Où habite {P} ?|mon ami {F}
{P} travaille chez {O}|Le livre de {P}|selon {P}|Est-ce que {F} vient ?|L'adresse est {A}|Chère {F},|ma sœur {F}|d'après {S}|avec {P}
Envoyer à {P}, {A}|la société {O} de {L}|{F} a {N} {c}|{P} ({N} ans)|C'est {F}|le fils de {P}|Connais-tu {P} ?|{P} a dit que {c}""",
    "es": """
Me llamo {P} y vivo en {L}.|El señor {S} vive en {A}.|Hola {F}, gracias.|La señora {P} no está|Soy {P}|Escribe a {P}|mi amiga {F}
Estimado Sr. {S}:\\n{c}|Saludos,\\n{P}|Nombre: {F}\\nApellidos: {S} {S}|Vi a {F} en {L}|¿Dónde vive {P}?|{P} trabaja en {O}|don {F}
mi hermano {F}|¿Conoces a {P}?|según {P}|el libro de {P}|Dirección: {A}|Enviar a {P}, {A}|la empresa {O} de {L}|{F} tiene {N} {c}
Querida {F},|{P}, de {N} años, {c}|dijo {P}|con {P} y {F}|Pregúntale a {F}|el hijo de {P}|{P} nació en {L}""",
    "it": """
Mi chiamo {P} e abito a {L}.|Il signor {S} abita in {A}.|Ciao {F}, grazie.|La signora {P} non c'è|Sono {P}|Scrivi a {P}|mia sorella {F}
Gentile dott. {S},\\n{c}|Cordiali saluti\\n{P}|Nome: {F}\\nCognome: {S}|Ho visto {F} a {L}|Dove abita {P}?|{P} lavora per {O}|il mio amico {F}
Conosci {P}?|secondo {P}|il libro di {P}|Indirizzo: {A}|Spedire a {P}, {A}|{F} ha {N} {c}|Cara {F},|{P}, {N} anni, {c}|con {P}|il figlio di {P}""",
    "pt": """
Meu nome é {P} e moro em {L}.|O senhor {P} mora em {A}.|Olá {F}, obrigado.|A dona {F} não está|Sou {P}|Escreva para {P}|minha irmã {F}
Prezado Sr. {S},\\n{c}|Atenciosamente,\\n{P}|Nome: {P}\\nCidade: {L}|Vi a {F} em {L}|Onde mora {P}?|{P} trabalha na {O}|o meu amigo {F}
Você conhece {P}?|segundo {P}|o livro de {P}|Endereço: {A}|Enviar para {P}, {A}|{F} tem {N} {c}|Querida {F},|{P}, {N} anos, {c}|o filho de {P}""",
    "nl": """
Mijn naam is {P} en ik woon in {L}.|Mevrouw {S} woont op {A}.|Hallo {F}, bedankt.|De heer {P} is er niet|Ik ben {P}|Schrijf {P} een brief
Geachte heer {S},\\n{c}|Met vriendelijke groet,\\n{P}|Naam: {P}\\nPlaats: {L}|Ik zag {F} in {L}|Waar woont {P}?|{P} werkt bij {O}|mijn zus {F}
Ken je {P}?|volgens {P}|het boek van {P}|Adres: {A}|Sturen naar {P}, {A}|{F} heeft {N} {c}|Beste {F},|{P} ({N}) uit {L}|de zoon van {P}|met {P}""",
    "pl": """
Nazywam się {P} i mieszkam w {L}.|Pan {P} mieszka na {A}.|Cześć {F}, dzięki.|Pani {P} jest chora|Jestem {P}|Napisz do {P}|moja siostra {F}
Szanowny Panie {S},\\n{c}|Pozdrawiam,\\n{P}|Imię: {F}\\nNazwisko: {S}|Gdzie mieszka {P}?|{P} pracuje w {O}|mój kolega {F}|Adres: {A}
Znasz {P}?|według {P}|książka {P}|Wyślij do {P}, {A}|{F} ma {N} {c}|Droga {F},|{P}, lat {N}, {c}|syn {P}|z {P}|rozmowa z {P}|dla {P} i {P}
widziałem {P} w {L}|zapytaj {P}|nie ma {P}|o {P}|powiedz {P}, że {c}|u {P}|spotkanie z {P}|dla {F}""",
    "other": """
Jag heter {P} och bor i {L}.|Minun nimeni on {P}.|Benim adım {P}.|Jmenuji se {P}.|Hej {F}!|Ahoj {F}, {c}|Merhaba {F}, {c}|Numele meu este {P}
A nevem {P}.|Zovem se {P}|Меня зовут {P}|Я живу в {L}|{P} сказал, что {c}|Мене звати {P}|Казвам се {P}|Με λένε {P}|{P} bor i {L}|{P} asuu {L}
Привет, {F}!|Где {P}?|письмо для {P}|Pan {S} {c}|Fru {S}|rouva {S}|Bay {S}|Sayın {P}|Vážený pane {S}|Nama saya {P}|Tên tôi là {P}|{c} {P} {c}|{c} {F} {c}""",
}
"""Texts with names in them by language; names of that language stand in them in any grammatical case."""

NOTHING = """
{W} {W} is a {w} of {w}.|The {W} {W} of {O} is {w}.|How does {B} work in Python?|On {D} the {W} {W} was released.|Explain {B} and {B}
Explain {W} {W} and {W} {W}.|# {W} {W}\\n{w} {w} {w}|{O} and {O} merged in {N}.|May I ask a question about {w}?|Compare {B}, {B} and {B}
Will you help me with the {W}?|class {K}({K}):\\n    def {w}(self): return {N}|import {w}\\nfrom {w} import {K}|{K}.{w}({K})|new {K}()
SELECT {W}, {W} FROM {K} WHERE {w} = {N};|In {M} we {w} the {w}.|Mark the {w} with a {w}.|Rose prices are up; hope is not.|{B} {N}
Write a {w} about {W} {W}.|{W} {W} {W}|Monday, Tuesday and Wednesday are {w}.|The {W} Award, the {W} Prize|Bank of {W}|{B} or {B}?
A. {W} {w} {w}\\nB. {W} {w}\\nC. {W}\\nD. {W} {w} {w}|Q: What is a {w}? A: A {w}.|Step {N}: {W} the {w}.|{O} announced a new {w}.
English, French and German are languages.|The Bill was passed. The Grant was given. Frank talk helps.|I am a Christian Democrat.
You are a helpful assistant.|Translate this to Spanish: {c}|Act as a {J}.|Dear Sir or Madam,|Hello World|Dear all,|Dear Customer|Hi there
{W}: {w} {w}; {W}: {w}|Please summarise the following article about {W} {W}.|Best regards|Yours sincerely,|To Whom It May Concern|Dear Team
The {w} costs ${N} and the {w} {N}% more.|How many {w} are in {N} {w}?|{N} {w}, {N} {w} and {N} {w}|In {N}, {N} {w} were {w}.
It takes {N} {w} to {w} the {w} and {N} minutes to {w}.|{w} = {N}|[{N}, {N}, {N}]|{w}({N}, '{W}')|{N}. {W} {w}|{K}: {c}|{K}, {K}, {K}
{W} {N} {w} {w} {N} {W} {N}|{W} M{N} and {W}{N}|v{N}.{N} of {W}|{w}{N}{w}{N}|x^{N} + {N}y = {N}|Each {w} weighs {N} pounds.
The {W} of {W} and {W} in {W} {W}: A {W}|{W} {W}\\n{W} {W}\\n{W} {W}|- {W} {W}: {w}\\n- {W} {W}: {w}|{W}-{W} {w} ({W})|'{W} {W} {N}ML'
the {S} {E} of {w}|Explain the {S} {E}|What is a {S} {E}?|the {S}-{S} {E}|{S}'s {E} states that {c}|Prove the {S} {E} by {w}|a {S} {E} in {K}
How much is a {B}?|I drive a {B}|play some music on {B}|install {B} on {B}|my {B} is broken|{B} vs. {B}|the new {B} {N}|{B}: {c}|use {B} with {B}
the {J} and the {J}|As a {J}, {c}|a {J} in {L}|{J}|The {J} said that {c}|hire a {J}|{W} {J} wanted|Job title: {J}\\nDepartment: {W}|dear {J}
In {M} and {M}, the {w} {w}.|from {M} to {M} {N}|{M} {N}, {N}|on {D}|Summer, Autumn, Winter|Sunday morning|{D}, {N}: {c}|the May {w}|April showers
hope and joy {w}|grace under {w}|the will to {w}|a rose is a rose|bill {N}|frank words|pat the dog|rob a bank|sue the {w}|chase the {w}|dawn and dusk
the dean of {W}|a miles long {w}|art and crafts|rich and poor|ray of light|jack of all trades|max({N}, {N})|min, max, sum|the jury is out|eve of {w}
Title: {W} {W} {W}\\nAbstract: {c}|Chapter {N}: {W} {W}|Figure {N}. {W} {w}|Table {N}: {W}|Section {W} {W}|{W}! {W}! {W}!|**{W} {W}:** {c}|## {W}\\n- {W}
my e-mail is {U}|see {U}|{U}|{U}: {c}|send it to {U}|is {U} correct?|a {B} restaurant|the {B} office|{B} food|{c}. {C}. {C}.|{C}|{C}: {c}|- {C}\\n- {C}\\n- {C}|{C}? {C}!|{C} ({W})|"{C}"|{N}) {C}\\n{N}) {C}|{W} {w} & {W} {w}|{W}/{W}|{W} by {W}|{W} Day {N}
{X}|{X}|{X}|{X}|{X} {w} {X}|{w}: {X}|{Z}|{Z}|{Z}|{Z}|{Z} {N}|{N} {Z}|{Z}: {X}|{Z}\n{Z}|{W} in the {N}th century|{N} BC, {L}|ca. {N}|He {w} it.|She {w} it.|It is {W}.|We {w}
He and she {w}|They {w} {c}|{L} in {N}|A. {L}\nB. {L}\nC. {L}\nD. {L}|{N} miles from {L}|{N} people in {L}|The {W} of {L}|visit {L} in {N}|{L} {N}|the {L} {W} of {N}|{W} {N}, {L}
I'm staying in {L}|my flight lands in {L} at {N}|she grew up near {L}|{L} was fun|the people of {L}|back in {L}|he is from {L}|{L} - {L}|I love {L}!|I'm from {L}, originally|off to {L} tomorrow
Write a {W} story about a {J}, a {w} and a {w}.|{W} the {W}|The {W} King|Queen of {W}|Prince of {w}|Lord of {W}|God of {w}|the gods {B} and {B}
"""
"""Look-alikes without anything to find."""

MONTHS = "January February March April May June July August September October November December".split()
SUFFIXES = (
    "Inc Ltd Corp LLC GmbH AG SE plc SA Group Bank Industries University Foundation Hospital Partners Holdings Solutions "
    "Systems Technologies Consulting Media Airlines Insurance Logistics Energy Motors Foods Labs Institute Association Orchestra Club Stores Clinic Union Council Party Department United FC Capital Software Health Church School"
).split()
TITLES = (
    "Mr. Mrs. Ms. Dr. Mr Mrs Ms Prof. Professor Miss Sir Lady Lord Judge Father Sister Captain Detective Officer Nurse Coach Herr Frau Familie M. Mme Madame Monsieur Maître "
    "Sr. Sra. Señor Señora Don Doña Dona Seu Signor Signora Dott. Pan Pani Panu Dr Sig. Dhr. Mevr. Mevrouw Meneer Uncle Aunt Tante Onkel Oma Opa Sheikh Imam Rabbi"
).split()
EPONYMS = (
    "theorem algorithm distance space equation test syndrome disease effect law method index matrix transform function "
    "process code number constant coefficient distribution inequality sequence series filter curve principle paradox "
    "diagram machine scale model network conjecture lemma group field integral polynomial kernel score protocol "
    "Theorem Algorithm Award Prize Medal Cup Bridge Street Park School Hospital University Foundation Institute Museum"
).split()
"""Words behind a surname that make it the name of a thing."""
BRANDS = (
    "Python|Java|Kubernetes|Docker|React|Angular|Django|Flask|Ruby on Rails|Rust|Swift|Kotlin|Julia|Haskell|Pascal|Ada|Perl|Scala|Fortran|Jenkins|"
    "Ansible|Terraform|Selenium|Jira|Slack|Zoom|Notion|Figma|Photoshop|Excel|Word|PowerPoint|Windows|Linux|Ubuntu|Debian|Fedora|Android|Chrome|"
    "Firefox|Safari|Opera|Alexa|Siri|Cortana|Watson|Claude|Gemini|Llama|Mistral|Falcon|ChatGPT|Copilot|Bard|Bert|Elmo|Ernie|Tesla|Ford|Lincoln|"
    "Mercedes|Audi|Ferrari|Porsche|Dodge|Chevrolet|Cadillac|Honda|Toyota|Corolla|Civic|Mustang|Boeing|Airbus|Nike|Adidas|Puma|Levi's|Gucci|Prada|"
    "Chanel|Dior|Armani|Versace|Lacoste|Rolex|Cartier|Tiffany|Sephora|L'Oreal|Nivea|Dove|Nestle|Kellogg's|Heinz|Hershey|Cadbury|Ferrero|Lindt|Wendy's|"
    "McDonald's|Burger King|Starbucks|Subway|Domino's|Jack Daniel's|Johnnie Walker|Guinness|Heineken|Stella Artois|Martini|Jim Beam|Barbie|Lego|"
    "PlayStation|Xbox|Nintendo|Mario|Zelda|Minecraft|Fortnite|Pokemon|Netflix|Disney|Spotify|YouTube|TikTok|Instagram|Facebook|Twitter|WhatsApp|Reddit|"
    "Zeus|Hera|Apollo|Athena|Ares|Hermes|Poseidon|Hades|Odin|Thor|Loki|Freya|Jupiter|Mars|Venus|Mercury|Saturn|Neptune|Pluto|Osiris|Isis|Anubis|Ra|"
    "Vishnu|Shiva|Brahma|Krishna|Buddha|Allah|Jesus|God|Satan|Santa Claus|Easter Bunny|Christmas|Halloween|Ramadan|Diwali|Hanukkah|Carnival|"
    "Cheddar|Gouda|Brie|Parmesan|Camembert|Caesar salad|Margarita|Alfredo|Pasta Carbonara|Merlot|Chardonnay|Riesling|Earl Grey|Granny Smith|Golden Retriever|"
    "Hamlet|Macbeth|Othello|Iliad|Odyssey|Bible|Quran|Torah|Titanic|Avatar|Inception|Frozen|Shrek|Star Wars|Star Trek|Matrix|Jaws|Rocky|Rambo|"
    "Celsius|Fahrenheit|Kelvin|Newton|Joule|Watt|Volt|Pascal|Hertz|Ohm|Fourier|Laplace|Gauss|Bayes|Markov|Poisson|Monte Carlo|Hamming|Dijkstra|"
    "Islam|Christianity|Hinduism|Judaism|Buddhism|Catholic|Protestant|Orthodox|Muslim|Jewish|Hindu|Sikh|Republican|Democrat|Labour|Tory|Marxism|"
    "English|French|German|Spanish|Italian|Polish|Dutch|Portuguese|Russian|Chinese|Japanese|Korean|Arabic|Turkish|Swedish|Danish|Norwegian|Finnish|"
    "American|British|Canadian|Indian|European|African|Asian|Brazilian|Mexican|Greek|Roman|Egyptian|Victorian|Iris|Jasmine rice|Basil|Rosemary|Ginger|Olive|Lily|Daisy|Ivy"
).split("|")
"""Capitalised names of no person: products, gods, dishes, works, units, faiths, peoples."""
COMPANIES = (
    "Google Microsoft Apple Amazon Meta IBM Intel Nvidia Oracle Samsung Sony Siemens Bosch BMW Volkswagen Volvo Ikea Nokia Ericsson Philips Shell BP "
    "Total Bayer Pfizer Novartis Roche Sanofi Merck Unilever Danone Walmart Target Costco Tesco Aldi Lidl Carrefour Uber Airbnb PayPal Visa Mastercard "
    "Deloitte KPMG Accenture SAP Adobe Cisco Dell HP Lenovo Huawei Xiaomi Reuters Bloomberg BBC CNN NBC NASA UNICEF UNESCO NATO WHO FBI CIA NHS FIFA UEFA "
    "Barclays HSBC Santander Citibank Lufthansa Ryanair KLM FedEx DHL UPS Vodafone Verizon Telekom Orange Allianz AXA Aviva Nestlé Heineken Spotify"
).split()
ARABIC = (
    "Mohammed Muhammad Ahmed Ali Omar Hassan Hussein Khalid Ibrahim Yusuf Mustafa Mahmoud Abdullah Abdul Rahman Tariq Karim Samir Nasser Faisal Saeed Salim "
    "Hamza Bilal Zaid Jamal Walid Rashid Amir Fatima Aisha Khadija Zainab Maryam Layla Nour Salma Amina Huda Rania Yasmin Dina Hana Sara Noor Lina Farah Iman "
    "Parisa Reza Mehdi Hossein Farhad Shirin Leila Nasrin Dariush Kaveh Babak Ehsan Soraya Azadeh Moshe David Yosef Avi Shlomo Noa Tamar Yael Shira Eitan Uri"
).split()
ARABIC_FAMILY = (
    "Al-Harbi Al-Sayed El-Masri Haddad Khoury Mansour Nasr Saleh Aziz Hamdan Khalil Hijazi Darwish Qasim Sharif Najjar Farouk Abbas Bakr Shaheen Rahimi Karimi "
    "Hosseini Ahmadi Mohammadi Jafari Moradi Rezaei Tehrani Cohen Levi Mizrahi Peretz Biton Friedman Katz Shapiro Goldberg Rosenberg bin Salman al-Rashid Siddiqui Qureshi Malik Chaudhry"
).split()
KOREAN = "Min Ji Seo Jun Hyun Woo Young Hee Soo Jin Kyung Eun Hye Sung Jae Dong Yoon Ha Bin Won Chul Sang Mi Na Yeon Tae".split()
KOREAN_FAMILY = "Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Ahn Song Yoo Hong Moon Bae Baek Nam".split()
CHINESE = (
    "Wei Fang Na Min Jing Li Lei Yang Tao Ming Chao Jun Yan Ying Hui Xiu Qiang Jie Hong Ping Gang Xin Yu Hao Xiaoming Meiling Jianguo Zihan Yifan Xinyi Ruoxi Haoran Guoqiang Lihua "
    "Wenjie Jiayi Chen Shufen Mei Ling Siew Boon Kah Yong"
).split()
CHINESE_FAMILY = (
    "Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo Zheng Liang Xie Tang Deng Feng Han Cao Zeng Peng Xiao Cai Pan Tian Dong Yuan Jiang Yu Du Ye Cheng Wei "
    "Su Lu Ding Ren Shen Yao Lau Wong Chan Cheung Ng Leung Tan Lim Ong Goh Teo"
).split()
