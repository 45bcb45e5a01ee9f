"""The chat format of the demo model: turns to text, the same as the tokenizer's chat template."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]

PAD = "<|pad|>"
END = "<|end|>"
ROLE_TOKENS: dict[Role, str] = {
    "system": "<|system|>",
    "user": "<|user|>",
    "assistant": "<|assistant|>",
    "tool": "<|tool|>",
}
SPECIAL_TOKENS = (PAD, END, *ROLE_TOKENS.values())

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- set role = message.role if message.role is defined else 'user' -%}
{%- if role == 'developer' -%}{%- set role = 'system' -%}{%- endif -%}
{%- if role == 'function' -%}{%- set role = 'tool' -%}{%- endif -%}
{%- if role not in ['system', 'user', 'assistant', 'tool'] -%}{%- set role = 'user' -%}{%- endif -%}
{{- '<|' ~ role ~ '|>' -}}
{%- if message.content is defined and message.content is string -%}
{{- message.content | trim -}}
{%- elif message.content is defined and message.content is iterable and message.content is not mapping -%}
{{- message.content | selectattr('text', 'defined') | map(attribute='text') | join(' ') | trim -}}
{%- endif -%}
{{- '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; `learn` marks the text that training should predict."""

    role: Role
    text: str
    learn: bool = False


Chat = tuple[Turn, ...]


def render(chat: Chat) -> str:
    """Write a conversation as the model sees it."""
    return "".join(f"{ROLE_TOKENS[turn.role]}{turn.text.strip()}{END}" for turn in chat)


def ask(prompt: str, answer: str, system: str = "") -> Chat:
    """Make a conversation of one question and the answer to learn."""
    turns = (Turn("user", prompt), Turn("assistant", answer, learn=True))
    return (Turn("system", system), *turns) if system else turns
