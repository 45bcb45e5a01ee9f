# The engine host with vLLM's CPU build. torch's CPU build comes from PyTorch's own index.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/engine-cpu.txt requirements/
RUN /venv/bin/pip install --no-cache-dir --no-deps -r requirements/engine-cpu.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends libnuma1 libgomp1 gcc g++ libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home sona && install -d -o sona -g sona /var/lib/sona
COPY --from=build /venv /venv
WORKDIR /app
COPY router router
COPY sona sona
COPY local_inference local_inference
COPY configs configs
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/var/lib/sona XDG_CACHE_HOME=/var/lib/sona/cache \
    TORCHINDUCTOR_CACHE_DIR=/var/lib/sona/cache/inductor
USER sona
VOLUME /var/lib/sona
EXPOSE 8001
CMD ["python", "-m", "local_inference", "--config", "configs/docker/local.yaml"]
