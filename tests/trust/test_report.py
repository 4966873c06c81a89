from __future__ import annotations

import json

from kokuin.trust.report import Check, Indication, Report, Status, SubIndication, conclude, iso_time

OK = Check("a", "clause")
WEAK = Check("b", "clause", Status.WEAK, "reason")
UNDONE = Check("c", "clause", Status.NOT_DONE, "reason")
OPEN = Check("d", "clause", Status.INDETERMINATE, "reason", SubIndication.NO_CERTIFICATE_CHAIN_FOUND)
BAD = Check("e", "clause", Status.FAILED, "reason", SubIndication.HASH_FAILURE)


def test_a_failure_weighs_more_than_an_open_question_and_the_first_names_it() -> None:
    assert conclude((OK, WEAK, UNDONE)) == (Indication.PASSED, None)
    assert conclude((OK, OPEN, WEAK)) == (Indication.INDETERMINATE, SubIndication.NO_CERTIFICATE_CHAIN_FOUND)
    assert conclude((OPEN, BAD)) == (Indication.FAILED, SubIndication.HASH_FAILURE)


def test_json_is_ascii_sorted_and_complete() -> None:
    part = Report("part", {}, Indication.PASSED, None, 0, (OK,))
    report = Report(
        "whole", {"signer": "刻印"}, Indication.FAILED, SubIndication.HASH_FAILURE, 1, (BAD,), (), (part,)
    )
    octets = report.to_json()
    assert octets.isascii()
    read = json.loads(octets)
    assert list(read) == sorted(read)
    assert read["schema"] == 1
    assert read["validation_time"] == "1970-01-01T00:00:00.000001Z"
    assert read["parts"][0]["indication"] == "PASSED"
    assert read["checks"] == [
        {
            "id": "e",
            "clause": "clause",
            "status": "failed",
            "reason": "reason",
            "sub_indication": "HASH_FAILURE",
            "params": {},
        }
    ]


def test_times_before_1970_and_far_ahead_can_be_written() -> None:
    assert iso_time(-62_135_596_800_000_000) == "0001-01-01T00:00:00Z"
    assert iso_time(253_402_300_799_999_999) == "9999-12-31T23:59:59.999999Z"
