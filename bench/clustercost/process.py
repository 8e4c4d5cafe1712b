# SPDX-License-Identifier: Apache-2.0
"""What one process holds of the memory, as the kernel tells."""
import os
import re


def rss_anon(pid):
    """MiB."""
    with open(f'/proc/{pid}/status') as file:
        return int(re.search(r'RssAnon:\s+(\d+) kB', file.read()).group(1)) / 1024


def map_memory(pid):
    """MiB of kernel memory of the BPF maps that a process holds; each map once, however many descriptors name it."""
    sizes = {}
    for fd in os.listdir(f'/proc/{pid}/fdinfo'):
        try:
            with open(f'/proc/{pid}/fdinfo/{fd}') as file:
                text = file.read()
        except FileNotFoundError:  # closed meanwhile
            continue
        number, size = re.search(r'^map_id:\s+(\d+)', text, re.M), re.search(r'^memlock:\s+(\d+)', text, re.M)
        if number and size:
            sizes[number.group(1)] = int(size.group(1))
    return sum(sizes.values()) / 2**20


def pss(pid):
    """MiB, proportional set size; without mapped BPF maps, which map_memory() counts."""
    total, counted = 0, True
    with open(f'/proc/{pid}/smaps') as file:
        for line in file:
            if re.match(r'[0-9a-f]+-[0-9a-f]+ ', line):
                counted = 'bpf-map' not in line
            elif counted and line.startswith('Pss:'):
                total += int(line.split()[1])
    return total / 1024
