"""The whole system on one machine: an emulator of AWS, and the engines that it lacks."""

ACCOUNT = "000000000000"
REGION = "eu-west-1"
# The emulator takes an account's number as the key of its root user, with this secret.
SECRET = "local"  # noqa: S105 - it opens nothing but a server on this machine
