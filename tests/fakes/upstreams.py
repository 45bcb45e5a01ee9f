"""A router with an upstream of every kind behind it, and a fake engine; each upstream takes whatever it is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from router.selftest.dialects import bedrock, cohere
from tests.fakes import gemini as google
from tests.fakes.gemini import Gemini
from tests.fakes.scripted import Asked, Reply, Scripted, scripted
from tests.fakes.stack import Stack, running

KINDS = ("chat-only", "all", "claude", "gemini", "cohere", "bedrock")
"""Names of the models, one for each kind: OpenAI's chat alone, all of OpenAI's, and the vendors with dialects of their own."""


class Upstreams(NamedTuple):
    """Handles of it all."""

    stack: Stack
    gemini: Gemini
    others: Scripted
    """Cohere and Bedrock."""


def vendors(asked: Asked) -> Reply:
    """Play Cohere and Bedrock, which take anything."""
    if asked.path == "/v2/chat":
        if json.loads(asked.body)["stream"]:
            return Reply(list(cohere.events("m", "word by word")), content_type="text/event-stream")
        return Reply([cohere.whole("m", "word by word")])
    if asked.path.endswith("/converse-stream"):
        return Reply(list(bedrock.events("m", "word by word")), content_type=bedrock.STREAM_TYPE)
    return Reply([bedrock.whole("m", "word by word")])


@asynccontextmanager
async def every_upstream(
    folder: Path, privacy: dict[str, object], *, fallback_local: bool = True
) -> AsyncGenerator[Upstreams]:
    """Start a router with an upstream of every kind, and a fake engine."""
    async with google.gemini() as fake, scripted(vendors) as others:
        fake.strict = False
        (folder / "key").write_text(google.KEY)
        keys = {"access_key_id": "file:key", "secret_access_key": "file:key"}
        upstreams = {
            "claude": "claude-sonnet-4-5",
            "gemini": "gemini-3-flash-preview",
            "cohere": "command-a-03-2025",
            "bedrock": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        }

        def config(cloud: Any) -> dict[str, object]:
            plain = {"kind": "openai_compatible", "base_url": cloud.url, "api_key": "env:CLOUD_KEY"}
            base = cloud.url.removesuffix("/v1")
            return {
                "server": {"deadline_s": 4, "max_body_bytes": 300_000},
                "providers": {
                    "chat-only": plain,
                    "all": {**plain, "endpoints": ["chat", "completions", "embeddings", "responses"]},
                    "claude": {"kind": "anthropic", "base_url": base, "api_key": "env:CLOUD_KEY"},
                    "gemini": {"kind": "gemini", "base_url": f"{fake.url}/v1beta", "api_key": "file:key"},
                    "cohere": {"kind": "cohere", "base_url": others.url, "api_key": "env:CLOUD_KEY"},
                    "bedrock": {"kind": "bedrock", "region": "eu-central-1", "base_url": others.url, **keys},
                },
                "models": {
                    name: {"deployments": [{"provider": name, "model": upstreams.get(name, "ok")}]} for name in KINDS
                },
                "privacy": privacy,
                "routing": {
                    "auto": {"strategy": "weighted", "among": ["chat-only", "all"]},
                    "retries": 0,
                    "fallback_local": fallback_local,
                    "breaker": {"failures": 1_000_000, "error_ratio": 1},
                },
            }

        async with running(folder, config) as stack:
            stack.cloud.recording = False
            yield Upstreams(stack, fake, others)
