"""The texts of letters: purposes, languages, an operator's own folder."""

from __future__ import annotations

import pytest

from tinode_py.mail.letters import render

VALUES = {"code": "123456", "address": "a@example.com", "service": "Chat", "minutes": "15"}


@pytest.mark.parametrize("purpose", ["confirm", "reset"])
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_every_text_tells_the_code_and_leaves_no_place_empty(purpose, language):
    subject, text = render(purpose, language, "", VALUES)
    assert "123456" in subject
    assert "123456" in text
    assert "$" not in subject + text


@pytest.mark.parametrize("language", ["", "xx", "en-US", "EN", "../../etc/passwd", "d\0"])
def test_what_is_not_known_is_english(language):
    assert render("reset", language, "", VALUES) == render("reset", "en", "", VALUES)


def test_a_region_does_not_matter():
    assert render("reset", "de-CH", "", VALUES) == render("reset", "de", "", VALUES)


def test_an_operators_text_goes_before_ours(tmp_path):
    (tmp_path / "confirm.en.txt").write_text("Hi $code\n\nFor $address.\n")
    assert render("confirm", "en", str(tmp_path), VALUES) == (
        "Hi 123456",
        "For a@example.com.\n",
    )
    assert render("reset", "en", str(tmp_path), VALUES) == render("reset", "en", "", VALUES)


def test_an_unknown_purpose_is_an_error():
    with pytest.raises(FileNotFoundError):
        render("greet", "en", "", VALUES)
