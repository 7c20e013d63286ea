"""Where the repository is, and the environment that its tests run programs in.

What tests import has a module of its own, because there are several conftest.py."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def clean_environment(extra=None):
    """The environment without the SHRIKE_* settings of whoever runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHRIKE")}
    environment.update(extra or {})
    return environment
