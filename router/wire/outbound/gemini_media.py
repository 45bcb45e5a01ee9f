"""Images, sounds and files of a chat request as parts of a Gemini request; no I/O."""

from __future__ import annotations

import re
import string

import msgspec

from router.core.errors import InvalidRequest, UnsupportedFeature
from router.wire.outbound._hub import Fields, ImageUrl

IMAGES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/heif")
"""Source: https://ai.google.dev/gemini-api/docs/image-understanding (2026-11)."""

_BY_ENDING = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
"""Images that Gemini fetches itself, by the ending of the URL's path, for it must be told the type.

Source: https://ai.google.dev/gemini-api/docs/file-input-methods (2026-11).
"""

_SOUNDS = {
    "wav": "audio/wav", "mp3": "audio/mp3", "aac": "audio/aac", "flac": "audio/flac", "ogg": "audio/ogg",
    "aiff": "audio/aiff",
}  # fmt: skip
"""Source: https://ai.google.dev/gemini-api/docs/audio (2026-11)."""

_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
_FILES = ("application/pdf", "application/json")
_URL_ENDING = re.compile(r"https://[^/?#]+/[^?#]*\.(\w{1,5})(?:[?#].*)?", re.IGNORECASE | re.DOTALL)


class Audio(msgspec.Struct):
    """See OpenAI's `input_audio`."""

    data: str
    format: str


class File(msgspec.Struct):
    """See OpenAI's `file`."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(msgspec.Struct):
    """One part of a message's content."""

    type: str
    text: str = ""
    refusal: str = ""
    image_url: ImageUrl | None = None
    input_audio: Audio | None = None
    file: File | None = None
    cache_control: Fields | None = None


def encode(part: Part, param: str, *, by_url: bool, dropped: set[str]) -> Fields:
    """Translate a part that isn't text; `by_url` says whether the model fetches images itself.

    Raises:
        InvalidRequest: it isn't what its type says.
        UnsupportedFeature: Gemini has no place for it.
    """
    match part.type, part.image_url, part.input_audio, part.file:
        case "image_url", ImageUrl() as image, _, _:
            if image.detail not in (None, "auto"):
                dropped.add("image_url.detail")
            return _image(image.url, f"{param}.image_url", by_url=by_url)
        case "input_audio", _, Audio() as audio, _:
            if audio.format.lower() not in _SOUNDS:
                what = f"a Gemini target takes audio in these formats: {', '.join(_SOUNDS)}"
                raise UnsupportedFeature(what, param=f"{param}.input_audio.format")
            return _inline(_SOUNDS[audio.format.lower()], audio.data, f"{param}.input_audio")
        case "file", _, _, File() as file:
            return _file(file, f"{param}.file", dropped)
        case (("image_url" | "input_audio" | "file"), _, _, _):
            raise InvalidRequest("a content part lacks what its type names", param=f"{param}.{part.type}")
        case _:
            raise UnsupportedFeature("this content part can't be translated for a Gemini target", param=param)


def _image(url: str, param: str, *, by_url: bool) -> Fields:
    if url[:8].lower() == "https://":
        ending = _URL_ENDING.fullmatch(url)
        media_type = _BY_ENDING.get(ending[1].lower()) if ending else None
        if not by_url or media_type is None:
            what = "this model takes images by data URL; by https URL only if it is new enough, and the URL ends as one of "
            raise UnsupportedFeature(what + ", ".join(_BY_ENDING), param=param)
        return {"fileData": {"mimeType": media_type, "fileUri": url}}
    media_type, data = _data_url(url, "an image", param)
    if media_type not in IMAGES:
        raise UnsupportedFeature(f"a Gemini target takes images of these types: {', '.join(IMAGES)}", param=param)
    return _inline(media_type, data, param)


def _file(file: File, param: str, dropped: set[str]) -> Fields:
    if file.file_id is not None or file.file_data is None:
        raise UnsupportedFeature("a Gemini target takes files by 'file_data' only", param=param)
    if file.filename:
        dropped.add("file.filename")
    media_type, data = _data_url(file.file_data, "a file", f"{param}.file_data")
    if media_type not in (*_FILES, *IMAGES, *_SOUNDS.values()) and not media_type.startswith("text/"):
        raise UnsupportedFeature("a Gemini target takes no files of this type", param=f"{param}.file_data")
    return _inline(media_type, data, f"{param}.file_data")


def _data_url(url: str, what: str, param: str) -> tuple[str, str]:
    """Split a data URL into media type and base64.

    Raises:
        InvalidRequest: it is none.
    """
    head, _, data = url.partition(",")
    head = head.lower()
    media_type = head.removeprefix("data:").partition(";")[0].replace("image/jpg", "image/jpeg")
    if not (head.startswith("data:") and head.endswith(";base64") and media_type and data):
        raise InvalidRequest(f"{what} must be base64 in a data URL, like data:TYPE;base64,…", param=param)
    return media_type, data


def _inline(media_type: str, data: str, param: str) -> Fields:
    """Check that data is base64 without decoding it: there may be megabytes."""
    bare = data.rstrip("=")
    is_base64 = bare.isascii() and not bare.encode().translate(None, _BASE64) and len(data) - len(bare) <= 2
    if not is_base64 or not bare or len(data) % 4:
        raise InvalidRequest("the data isn't base64", param=param)
    return {"inlineData": {"mimeType": media_type, "data": data}}
