"""How pages write values."""

from datetime import UTC, datetime, timedelta

import pytest

from app.web.filters import (
    change,
    count,
    ident,
    moment,
    number,
    percent,
    relative,
    short,
    size,
    tenant,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.85, "0.850"),
        (0.8973421, "0.8973"),
        (0.00123456, "0.001235"),
        (1, "1"),
        (0, "0"),
        (12.4, "12.4"),
        (12.3456, "12.35"),
        (1234.56, "1,235"),
        (1234567, "1,234,567"),
        (-0.5, "−0.500"),
        (1.5e-7, "1.500e−7"),
        (2.5e20, "2.500e+20"),
        (float("inf"), "–"),
    ],
)
def test_a_number_has_the_digits_that_it_deserves(value: float, text: str) -> None:
    assert number(value) == text


def test_a_tenant_that_is_a_wallet_is_short_and_whole_on_hover() -> None:
    address = "0x" + "6c" * 20
    assert tenant("acme <b>") == "acme &lt;b&gt;"
    assert tenant(address) == f'<span class="mono" title="{address}">0x6c6c…6c6c</span>'


@pytest.mark.parametrize(
    ("baseline", "improved", "higher", "text"),
    [
        (0.85, 0.881, True, "+3.1 pp"),
        (0.85, 0.84, True, "−1.0 pp"),
        (0.85, 0.8504, True, "+0.04 pp"),
        (0.79, 0.79, True, "±0.0 pp"),
        (0.412, 0.431, False, "+0.019"),
        (12.4, 11.9, False, "−0.500"),
        (10, 1250, True, "+1,240"),
    ],
)
def test_a_change_of_fractions_is_in_percentage_points(
    baseline: float, improved: float, higher: bool, text: str
) -> None:
    delta = round(improved - baseline, 6)
    assert change(baseline, improved, delta, higher_is_better=higher) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=59), "59 seconds ago"),
        (timedelta(seconds=61), "1 minute ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=40), "2026-10-19"),
        (timedelta(days=-3), "in 3 days"),
        (timedelta(days=-7, seconds=1), "in 7 days"),
        (timedelta(minutes=-30, seconds=1), "in 30 minutes"),
        (timedelta(minutes=-59, seconds=-59), "in 1 hour"),
    ],
)
def test_a_time_is_written_as_it_is_spoken_of(ago: timedelta, text: str) -> None:
    assert relative(NOW - ago, NOW) == text


def test_a_moment_has_the_exact_time_too() -> None:
    assert str(moment(NOW)).startswith(
        '<time datetime="2026-11-28T12:00:00Z" title="2026-11-28 12:00:00 UTC">'
    )


def test_an_id_is_short_and_whole_on_hover_and_to_copy() -> None:
    model_id = "hkm_E-B0DfTNO4oW4MRKg9IMDA"
    assert short(model_id) == "hkm_E-B0…IMDA"
    assert short("0x742D35cc6634C0532925A3B844BC9E7595f62341") == "0x742D…2341"
    html = str(ident(model_id, "/models/x"))
    assert f'title="{model_id}"' in html
    assert f'data-copy="{model_id}"' in html
    assert '<a href="/models/x"' in html


def test_what_others_wrote_is_escaped() -> None:
    assert "<script" not in str(ident('"><script>', '"><script>'))


def test_amounts_and_parts() -> None:
    assert [count(1, "entry", "entries"), count(2000, "model")] == ["1 entry", "2,000 models"]
    assert percent(0.625) == "62.5 %"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_600, "1 MB"),
        (2_500_000_000, "2.5 GB"),
        (10**16, "10,000 TB"),
    ],
)
def test_a_size_is_short(amount: int, text: str) -> None:
    assert size(amount) == text
