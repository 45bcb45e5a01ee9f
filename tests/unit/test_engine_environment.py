"""What an engine process gets of its parent's environment."""

from __future__ import annotations

import pytest

from router.core.engine_environment import engine_environment


@pytest.mark.parametrize(
    "name",
    [
        *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "COHERE_API_KEY", "DATABASE_URL", "PGPASSWORD", "SONA_ENGINE_KEY"),
        *("ROUTER_KEY", "GITHUB_TOKEN", "path", "MY_VLLM_KEY", ""),
    ],
)
def test_a_key_is_not_handed_on_unless_it_is_named(name: str) -> None:
    assert engine_environment({name: "secret", "PATH": "/bin"}) == {"PATH": "/bin"}
    assert engine_environment({name: "secret"}, {name}) == {name: "secret"}


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "HTTPS_PROXY", "no_proxy", "PYTHONPATH"),
        *("VLLM_CPU_OMP_THREADS_BIND", "HF_HOME", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
        *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LD_LIBRARY_PATH"),
        *("TORCHINDUCTOR_CACHE_DIR", "TORCH_HOME", "NCCL_DEBUG", "TRITON_CACHE_DIR", "OPENBLAS_NUM_THREADS"),
    ],
)
def test_what_names_tools_and_devices_is(name: str) -> None:
    assert engine_environment({name: "x"}) == {name: "x"}


def test_a_name_that_is_not_set_is_left_out() -> None:
    assert engine_environment({}, ("AWS_PROFILE",)) == {}
