# SPDX-License-Identifier: Apache-2.0
"""Result lines as bench/report.h describes them, with `ratio` beside: the median of the rounds' own ratios to the baseline.
Each round's ratio compares what ran within seconds of each other, so it says more than the ratio of the medians."""
import json
import statistics


def report(name, unit, samples, better, baseline='', baseline_samples=None):
    median = statistics.median(samples)
    result = {'name': name, 'unit': unit, 'median': round(median, 3), 'min': round(min(samples), 3),
              'max': round(max(samples), 3), 'runs': len(samples), 'baseline': baseline, 'net': round(median, 3), 'better': better}
    if baseline:
        result['net'] = round(median - statistics.median(baseline_samples), 3)
        result['ratio'] = round(statistics.median(a / b for a, b in zip(samples, baseline_samples)), 3)
    print(json.dumps(result), flush=True)
