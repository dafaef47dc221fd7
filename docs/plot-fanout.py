#!/usr/bin/env python3
"""Plots what measure-fanout.sh has measured: cost and latency against players, as SVG.

  docs/measure-fanout.sh -r 3 -s 8 -o fanout.csv 50 100 200 500 1000 2000 5000
  docs/plot-fanout.py fanout.csv                      writes docs/fanout-cpu.svg and docs/fanout-latency.svg

Lines go through the medians of all rounds, bars from the smallest value to the largest. Needs nothing but Python 3.
"""

import argparse
import csv
import math
import pathlib
import statistics
from xml.sax.saxutils import escape

SERVERS = {"relay": "relay", "nginx": "nginx-rtmp", "floor": "floor"}

# File, title, column, unit of the vertical axis.
PLOTS = [
    ("fanout-cpu.svg", "CPU for each gigabyte delivered", "cpu_s_per_gb", "CPU s per GB"),
    ("fanout-latency.svg", "Latency, 99th percentile", "latency_p99_ms", "ms"),
]

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 104, 48, 56
LABEL_DISTANCE = 16

# The media query asks the reader's settings, also where the file is shown as an image.
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .axis { stroke: #57606a; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
  .bar { stroke-width: 1.5; opacity: .6 }
  .relay { stroke: #0969da } .relay-fill { fill: #0969da }
  .nginx { stroke: #bc4c00 } .nginx-fill { fill: #bc4c00 }
  .floor { stroke: #6e7781; stroke-dasharray: 6 4 } .floor-fill { fill: #6e7781 }
  .bar.floor { stroke-dasharray: none }
  .label { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .grid { stroke: #30363d }
    .axis { stroke: #8b949e }
    .relay { stroke: #58a6ff } .relay-fill { fill: #58a6ff }
    .nginx { stroke: #f0883e } .nginx-fill { fill: #f0883e }
    .floor { stroke: #9ea7b0 } .floor-fill { fill: #9ea7b0 }
  }
"""


def read(path, column):
    """The values of all rounds: {server: {players: [value, ...]}}."""
    values = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row[column]:
                of_server = values.setdefault(row["server"], {})
                of_server.setdefault(int(row["players"]), []).append(float(row[column]))
    return {server: values[server] for server in SERVERS if server in values}


def nice_step(span, parts):
    """The distance of grid lines: 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(span / parts))
    return next(step * power for step in (1, 2, 5, 10) if span / (step * power) <= parts)


def log_ticks(low, high):
    """1, 2 and 5 times powers of ten, from the last one that is not above `low` to the first one that is above `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    first = max(at for at, tick in enumerate(ticks) if tick <= low)
    last = min(at for at, tick in enumerate(ticks) if tick > high)
    return ticks[first : last + 1]


class Plot:
    def __init__(self, values, is_log):
        counts = sorted({count for of_server in values.values() for count in of_server})
        everything = [value for of_server in values.values() for rounds in of_server.values() for value in rounds]
        self.counts = counts
        self.is_log = is_log
        if is_log:
            # Nothing is measured below a microsecond.
            self.ticks = log_ticks(max(min(everything), 1e-3), max(everything))
        else:
            step = nice_step(max(everything), 6)
            self.ticks = [step * at for at in range(math.ceil(max(everything) / step) + 1)]

    def x(self, count):
        first, last = math.log(self.counts[0]), math.log(self.counts[-1])
        share = (math.log(count) - first) / (last - first) if last > first else 0.5
        return LEFT + 16 + share * (WIDTH - LEFT - RIGHT - 32)

    def y(self, value):
        scale = (lambda at: math.log(max(at, self.ticks[0]))) if self.is_log else (lambda at: at)
        low, high = scale(self.ticks[0]), scale(self.ticks[-1])
        return HEIGHT - BOTTOM - (scale(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def label_places(wanted):
    """Vertical places of the labels, moved apart where they would cover each other."""
    places = {}
    last = -math.inf
    for server, place in sorted(wanted.items(), key=lambda item: item[1]):
        last = places[server] = max(place, last + LABEL_DISTANCE)
    return places


def draw(values, title, unit, is_log):
    plot = Plot(values, is_log)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
        f'<text x="{right}" y="22" text-anchor="end">{escape(unit)}</text>',
    ]
    for tick in plot.ticks:
        y = plot.y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4.5:.1f}" text-anchor="end">{tick:g}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}"/>')
    for count in plot.counts:
        x = plot.x(count)
        parts.append(f'<line class="axis" x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{count}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle">players</text>')

    ends = {}
    # The relay last, on top of the others.
    for server, of_server in reversed(values.items()):
        medians = {count: statistics.median(rounds) for count, rounds in sorted(of_server.items())}
        points = [(plot.x(count), plot.y(median)) for count, median in medians.items()]
        for count, rounds in of_server.items():
            x, top, low = plot.x(count), plot.y(max(rounds)), plot.y(min(rounds))
            parts.append(f'<line class="bar {server}" x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{low:.1f}"/>')
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line {server}" points="{path}"/>')
        for (x, y), (count, median) in zip(points, medians.items()):
            tip = f"{SERVERS[server]}, {count} players: {median:g} {unit}"
            parts.append(f'<circle class="{server}-fill" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{tip}</title></circle>')
        ends[server] = points[-1][1]
    for server, y in label_places(ends).items():
        parts.append(f'<text class="label {server}-fill" x="{right + 4}" y="{y + 4.5:.1f}">{SERVERS[server]}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", help="what measure-fanout.sh -o has written")
    parser.add_argument("-d", "--directory", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    options = parser.parse_args()
    for name, title, column, unit in PLOTS:
        values = read(options.csv, column)
        if not values:
            parser.error(f"{options.csv} has no {column}")
        path = options.directory / name
        # Latency spans powers of ten, cost does not.
        path.write_text(draw(values, title, unit, is_log=column.startswith("latency")), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
