import json

from deid_udf.log import logger


def test_one_event_a_line_and_never_bytes(capsys):
    logger().info("seen", image_id="a", data=b"\xff\xd8secret")
    told = capsys.readouterr()
    assert told.out == ""
    event = json.loads(told.err)
    assert event["event"] == "seen"
    assert event["data"] == "<8 bytes>"
