# SPDX-License-Identifier: Apache-2.0
"""How a demonstration speaks: numbered lines that say what is proven, and commands with what they print."""
import sys

BOLD, RED, PLAIN = ('\033[1m', '\033[31m', '\033[0m') if sys.stdout.isatty() else ('', '', '')


class Failed(Exception):
    pass


class Steps:
    def __init__(self):
        self.number = 0

    def proven(self, text, ok=True, why=''):
        """One line per step; a step that does not hold ends the demo."""
        self.number += 1
        print(f'{BOLD}{self.number:2}. {text}{PLAIN}' if ok else f'{RED}{self.number:2}. NOT SO: {text}{PLAIN}', flush=True)
        if not ok:
            raise Failed(why)

    @staticmethod
    def shows(command, text):
        print(f'    $ {command}')
        print('\n'.join(f'      {line}' for line in text.rstrip().splitlines()), flush=True)
