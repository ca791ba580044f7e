# A small image: the wheel is built in one stage, installed in the other.
#
#   docker build -t tinode-py .
#   docker run -d --name chat -p 6060:6060 -v chat-data:/data tinode-py
#   docker exec chat tinode-py user list
#
# It runs as a user of its own; all that lasts is in the volume /data.

FROM python:3.13-slim AS built
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY cli cli
COPY schema schema
COPY tinode_py tinode_py
RUN python -m venv /opt/tinode-py \
    && /opt/tinode-py/bin/pip install --no-cache-dir -c constraints.txt . \
    && /opt/tinode-py/bin/pip uninstall -y pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin tinode \
    && install -d -o tinode -g tinode -m 700 /data
COPY --from=built /opt/tinode-py /opt/tinode-py
ENV PATH=/opt/tinode-py/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TINODE_SERVER__DATA=/data \
    TINODE_SERVER__LISTEN=0.0.0.0:6060
USER tinode
WORKDIR /data
VOLUME /data
EXPOSE 6060
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:6060/health/ready', timeout=2)"]
ENTRYPOINT ["tinode-py"]
CMD ["serve"]
