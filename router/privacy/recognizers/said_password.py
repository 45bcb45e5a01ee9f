"""Passwords that somebody tells in words, of whatever letters: `my password is sunflower`, or the answer to who asks for it."""

from __future__ import annotations

import re

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked
from router.privacy.recognizers._secret_checks import is_place, is_placeholder, is_reference, is_template, is_wordy
from router.privacy.recognizers.password import ANSWER, PASSWORD_WORD

EXAMPLES = (
    ("my password is correcthorse", "correcthorse"),
    ("the wifi password is sunflower.", "sunflower"),
    ("Mein Passwort ist sommerregen", "sommerregen"),
    ("mon mot de passe est tournesol", "tournesol"),
    ("mi contraseña es girasol99", "girasol99"),
    ("the password for the admin account is Kestrel!82", "Kestrel!82"),
    ("a senha do servidor é Girassol$82", "Girassol$82"),
    ("пароль от сервера Kestrel&82Zc", "Kestrel&82Zc"),
    ("密码是Kestrel#82Zf", "Kestrel#82Zf"),
    ("user jo pass Kestrel&82ePu", "Kestrel&82ePu"),
    ("Use q8Zr*4dtQD? as the password.", "q8Zr*4dtQD?"),
    ("login jo/Kestrel*82zh", "Kestrel*82zh"),
    ("What's your password?\nhunter2", "hunter2"),
    ("my new password will be Falcon-Nine-22", "Falcon-Nine-22"),
    ("What's the wifi password?\nbluebird-42", "bluebird-42"),
    ('use the password "bluebird" to log in', "bluebird"),
    ("my passphrase is correct horse battery staple", "correct horse battery staple"),
    (
        "seed phrase: abandon ability able about above absent absorb abstract absurd abuse access accident",
        "abandon ability",
    ),
    ("my password is incorrect", None),
    ("The password is required.", None),
    ("mein Passwort ist abgelaufen", None),
    ("my password is secure, I hope", None),
    ("the password is stored as a hash", None),
    ("What's your password?\nnone of your business", None),
    ("Did you change your password?\nalready", None),
    ("Forgot your password? Click here.", None),
    ("the passphrase is a sentence of four words or more", None),
    ("the password field is above the button", None),
)

_WORD = rf"(?<![^\W_]){PASSWORD_WORD}(?:[^\W\d_]{{0,4}})"
_IS = r"(?:is|was|will be|are|ist|lautet|war|est|es|sera|será|è|é|jest|to|är|er|on)"
_OF = r"(?:\s(?:for|to|of|on|at|in|für|zum|vom|von|pour|de|du|del|do|da|para|per|di|voor|van|do|od|от|для|к|till)(?:\s[\w'’.-]{1,20}){1,5}?)?"
_OWN = r"(?:my|our|his|her|their|the|mein|unser|das|dein|mon|notre|le|mi|nuestra|la|mia|minha|nossa|a|mijn|ons|het|moje|nasze|mitt|min)"
_END = r"(?=['\"”»]?(?:[.!?,;)]*\s*(?:$|\n)|[.!?,;)]+\s|\s(?:and|so|but|und|et|y|e|en|i|och)\s))"
_SECRET = r"[^\s'\"`,;<>{}()\[\]]{6,64}"
_PLAIN = r"[^\W\d_][\w-]{4,38}[^\W_]"
_SAID_WORD = rf"(?<!\w){_OWN}\s(?:[\w'-]{{1,15}}\s){{0,3}}?{_WORD}{_OF}\s{_IS}:?\s['\"“«]?(?P<value>{_PLAIN}){_END}"
_SAID = rf"{_WORD}{_OF}(?:\s{_IS}:?\s|\s?:\s?|\s?[是为為はが은는]\s?)['\"“«]?(?P<value>{_SECRET})"
_NAMED = rf"{_WORD}{_OF}\s['\"“«]?(?P<value>(?=\S{{0,60}}\d){_SECRET})"
_BEHIND = rf"(?<!\S)['\"“]?(?P<value>{_SECRET}?)['\"”]?\s(?:as|is|for|als|comme|como|come|jako)\s(?:[\w'-]{{1,12}}\s){{1,3}}?{_WORD}"
_LOGIN = (
    r"\b(?:login|log ?in|credentials?|creds|user(?:name)?|account)(?:\s(?:is|are|as|with)|:){0,2}\s[\w.@-]{1,40}\s?[/:]\s?"
    rf"(?:pass(?:word)?:?\s)?(?P<value>{_SECRET})"
)
_ASKED = (
    rf"\b(?:what|which|enter|type|give|tell|send|your|wie|welches|ihr|quel|cu[aá]l|qual|quale|wat|jakie|votre|su|tu|sua|uw)\b[^?\n]{{0,40}}?{_WORD}"
    rf"{_OF}\s?[?:]"
)
_ANSWERED = rf"{_ASKED}{ANSWER}(?P<value>(?=\S{{0,60}}\d){_SECRET})\s{{0,3}}(?:$|\n)"
_ANSWERED_WORD = rf"{_ASKED}\n~\n(?P<value>{_PLAIN})[.!]?\n~"
_TOLD = rf"{_WORD}{_OF}\s{_IS}\n~\n(?P<value>{_SECRET})\n~"
_QUOTED = rf"\b(?:use|with|enter|type|try)\s(?:[\w'-]{{1,12}}\s){{0,3}}?{_WORD}\s['\"“](?P<value>{_PLAIN})['\"”]"
_PHRASE = (
    r"\b(?:pass ?phrase|(?:seed|recovery|mnemonic|secret) (?:phrase|words)|mnemonic)(?:\s(?:is|are)|:|=){1,2}\s{0,3}['\"“]?"
    r"(?P<value>(?:[a-z]{3,10}[ -]){3,23}[a-z]{3,10})\b"
)

_SAID_OF_PASSWORDS = frozenset(
    (
        "correct incorrect invalid valid wrong right strong stronger strongest simple simpler complex secret secure insecure unsafe public private unique "
        "default random unknown different identical similar important mandatory optional missing absent present blank empty plain plaintext encrypted "
        "hashed always never already actually really probably usually currently simply basically exactly nothing something anything whatever everything "
        "perfect common confidential personal temporary permanent numeric alphanumeric enough longer shorter better weaker easier harder better "
        "therefore however because usually generic standard legacy secure obsolete visible hidden active inactive string number integer boolean "
        "thanks please sorry maybe hello forgotten broken written chosen known shown given taken stolen compromised myself yourself nowhere "
        "falsch richtig korrekt sicher unsicher geheim einfach komplex leer gültig ungültig abgelaufen vergessen verloren gestohlen gespeichert schwach "
        "erforderlich notwendig bekannt unbekannt anders gleich nichts niemals immer leider wichtig zufällig verschlüsselt gesperrt "
        "oublié expiré perdu faible correcte incorrecte invalide valide sécurisé secrète simple difficile requis obligatoire toujours jamais inconnu "
        "incorrecta correcta segura insegura débil fuerte secreta inválida válida olvidada caducada obligatoria requerida siempre nunca errata "
        "corretta sbagliata sicura debole scaduta obbligatoria sempre errada correta inválida expirada obrigatória fraca forte secreta sempre verlopen "
        "vergeten veilig onveilig verplicht onjuist zwak sterk nieprawidłowe poprawne bezpieczne słabe wymagane tajne fel rätt säkert svagt"
    ).split()
)
_PREDICATE = re.compile(
    r".{3,}(?:ed|ing|ly|able|ible|ive|less|ous|ful|ant|ent|ary|ory|ized|ised|iert|bar|lich|ado|ada|ato|ata)"
)
"""Endings of what is said about a password, rather than the password."""
_FUNCTION_WORDS = frozenset(
    "the and for you your not that this with are was has have must should can will from but all any too only more than when which what who our its "
    "consists sentence words long least used made called".split()
)
_STRONG_SIGNS = frozenset("!#$%&*?+^~=@")


def is_chosen_word(text: str) -> bool:
    """Tell a word that serves as a password from one that is said about passwords."""
    word = text.lower()
    return not (is_placeholder(text) or word in _SAID_OF_PASSWORDS or _PREDICATE.fullmatch(word))


def is_mixed(text: str) -> bool:
    """Say whether a text mixes letters and digits as nothing but a password does, whatever stands around it."""
    text = text.rstrip(".!?:")
    if is_placeholder(text) or is_template(text) or is_reference(text) or is_place(text) or len(text) < 6:
        return False
    has_sign = not _STRONG_SIGNS.isdisjoint(text)
    has_both = any(map(str.isalpha, text)) and any(map(str.isdigit, text))
    return has_both and (has_sign or not is_wordy(text) or re.fullmatch(r"[^\W\d_]{4,}\d{1,4}", text) is not None)


def _is_strong(text: str) -> bool:
    """Ask for a sign, too, where no verb says that this is the password."""
    return is_mixed(text) and not _STRONG_SIGNS.isdisjoint(text.rstrip(".!?:")) and "=" not in text


def _is_answer(text: str) -> bool:
    if is_template(text) or is_reference(text) or is_place(text):
        return False
    return any(map(str.isalpha, text)) and (any(map(str.isdigit, text)) or text.isalpha()) and is_chosen_word(text)


def _is_phrase(text: str) -> bool:
    return _FUNCTION_WORDS.isdisjoint(re.split(r"[ -]", text.lower()))


def build() -> list[Checked]:
    """Give one recognizer per way of telling."""
    return [
        Checked("PASSWORD", "said_password", [
            Expression("named", _NAMED, 0.6), Expression("behind", _BEHIND, 0.6), Expression("login", _LOGIN, 0.6),
        ], value_check=_is_strong),
        Checked("PASSWORD", "password_sentence", [Expression("said", _SAID, 0.7)], value_check=is_mixed),
        Checked("PASSWORD", "password_word", [Expression("said", _SAID_WORD, 0.6), Expression("quoted", _QUOTED, 0.6)], value_check=is_chosen_word),
        Checked("PASSWORD", "password_answer", [
            Expression("next line", _ANSWERED, 0.6), Expression("next message", _ANSWERED_WORD, 0.6), Expression("rest", _TOLD, 0.6),
        ], value_check=_is_answer),
        Checked("PASSWORD", "passphrase", [Expression("phrase", _PHRASE, 0.6)], value_check=_is_phrase),
    ]  # fmt: skip
