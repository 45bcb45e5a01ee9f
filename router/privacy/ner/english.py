"""Everyday English without names, so that the tagger knows what is none. Not used at run time."""

from __future__ import annotations

WORDS = """
dog cat horse cow pig sheep goat chicken duck goose rabbit mouse rat fox wolf bear lion tiger elephant giraffe zebra monkey gorilla lemur antelope camel deer moose whale dolphin shark salmon trout
snake lizard turtle frog spider bee wasp ant butterfly bird eagle owl parrot penguin puppy kitten calf lamb hamster bread butter cheese milk cream egg bacon ham beef pork steak turkey rice pasta soup
salad sauce pizza burger sandwich potato tomato onion garlic carrot cabbage pepper mushroom bean pea corn lettuce cucumber spinach apple banana orange lemon lime grape cherry peach pear plum melon
strawberry berry cake cookie pie pudding chocolate candy sugar salt honey jam coffee tea juice beer wine whiskey vodka water lunch dinner breakfast supper snack recipe kitchen oven stove pan pot knife
fork spoon plate bowl cup glass bottle table chair sofa bed pillow blanket lamp mirror window door floor wall roof ceiling stairs garden garage basement attic bathroom shower toilet towel soap brush
shirt pants dress skirt jacket coat hat cap scarf glove sock shoe boot belt tie ring necklace watch bag purse wallet umbrella suitcase ticket passport luggage hotel flight airport train station bus
taxi bicycle truck ship boat ferry bridge tunnel road highway street corner traffic driver passenger pedestrian accident engine wheel tire brake fuel gas oil battery phone laptop screen keyboard
printer camera radio television movie film music song singer band guitar piano drum violin concert theater stage actor actress dancer album lyrics melody rhythm jazz rock blues opera orchestra choir
book novel poem story author writer reader library page chapter magazine newspaper article headline journalist editor reporter news school teacher student pupil class lesson homework exam grade
university college professor lecture degree course science math physics chemistry biology history geography language grammar art painting drawing sculpture museum gallery sport soccer football tennis
basketball baseball hockey golf swimming running cycling boxing wrestling skiing skating race game match score goal team player coach referee fan stadium league champion trophy medal olympic office
desk job boss manager employee worker colleague intern salary wage bonus contract meeting project deadline report invoice budget profit loss tax insurance bank loan debt credit mortgage interest
account money cash coin dollar euro pound cent price cost fee charge discount sale store shop market mall customer client seller buyer product brand package delivery order receipt refund doctor nurse
dentist patient hospital clinic pharmacy medicine pill drug vaccine surgery disease illness fever cough cold flu headache pain cancer diabetes asthma allergy stroke heart lung liver kidney brain bone
muscle skin blood tooth eye ear nose mouth hand arm leg foot knee shoulder finger thumb face hair beard neck back stomach body soul mind mother father parent brother sister son daughter baby child kid
husband wife uncle aunt cousin nephew niece grandmother grandfather family friend neighbor guest stranger enemy lover boyfriend girlfriend bride groom widow orphan man woman boy girl guy lady gentleman
people crowd person adult teenager citizen president minister senator mayor governor king queen prince princess emperor lord knight soldier army navy general captain officer police detective thief
murderer criminal prisoner judge lawyer jury court trial crime law justice prison sentence victim witness evidence guilty innocent war peace battle weapon gun bomb sword shield enemy victory defeat
government election vote party candidate campaign policy law tax freedom democracy republic nation state country city town village capital border flag church temple mosque priest monk bishop pope god
prayer faith religion bible heaven hell angel devil ghost spirit witch wizard dragon monster vampire zombie giant dwarf elf fairy hero villain magic spell dream nightmare sleep night day morning noon
evening midnight today tomorrow yesterday week weekend month year century season spring summer autumn fall winter holiday birthday wedding funeral christmas easter sun moon star planet earth sky cloud
rain snow wind storm thunder lightning fog ice fire smoke river lake sea ocean beach island mountain hill valley forest tree leaf flower grass rose lily daisy tulip farm field farmer crop desert jungle
cave rock stone sand mud dust gold silver iron copper steel wood paper plastic leather cotton wool silk red orange yellow green blue purple pink brown black white gray dark light bright big small large
tiny huge tall short long wide narrow thick thin deep shallow high low fast slow quick early late old young new modern ancient good bad better worse best worst great terrible awful nice lovely beautiful
ugly pretty handsome cute sweet sour bitter hot warm cool cold dry wet clean dirty full empty heavy light strong weak hard soft loud quiet rich poor cheap expensive free busy lazy tired hungry thirsty
sick healthy happy sad angry afraid brave calm nervous proud shy lonely jealous curious bored excited funny serious strange weird normal common rare special famous popular important useful useless easy
difficult simple complex safe dangerous true false right wrong real fake love hate like want need hope wish fear think know believe remember forget understand learn teach study read write speak talk say
tell ask answer call shout whisper listen hear see look watch find lose search keep give take get bring send receive buy sell pay spend save borrow lend steal break fix build make create destroy open
close start stop begin end finish continue wait stay leave arrive come go walk run jump climb fall fly swim drive ride travel visit return turn move push pull carry hold drop throw catch hit kick cut eat
drink cook bake wash wear sit stand lie rise live die born kill fight win play laugh smile cry sing dance dream work help try use change grow plant kiss hug marry divorce meet join follow lead show hide
share explain describe compare discuss argue agree disagree decide choose plan prepare practice improve increase reduce allow forbid accept refuse promise warn threaten suggest advise recommend complain
apologize thank greet welcome invite celebrate please sorry hello goodbye thanks yes no maybe never always often sometimes usually rarely already still yet again soon later now then here there everywhere
nowhere above below under over between behind beside inside outside near far left right up down forward backward very quite rather too enough almost only just even also however therefore although
because since unless until while during before after against among across through without within toward upon she he they we you it him her them us who whom whose which what when where why how this that
these those my your his its our their mine yours ours theirs myself yourself himself herself itself ourselves themselves someone anyone everyone nobody somebody something anything everything nothing
each every either neither both few many much several some any all none another other such same different own first second third last next previous one two three four five six seven eight nine ten hundred
thousand million billion half quarter double triple pair dozen cautionary tale suspense mystery adventure comedy drama romance thriller animation documentary wisdom discipline labor rumor lunacy karma
masterpiece genius nonsense riddle puzzle joke quote essay speech letter email message tweet post blog podcast video channel website server database software hardware network internet browser password
login user admin update version release feature bug error crash install download upload file folder document spreadsheet chart graph figure diagram table list item note comment review rating survey poll
question quiz test sample example template draft outline summary abstract introduction conclusion paragraph sentence phrase word letter number digit symbol formula equation theory experiment hypothesis
result analysis research survey data statistics average median probability risk chance luck accident coincidence destiny fate future past present memory history tradition culture custom habit behavior
attitude emotion feeling mood stress anxiety depression therapy relief comfort courage strength energy power force speed weight height length width depth distance area volume temperature pressure
shape circle square triangle rectangle line curve angle edge surface center middle side top bottom front rear consultant engineer accountant secretary receptionist assistant director chairman
executive founder owner partner shareholder investor broker trader analyst designer architect electrician plumber carpenter painter mechanic cleaner janitor guard pilot steward waiter waitress chef baker
butcher tailor barber hairdresser librarian translator interpreter scientist researcher inventor explorer astronaut photographer musician composer conductor producer playwright poet critic philosopher
psychologist psychiatrist surgeon therapist midwife veterinarian pharmacist firefighter paramedic sheriff mayor diplomat ambassador spy maid butler nanny babysitter tenant landlord resident immigrant
refugee tourist traveler hiker camper hunter fisherman sailor miner spouse applicant consignee guardian beneficiary vendor supplier contractor subscriber member volunteer sponsor donor speaker host
""".split()

PROSE = """
The weather was nice, so we took the dog for a walk by the river.|She moved here last year and likes it a lot.|He told me that he would never do it again.|They went home because it was late.
I need a recipe for chicken soup that takes less than an hour.|What is the best way to learn a new language?|How do I remove a wine stain from a white carpet?|Can you explain how a vaccine works to a child?
My laptop won't start after the last update, what should I try?|Write a short story about a robot who wants to become a painter.|Give me ten ideas for a birthday party in the garden.|Thanks for your help!
The company reported a loss for the second quarter in a row.|The court ruled that the contract was void.|Police are looking for two men who robbed a jewelry store on Saturday night.|The trial will start next week.
The team scored twice in the final minutes and won the cup.|Fans were disappointed by the new album, but the tour was sold out.|The film is a romantic comedy about two cooks who fall in love.|I loved the first season.
Honestly, the food was terrible and the waiter was rude.|Great service, will come back!|Do they deliver on Sundays?|I ordered a blue one and got a red one.|Where is my package?|Please cancel my subscription today.
I'd like to open a savings account.|My credit card was charged twice.|How can I change my address?|I forgot my password and can't log in.|Are there any fees for sending money abroad?|What documents do I need for a visa?
The patient should take one tablet twice a day after meals.|High blood pressure often has no symptoms.|Wash your hands before and after touching the wound.|Sleep, exercise and a balanced diet help against stress.
Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.|The speed of light is about three hundred thousand kilometers per second.|Iron rusts when it meets water and air.|Whales are mammals.
In the nineteenth century, railways changed the way people traveled and traded.|The empire fell after a long war with its neighbors.|Farmers grew wheat and barley along the river.|The treaty ended the war.
Prices went up by five percent last month.|Interest rates are expected to stay high.|The minister announced a new tax on plastic bags.|Voters will decide in November.|The strike lasted three weeks and ended without a deal.
Roses are red, violets are blue.|Once upon a time there was a king who had three daughters.|All that glitters is not gold.|Better late than never.|Practice makes perfect.|Easy come, easy go.|Time is money.
Monday is a holiday.|We meet every Tuesday at noon.|Her birthday is in May.|In March, April and June it rains a lot.|Will you be there?|May I come in?|Mark my words.|Grace under pressure.|Hope dies last.
Dear Sir or Madam, I am writing to complain about the noise.|To whom it may concern|I look forward to hearing from you.|Please find attached the report.|Let me know if you have any questions.|See you tomorrow!
lol that's so funny|omg i can't believe it|idk, maybe later?|brb|u there?|so tired today, need coffee|who wants pizza tonight?|can't wait for the weekend!!|this song is a masterpiece|worst day ever :(
You are an expert in marketing.|Answer in three sentences.|Rewrite the following paragraph in a friendly tone.|Translate the sentence into French.|List the pros and cons of working from home.|Act as an interviewer.
Summarize the text below in bullet points.|Correct the grammar.|Write a poem in the style of an old sailor.|Create a table with the columns price, weight and color.|Continue the story.|What happens next?|Why is that?
A train leaves the station at noon and travels at sixty miles per hour.|A baker sells twelve loaves in the morning and thirty in the afternoon.|How many apples are left?|Each box holds six eggs.|Solve for x.
The lemurs, antelopes and camels are fed twice a day by the keepers.|Capital letters are used at the beginning of a sentence.|Wisdom and Courage are virtues.|The Big Game is on Sunday.|Breaking News: Storm Hits Coast
Top Ten Reasons to Visit the Coast|How to Train Your Puppy|The Art of Cooking|Guilty Pleasures of the Eighties|A Brief History of Bread|Terms and Conditions Apply|Frequently Asked Questions|Table of Contents
Action, Comedy, Drama, Mystery, Romance|Directed by:|Starring:|Running time: 120 minutes|Release Date:|Product Details|Customer Reviews|Add to Cart|Sign In|Privacy Policy|Log Out|Order Summary|Shipping Method
Objective: To obtain a position as a sales manager.|Skills: Leadership, Communication, Teamwork|Education: Bachelor of Arts|Experience: Five years in retail|References available on request|Work Phone|Personal Info
"""
