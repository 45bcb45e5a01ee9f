"""Words that ask for the same task, whatever it is done to: what a small encoder doesn't know of `tl;dr` or `proofread`.

General knowledge of tasks that language models do, not of any card. `tests/unit/test_sona_text.py` says how it is read.
"""

from __future__ import annotations

_TASKS = """\
summary: summar* synops* recap* condens* abridg* shorten* tldr tl_; gist digest nutshell overview takeaway* essentials
summary: highlights key_points main_points main_ideas short_version sum_up briefly few_sentences one_sentence
summary: zusammenfass* résum* riassu*
translation: translat* english german french spanish italian portuguese dutch polish russian ukrainian turkish arabic
translation: hindi chinese japanese korean swedish danish norwegian finnish czech hungarian romanian greek hebrew
translation: vietnamese thai indonesian latin deutsch français español italiano you_say übersetz* tradu* vertaal*
classification: classif* categor* label* tag_this triage* priorit* urgen* kind_of type_of sort_of which_type which_class
classification: falls_under belong_to assign* klassifizier* einordn* clasific*
extraction: extract* as_json into_json json_object json_record structured parse parsed parses parsing entities named_entity
extraction: pull_out all_facts facts_in key_value extrahier* extrae* extrai*
reply: reply replies replying respond* response* polite courteous write_back answer_to antwort* répon*
check: check checks checked checking checker proofread* review_the review_this mistake* error* typo* grammar missing flaw*
check: anything_wrong something_wrong verif* validat* inspect* audit* correction* korrigier* überprüf* vérifi*
title: title* headline* heading* caption* subject_line name_for überschrift* titre*
simplification: simplif* simple simpler simply plain easy_to easier_to layman laymen eli5 understandable jargon complicated
simplification: child_understands to_a_child vereinfach* einfache*
quiz: quiz* exam exams flashcard* multiple_choice test_on a_test questions_about quiz_questions
estimate: cost costs costing price price_on pricing expensive how_much how_expensive estimat* budget* much_money
rewording: paraphras* rephras* reword* restat* rewrit* other_words differently another_way same_meaning umformulier*
sentiment: sentiment* positive negative opinion* tone mood favorable favourable feel_about stimmung
program: code coding program* python javascript typescript golang implement* debug* algorithm* unit_test refactor*
program: a_function function_that this_function function_to a_script
query: sql sql_query select_statement where_clause database_query rows_where rows_of
passage: passage paragraph according_to the_text this_text the_article this_article following_text based_on
command: bash shell terminal command_line unix one-liner ping pings chmod chown grep sudo ssh scp rsync curl wget crontab
command: symlink* disk_space disk_usage kill_process the_process file_permissions permissions_of hidden_files localhost
conversion: convert* conversion reformat* normali* standardi* transform* turn_into notation
calculation: calculat* comput* solve* equation* percent* multiply divide* how_many integral derivative
comparison: compar* difference differences versus vs pros_and contrast
recommendation: recommend* suggest* advice advise which_one empfiehl* empfehl*
explanation: explain* explanation* meaning_of erklär* expliqu* explic*
planning: plan_a planning itinerary agenda schedule*
redaction: redact* anonymi* pseudonymi* mask_the remove_names
completion: continue_the complete_the finish_the fill_in
poetry: poem* rhyme* lyrics haiku verse*
"""
"""A line a task, `*` for whatever follows, `_` between two words."""


START_CHARS = 4
"""By so many letters stems are looked up; none is shorter."""

Stems = dict[str, tuple[tuple[str, str], ...]]


def _read(lines: str) -> tuple[dict[str, str], Stems]:
    """Return the task of whole terms, and stems and their tasks by how they start."""
    pairs = [
        (word.replace("_", " "), f"={task}")
        for task, _, words in (line.partition(": ") for line in lines.splitlines())
        for word in words.split()
    ]
    whole = {word: task for word, task in pairs if not word.endswith("*")}
    stems: Stems = {}
    for word, task in pairs:
        if word.endswith("*"):
            stems[word[:START_CHARS]] = (*stems.get(word[:START_CHARS], ()), (word[:-1], task))
    return whole, stems


_WHOLE, _STEMS = _read(_TASKS)


def task_of(term: str) -> str | None:
    """Return the task that a word, or two words in a row, ask for, such as `=summary`; lower case."""
    task = _WHOLE.get(term)
    if task is not None or (stems := _STEMS.get(term[:START_CHARS])) is None or " " in term:
        return task
    return next((task for stem, task in stems if term.startswith(stem)), None)
