# SPDX-License-Identifier: Apache-2.0
"""Waiting for what is about to become true: for every test that has to, with an upper bound and a reason when it does not."""
import time

FOREVER = 1.0  # long enough for a program that answers in milliseconds to do what it must not do


def eventually(check, what, patience=20.0, pause=0.03):
    """Returns check()'s first value that is true; `what` may be a function that tells the state at the end."""
    end = time.monotonic() + patience
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'not within {patience:.0f} s: {what() if callable(what) else what}')
        time.sleep(pause)


def stays(check, what, seconds=FOREVER):
    """What must not happen does not happen for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert check(), what
        time.sleep(0.1)
