# The router alone: no torch, no engine. Built from the lock, run without root on a read-only file system.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/router.txt requirements/
RUN /venv/bin/pip install --no-cache-dir --no-deps -r requirements/router.txt

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home sona && install -d -o sona -g sona /var/lib/sona
COPY --from=build /venv /venv
WORKDIR /app
COPY router router
COPY sona sona
COPY configs configs
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER sona
VOLUME /var/lib/sona
EXPOSE 8080
CMD ["python", "-m", "router", "serve", "--config", "configs/docker/router.yaml"]
