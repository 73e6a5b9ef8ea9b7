#!/usr/bin/env python3
"""Runs tests of OpenCL code on oclgrind's simulated device and fails on anything it reports: memory errors, data races,
API misuse. Exit status 77: oclgrind is not installed."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", help="a GoogleTest program")
    parser.add_argument("--filter", required=True, help="tests to run, as for --gtest_filter")
    arguments = parser.parse_args()
    simulator = shutil.which("oclgrind")
    if not simulator:
        print("skipped: oclgrind is not installed (package oclgrind)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "log")
        # A cache of its own: programs of another device are no use, and what is found there is not built here.
        environment = dict(os.environ, SARDONYX_CACHE_DIR=str(pathlib.Path(folder, "cache")), SARDONYX_PLUGINS="")
        command = [simulator, "--data-races", "--check-api", "--max-errors", "20", "--log", str(log), arguments.suite,
                   f"--gtest_filter={arguments.filter}"]
        result = subprocess.run(command, env=environment, text=True, capture_output=True)
        findings = log.read_text(errors="replace").strip() if log.exists() else ""
    print(result.stdout[-20000:])
    print(result.stderr[-5000:], file=sys.stderr)
    if not re.search(r"^\[=+\] [1-9]\d* tests? .*ran\.", result.stdout, re.MULTILINE):
        print(f"the tests did not run (exit status {result.returncode})")
        return 1
    if findings:
        print(f"oclgrind reports:\n{findings[:20000]}")
        return 1
    print("oclgrind reports nothing")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
