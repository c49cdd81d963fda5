from deid_udf.plates.memo import Draw, Memo


def test_a_draw_is_remembered_under_its_key_alone():
    memo = Memo()
    draw = Draw("京A132B3")
    memo.put(("scope", "x"), draw)
    assert memo.get(("scope", "x")) is draw
    assert memo.get(("other", "x")) is None


def test_the_least_recently_used_draw_is_forgotten_first():
    memo = Memo(capacity=2)
    for key in "ab":
        memo.put(key, Draw(key))
    memo.get("a")
    memo.put("c", Draw("c"))
    assert memo.get("b") is None
    assert memo.get("a") is not None


def test_tokens_name_draws_not_texts():
    assert Draw("same").token != Draw("same").token
