"""Names in pictures are as long as there is room for them."""

import pytest

from app.web.pictures.fitting import fit_end, fit_start, notes_that_fit, width_of


@pytest.mark.parametrize("text", ["", "customer-churn 4", "W" * 40, "Ж漢" * 20, "fill" * 20])
@pytest.mark.parametrize("room", [5.0, 14.5])
def test_a_name_fits_and_keeps_as_much_as_it_can(text: str, room: float) -> None:
    for fitted in (fit_start(text, room), fit_end(text, room)):
        assert width_of(fitted) <= room
        assert (fitted == text) == (width_of(text) <= room)
        # One letter more would be too much.
        assert fitted == text or width_of(fitted) > room - 1.7


def test_the_kept_part_is_the_beginning_or_the_end() -> None:
    assert fit_start("customer-churn-of-europe", 10) == "customer-…"
    assert fit_end("customer-churn-of-europe 12", 10) == "…europe 12"


def test_notes_that_do_not_fit_are_left_out_as_a_whole() -> None:
    notes = ["this model", "accuracy 0.8096", "attested"]
    assert notes_that_fit(notes, 25) == "this model · accuracy 0.8096"
    assert notes_that_fit(notes, 15) == "this model"
    assert notes_that_fit(["customer-churn-of-europe"], 10) == "customer-…"
