"""The server's process: MiniStack with our additions, on one port of 127.0.0.1, over TLS.

    python -m local.server STATE_FOLDER [--attached]

It ends with everything that it started: when it is told to, and with `--attached` when its standard
input closes, which the system does for whoever started it, however that one died.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from local import ACCOUNT, REGION, SECRET
from local.certificate import Certificate, make_certificate

DESCRIPTION = "cloud.json"
LOCK = "lock"
_GRACE = 5.0  # seconds for what additions have to do at the end
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="The local cloud's server.")
    parser.add_argument("folder", type=Path, help="all that it writes lies there")
    parser.add_argument("--attached", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # Held as long as the process lives, whatever ends it: who cannot take it knows that it runs.
    with (folder / LOCK).open("w") as lock:
        try:
            _take(lock)
        except BlockingIOError:
            sys.exit(f"another server runs on {folder}")
        _run(folder, attached=arguments.attached)


@retry(
    retry=retry_if_exception_type(BlockingIOError),
    stop=stop_after_delay(1),  # whoever asks whether we run holds it for an instant
    wait=wait_fixed(0.05),
    reraise=True,
)
def _take(lock: IO[str]) -> None:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _run(folder: Path, *, attached: bool) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    endpoint = f"https://127.0.0.1:{listener.getsockname()[1]}"
    certificate = make_certificate(folder / "certificate")
    for name in ("tmp", "s3", "state", "mailbox", "emr"):
        # Every start is that of a new account; what people read stays until then.
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    os.environ.update(_settings(folder, endpoint, certificate))
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        # For the Lambdas, which shall find what their package has and not what lies here.
        del os.environ[name]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    import_module("local.extensions").install()
    description = folder / DESCRIPTION
    description.with_suffix(".new").write_text(
        json.dumps(
            {
                "endpoint": endpoint,
                "pid": os.getpid(),
                "region": REGION,
                "ca_bundle": str(certificate.bundle),
                "mailbox": str(folder / "mailbox"),
                "attached": attached,
            },
            indent=2,
        )
    )
    description.with_suffix(".new").rename(description)
    asyncio.run(_serve(listener, certificate, attached=attached))


def _settings(folder: Path, endpoint: str, certificate: Certificate) -> dict[str, str]:
    """The environment that MiniStack, our additions and the Lambdas' processes live in."""
    bundle = str(certificate.bundle)
    return {
        "LOCAL_STATE": str(folder),
        "LOCAL_ENDPOINT": endpoint,
        "LOCAL_CA_BUNDLE": bundle,
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": endpoint.rsplit(":", 1)[-1],
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///no/docker/wanted",
        # Nobody watches a Wait or a Retry's pause pass, which are made for clusters of minutes.
        "SFN_WAIT_SCALE": os.environ.get("SFN_WAIT_SCALE", "0.02"),
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate.certificate),
        "MINISTACK_SSL_KEY": str(certificate.key),
        "TMPDIR": str(folder / "tmp"),
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CA_BUNDLE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


async def _serve(listener: socket.socket, certificate: Certificate, *, attached: bool) -> None:
    # Only now: they read the environment when they are imported.
    hypercorn: Any = import_module("hypercorn.asyncio")
    application = import_module("ministack.app").app
    config = import_module("hypercorn.config").Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.certfile, config.keyfile = str(certificate.certificate), str(certificate.key)
    config.alpn_protocols = ["http/1.1"]
    config.keep_alive_timeout = 75

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, told.set)
    if attached:
        threading.Thread(target=_watch_input, args=(loop, told), daemon=True).start()

    async def stop() -> None:
        await told.wait()
        threading.Timer(_GRACE, _kill).start()
        await asyncio.to_thread(import_module("local.extensions.patching.shutdown").end_all)
        # Requests under way are not waited for: whoever ends the cloud wants none of it any more.
        _kill()

    await hypercorn.serve(application, config, shutdown_trigger=stop)


def _watch_input(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    sys.stdin.buffer.read()
    loop.call_soon_threadsafe(told.set)


def _kill() -> None:
    """End this process and its children, none of which has anything left to do."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
