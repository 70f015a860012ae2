"""The local cloud: an AWS emulator on one machine, with the engines that the emulator lacks."""

ACCOUNT = "000000000000"
REGION = "eu-west-1"
# MiniStack accepts an account ID as the access key of that account's root user, with this secret.
SECRET = "local"  # noqa: S105 - grants access to nothing but a server on this machine
