"""Parts of messages that whoever reads them would have to fetch."""

from __future__ import annotations

import json

import pytest

from router.core.types import JsonValue
from router.wire.openai_media import fetched_part

AWAY = "https://example.com/a.png"
DATA = "data:image/png;base64,AAAA"


@pytest.mark.parametrize("address", [AWAY, "http://169.254.169.254/latest", "file:///etc/passwd", "//host/a", "ftp://x", "", " " + DATA, "x" + DATA])  # fmt: skip
@pytest.mark.parametrize(
    "part",
    [
        '{"type": "image_url", "image_url": {"url": "ADDRESS"}}',
        '{"type": "image_url", "image_url": "ADDRESS"}',
        '{"image_url": {"url": "ADDRESS"}}',
        '{"type": "text", "text": "hi", "uuid": "1", "video_url": "ADDRESS"}',
        '{"type": "audio_url", "audio_url": {"url": "ADDRESS"}}',
        '{"type": "input_image", "image_url": "ADDRESS"}',
        '{"type": "input_file", "file_url": "ADDRESS"}',
        '{"type": "file", "file": {"file_url": "ADDRESS"}}',
        '{"type": "image", "source": {"type": "url", "url": "ADDRESS"}}',
        '{"type": "new", "Video_URL": {"URL": "ADDRESS"}}',
    ],
)  # fmt: skip
def test_an_address_is_found_whatever_the_part_is_called(part: str, address: str) -> None:
    parts: JsonValue = [{"type": "text", "text": "what is this?"}, json.loads(part.replace("ADDRESS", address))]
    assert fetched_part(["hello", None, parts]) == "messages[2].content[1]"


@pytest.mark.parametrize(
    "content",
    [
        f"see {AWAY}",
        None,
        [],
        [{"type": "text", "text": AWAY}],
        [{"type": "image_url", "image_url": {"url": DATA, "detail": "low"}}],
        [{"type": "image_url", "image_url": {"url": DATA.upper()}}],
        [{"type": "image_url", "image_url": None, "uuid": "known"}],
        [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
        [{"type": "file", "file": {"file_data": DATA, "filename": "a.pdf"}}],
        [{"type": "text", "text": "so it is", "annotations": [{"url_citation": {"url": AWAY}}]}],
        [AWAY],
        {"url": AWAY},
    ],
)
def test_what_is_in_the_request_is_nobody_s_to_fetch(content: JsonValue) -> None:
    assert fetched_part([content]) is None
