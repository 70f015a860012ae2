"""The server process of a local cloud: MiniStack with our extensions, over TLS on 127.0.0.1.

    python -m local.server STATE_FOLDER [--stop-with-parent]

The server stops, together with every process that it started, when it receives a termination
signal. With `--stop-with-parent` it also stops when its standard input closes: the operating system
closes that pipe when the parent process ends, however it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import string
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from local import ACCOUNT, REGION
from local.administration import hide_administration
from local.certificate import CertificateFiles, create_certificate
from local.server_files import DESCRIPTION_FILE, LOCK_FILE

_SHUTDOWN_TIMEOUT = 5.0  # seconds that the shutdown hooks of the extensions may take
_ACCESS_KEY_CHARACTERS = string.ascii_uppercase + "234567"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Serve until the process receives a stop signal."""
    parser = argparse.ArgumentParser(description="Run the server of a local cloud.")
    parser.add_argument("folder", type=Path, help="folder for all files of the local cloud")
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="stop when standard input closes"
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # The operating system releases the lock when this process ends, however it ends. Other
    # processes test the lock to find out whether the server is running.
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            _acquire(lock)
        except BlockingIOError:
            sys.exit(f"another server is already running in {folder}")
        _run(folder, stop_with_parent=arguments.stop_with_parent)


@retry(
    retry=retry_if_exception_type(BlockingIOError),
    stop=stop_after_delay(1),  # a process that tests the lock holds it for an instant
    wait=wait_fixed(0.05),
    reraise=True,
)
def _acquire(lock: IO[str]) -> None:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _run(folder: Path, *, stop_with_parent: bool) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    endpoint = f"https://127.0.0.1:{listener.getsockname()[1]}"
    certificate = create_certificate(folder / "certificate")
    for name in ("tmp", "s3", "state", "mailbox", "emr"):
        # Each start begins with an empty account. The old files stay readable until then.
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    access_key = _create_access_key()
    os.environ.update(_environment(folder, endpoint, certificate) | access_key)
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        # Lambda functions inherit the environment, and must import only what their package has.
        del os.environ[name]
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    import_module("local.extensions").install()
    _write_description(
        folder / DESCRIPTION_FILE,
        {
            "endpoint": endpoint,
            "pid": os.getpid(),
            "region": REGION,
            "ca_bundle": str(certificate.ca_bundle),
            "mailbox_folder": str(folder / "mailbox"),
            "stops_with_parent": stop_with_parent,
            "access_key": access_key,
        },
    )
    asyncio.run(_serve(listener, certificate, stop_with_parent=stop_with_parent))


def _create_access_key() -> dict[str, str]:
    """Return a new access key of the account's root user as environment variables."""
    key_id = "".join(secrets.choice(_ACCESS_KEY_CHARACTERS) for _ in range(16))
    return {
        "AWS_ACCESS_KEY_ID": f"AKIA{key_id}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),  # 40 characters, as on AWS
    }


def _write_description(file: Path, description: dict[str, Any]) -> None:
    """Write the file with which `local.cloud` finds this server, all at once."""
    new_file = file.with_suffix(".new")
    new_file.unlink(missing_ok=True)
    new_file.touch(mode=0o600)  # it contains the root user's access key
    new_file.write_text(json.dumps(description, indent=2))
    new_file.rename(file)


def _environment(folder: Path, endpoint: str, certificate: CertificateFiles) -> dict[str, str]:
    """Return the variables that MiniStack, the extensions, and Lambda processes read."""
    ca_bundle = str(certificate.ca_bundle)
    return {
        "LOCAL_STATE": str(folder),
        "LOCAL_ENDPOINT": endpoint,
        "LOCAL_CA_BUNDLE": ca_bundle,
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": endpoint.rsplit(":", 1)[-1],
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///docker/is/disabled",
        # Wait states and retry intervals are sized for clusters that take minutes to start.
        "SFN_WAIT_SCALE": os.environ.get("SFN_WAIT_SCALE", "0.02"),
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate.certificate),
        "MINISTACK_SSL_KEY": str(certificate.key),
        "TMPDIR": str(folder / "tmp"),
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CA_BUNDLE": ca_bundle,
        "REQUESTS_CA_BUNDLE": ca_bundle,
        "SSL_CERT_FILE": ca_bundle,
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


async def _serve(
    listener: socket.socket, certificate: CertificateFiles, *, stop_with_parent: bool
) -> None:
    # Imported here because these modules read the environment when they are imported.
    hypercorn: Any = import_module("hypercorn.asyncio")
    application = hide_administration(import_module("ministack.app").app)
    config = import_module("hypercorn.config").Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.certfile, config.keyfile = str(certificate.certificate), str(certificate.key)
    config.alpn_protocols = ["http/1.1"]
    config.keep_alive_timeout = 75

    stop_requested = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop_requested.set)
    if stop_with_parent:
        threading.Thread(target=_watch_input, args=(loop, stop_requested), daemon=True).start()

    async def stop() -> None:
        await stop_requested.wait()
        threading.Timer(_SHUTDOWN_TIMEOUT, _exit).start()
        shutdown = import_module("local.extensions.patching.shutdown")
        await asyncio.to_thread(shutdown.run_shutdown_hooks)
        # Do not wait for open requests: nobody needs their responses once the cloud is stopped.
        _exit()

    await hypercorn.serve(application, config, shutdown_trigger=stop)


def _watch_input(loop: asyncio.AbstractEventLoop, stop_requested: asyncio.Event) -> None:
    sys.stdin.buffer.read()
    loop.call_soon_threadsafe(stop_requested.set)


def _exit() -> None:
    """End this process at once, and kill its child processes."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()
