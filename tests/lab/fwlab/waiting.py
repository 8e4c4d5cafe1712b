# SPDX-License-Identifier: Apache-2.0
"""Waiting for what is about to become true: for every test that has to, with an upper bound and a reason when it does not."""
import time


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
