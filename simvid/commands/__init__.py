"""One file per command; each has ``main(arguments) -> exit code``."""
