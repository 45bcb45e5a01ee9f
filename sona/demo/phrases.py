"""Reads the phrase tables that the generators hold as blocks of text."""

Row = tuple[str, tuple[str, ...], tuple[str, ...]]


def lines(text: str) -> tuple[str, ...]:
    r"""Split a block into its lines; a written-out `\n` in a line stands for a line break."""
    return tuple(line.replace("\\n", "\n") for line in text.strip("\n").split("\n"))


def table(text: str) -> tuple[Row, ...]:
    """Read paragraphs of a head line, `- ` lines (train phrasings) and `? ` lines (held-out ones).

    Phrasings on one line are separated by ` | `.
    """
    rows: list[Row] = []
    for block in text.strip("\n").split("\n\n"):
        head, *rest = block.split("\n")
        train = [phrase for line in rest if line.startswith("- ") for phrase in line[2:].split(" | ")]
        held_out = [phrase for line in rest if line.startswith("? ") for phrase in line[2:].split(" | ")]
        rows.append((head, tuple(train), tuple(held_out)))
    return tuple(rows)
