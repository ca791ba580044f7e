"""What is offered for deploying: the image's recipe, the unit, the proxies' files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import DOCS, ROOT, blocks
from tinode_py.config import Settings, load

DEPLOY = DOCS / "deploy"


def test_the_image_gets_all_that_the_package_is_made_of() -> None:
    recipe = (ROOT / "Dockerfile").read_text("utf-8")
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", recipe, re.M)
              for name in line.split()}  # fmt: skip
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    folders = set(packages["tool"]["setuptools"]["package-dir"].values())
    assert copied == folders | {"pyproject.toml", "README.md", "LICENSE", "constraints.txt"}
    allowed = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in allowed if line.startswith("!")} == copied


def test_the_image_is_not_roots_and_says_whether_it_is_well() -> None:
    recipe = (ROOT / "Dockerfile").read_text("utf-8")
    assert recipe.index("\nUSER tinode") < recipe.index("\nENTRYPOINT")
    assert "/health/ready" in recipe.partition("HEALTHCHECK")[2]
    environ = dict(re.findall(r"(TINODE_\w+)=(\S+)", recipe))
    settings = load(environ=environ)
    assert (settings.server.data, settings.server.listen) == ("/data", ("0.0.0.0:6060",))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_unit_is_one(tmp_path: Path) -> None:
    text = (DEPLOY / "tinode-py.service").read_text("utf-8")
    program = tmp_path / "tinode-py"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "tinode-py.service"
    unit.write_text(text.replace("/opt/tinode-py/bin/tinode-py", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    said = [line for line in done.stderr.splitlines() if "tinode-py.service" in line]
    assert said == []


def test_the_unit_lets_the_drain_end() -> None:
    text = (DEPLOY / "tinode-py.service").read_text("utf-8")
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.M)
    assert int(stop) > Settings().server.drain_seconds


def test_proxies_take_what_the_server_takes() -> None:
    size = Settings().limits.file_size
    for name in ("nginx.conf", "Caddyfile"):
        text = (DEPLOY / name).read_text("utf-8")
        (megabytes,) = re.findall(r"(?:client_max_body_size|max_size) (\d+)(?:m|MB)", text)
        assert int(megabytes) * 1_000_000 > size, name


def test_pods_get_settings_that_there_are() -> None:
    """What Kubernetes puts into the environment, with an address for a pod."""
    (deployment, *_) = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    values = {
        item["name"]: item.get("value", "").replace("$(POD_IP)", "10.1.2.3")
        for item in container["env"]
        if item["name"].startswith("TINODE_")
    }
    values["TINODE_SERVER__STORE"] = "postgresql://tinode@db/tinode"
    settings = load(environ=values)
    assert settings.cluster.listen == "10.1.2.3:7060"
    assert settings.media.s3.bucket == "tinode"
    assert pod["terminationGracePeriodSeconds"] > settings.server.drain_seconds
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 6060, "cluster": 7060}


def test_the_page_names_every_file() -> None:
    page = (DOCS / "deploying.md").read_text("utf-8")
    for path in DEPLOY.iterdir():
        assert f"deploy/{path.name}" in page
    assert blocks(DOCS / "deploying.md", "sh")
