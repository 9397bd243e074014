"""Page sizes and page tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.rpc.paging import PageTokens, page_size
from services.foundation.rpc.refusals import PageSizeNegative, PageTokenInvalid

_queries = st.lists(st.one_of(st.text(), st.integers()), max_size=4)
TOKENS = PageTokens()


@pytest.mark.parametrize(("wanted", "size"), [(0, 20), (1, 1), (100, 100), (101, 100), (2**31 - 1, 100)])
def test_a_page_size_is_brought_within_bounds(wanted: int, size: int) -> None:
    assert page_size(wanted, default=20, most=100) == size


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(PageSizeNegative):
        page_size(-1, default=20, most=100)


@given(st.binary(), _queries)
def test_a_token_leads_back_to_its_position(position: bytes, query: list[str | int]) -> None:
    assert TOKENS.read(TOKENS.write(position, *query), *query) == position


def test_no_token_is_the_beginning() -> None:
    assert TOKENS.read("", "query") is None


@given(_queries, _queries)
def test_a_token_is_of_no_use_for_another_query(query: list[str | int], other: list[str | int]) -> None:
    token = TOKENS.write(b"7", *query)
    if [(type(part), part) for part in query] == [(type(part), part) for part in other]:
        return

    with pytest.raises(PageTokenInvalid):
        TOKENS.read(token, *other)


@given(st.text(min_size=1))
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        TOKENS.read(token, "query")


@given(st.data())
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    token = TOKENS.write(b"position", "query")
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ").filter(lambda letter: letter != token[place]))

    with pytest.raises(PageTokenInvalid):
        TOKENS.read(token[:place] + other + token[place + 1 :], "query")


def test_a_token_of_another_node_is_refused() -> None:
    with pytest.raises(PageTokenInvalid):
        TOKENS.read(PageTokens().write(b"7"))


def test_processes_with_the_same_key_read_each_others_tokens() -> None:
    key = b"k" * 32

    assert PageTokens(key).read(PageTokens(key).write(b"7", "query"), "query") == b"7"
