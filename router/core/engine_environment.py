"""Which variables of its parent's environment an engine process gets: those that name its tools, and none that holds a cloud's key."""

from __future__ import annotations

from collections.abc import Collection, Mapping

NAMES = frozenset(
    {
        # the person, the machine and its programs
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME", "TZ", "LANG", "LANGUAGE", "VIRTUAL_ENV"),
        *("TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
        # the compilers of kernels
        *("CC", "CXX", "CPATH", "LIBRARY_PATH"),
        # the way to the hub that has the base model
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)
PREFIXES = (
    *("LC_", "LD_", "PYTHON"),
    *("VLLM_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TOKENIZERS_", "SAFETENSORS_", "FLASHINFER_"),
    *("TORCH", "PYTORCH_", "TRITON_", "NCCL_", "GLOO_"),
    *("CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_", "HIP_", "HSA_", "ROCR_", "ROCM_", "GPU_"),
    *("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "DNNL_", "ONEDNN_"),
)


def engine_environment(environment: Mapping[str, str], named: Collection[str] = ()) -> dict[str, str]:
    """Pick what an engine process gets; `named` are variables that the configuration adds."""
    return {
        name: value
        for name, value in environment.items()
        if name in NAMES or name in named or name.startswith(PREFIXES)
    }
