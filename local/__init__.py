"""The local cloud: an AWS emulator on one machine, with the engines that the emulator lacks."""

ACCOUNT = "000000000000"
REGION = "eu-west-1"
