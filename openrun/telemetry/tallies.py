"""What a process counts: plain numbers that the event loop's thread alone changes, made into metrics when asked.

Events come by the ten thousand a second; a tally is one attribute, found once and kept, where a metric of the
client library is a lock, a child object and a check of labels each time.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

OTHER = "other"
"""The label of all that came after the most names a label may have."""

STEP_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
RUN_SECONDS = (*STEP_SECONDS, 600.0, 3_600.0, 86_400.0)


class Tally:
    """A number that grows."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Spread:
    """How often which value came: a histogram's numbers, in seconds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = STEP_SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Time that went backwards, as when a run changed machines, counts as none."""
        if seconds > 0:
            self.total += seconds
        self.counts[bisect_left(self.bounds, seconds)] += 1


class Names:
    """The values that a label may have: the first `most` names, and "other" for those that come later."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._known: set[str] = set()
        self._most = most

    def label(self, name: str) -> str:
        if name not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
        return name


class Counter:
    """Tallies by their labels, under one name (without `_total`)."""

    __slots__ = ("_labels", "_name", "_tallies", "_words")

    def __init__(self, name: str, words: str, *labels: str) -> None:
        self._name, self._words, self._labels = name, words, labels
        self._tallies: dict[tuple[str, ...], Tally] = {}
        if not labels:
            self.of()

    def of(self, *values: str) -> Tally:
        """The tally of these values of the labels, in their order."""
        tally = self._tallies.get(values)
        if tally is None:
            tally = self._tallies[values] = Tally()
        return tally

    def family(self) -> CounterMetricFamily:
        family = CounterMetricFamily(self._name, self._words, labels=self._labels)
        for values, tally in self._tallies.items():
            family.add_metric(values, tally.count)
        return family


class Histogram:
    """Spreads by their labels, under one name."""

    __slots__ = ("_bounds", "_labels", "_name", "_spreads", "_words")

    def __init__(self, name: str, words: str, *labels: str, bounds: Sequence[float] = STEP_SECONDS) -> None:
        self._name, self._words, self._labels, self._bounds = name, words, labels, bounds
        self._spreads: dict[tuple[str, ...], Spread] = {}
        if not labels:
            self.of()

    def of(self, *values: str) -> Spread:
        """The spread of these values of the labels, in their order."""
        spread = self._spreads.get(values)
        if spread is None:
            spread = self._spreads[values] = Spread(self._bounds)
        return spread

    def family(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(self._name, self._words, labels=self._labels)
        names = [*map(str, self._bounds), "+Inf"]
        for values, spread in self._spreads.items():
            buckets = list(zip(names, accumulate(spread.counts), strict=True))
            family.add_metric(values, buckets, spread.total)
        return family


def gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return GaugeMetricFamily(name, words, value=value)


def gauges(name: str, words: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    """A gauge with one label, by its values."""
    family = GaugeMetricFamily(name, words, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
