# Undersign on one machine: docs/self-hosting.md says how to run it, and compose.yaml runs it behind Caddy.
FROM python:3.13-slim-trixie

WORKDIR /app

# Wheels alone: nothing is compiled, so the image needs no compiler.
COPY requirements/server.txt requirements/
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/server.txt

COPY desk desk
COPY functions functions
COPY infra/deploy infra/deploy
COPY shared shared

# The organisers' command; and whatever umask the files were cloned with, the user below may read them. Its number is
# no user of the host.
RUN printf '#!/bin/sh\nexec python -m desk.main "$@"\n' > /usr/local/bin/undersign \
    && chmod 755 /usr/local/bin/undersign \
    && chmod -R a+rX /app \
    && python -m compileall -q desk functions shared \
    && install -d -m 700 -o 10001 -g 10001 /data

USER 10001:10001
VOLUME /data
ENV STORE=sqlite TASKS=local MAIL=smtp LOCAL_FOLDER=/data CAMPAIGNS_FOLDER=/campaigns HOST=0.0.0.0 PORT=8080
EXPOSE 8080
HEALTHCHECK --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/v1/health/sign', timeout=5)"]
CMD ["python", "-m", "functions.server"]
