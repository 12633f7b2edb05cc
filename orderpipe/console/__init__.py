"""The web server of an installation: the doors receivers report to."""
