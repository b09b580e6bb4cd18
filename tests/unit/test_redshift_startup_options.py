"""The startup parameter `options`: what SET may not change it may not either, however it is spelled."""

from __future__ import annotations

import pytest

from velodrome.redshift.startup_options import OptionError, checked


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("-c search_path=a,b --statement-timeout=5", "-c search_path=a,b -c statement_timeout=5"),
        ("-cdatestyle=ISO", "-c datestyle=ISO"),
        (r"-c application_name=a\ b\\c", r"-c application_name=a\ b\\c"),
        ("-c query_group=night", "-c velodrome.query_group=night"),
        ("-c enable_result_cache_for_session=FALSE", "-c velodrome.enable_result_cache_for_session=off"),
    ],
)
def test_taken(given: str, expected: str) -> None:
    assert checked(given) == expected


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("-c Standard_Conforming_Strings=on", "0A000", "changing standard_conforming_strings is not supported"),
        ("--standard-conforming-strings=on", "0A000", "changing standard_conforming_strings is not supported"),
        (r"-c standard\_conforming_strings=on", "0A000", "changing standard_conforming_strings is not supported"),
        ("-c backslash_quote=off", "0A000", "changing backslash_quote is not supported"),
        ("-c velodrome.driver=amazon", "42704", 'unrecognized configuration parameter "velodrome.driver"'),
        ("-c role=rdsdb", "42704", 'unrecognized configuration parameter "role"'),
        ("-c wlm_query_slot_count=99", "22023", "99 is outside the valid range"),
        ("-d 5", "42601", "invalid command-line argument for server process: -d"),
        ("-c", "42601", "invalid option -c"),
        ("--work_mem", "42601", "--work_mem requires a value"),
    ],
)
def test_refused(given: str, code: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        checked(given)
    assert caught.value.code == code and str(caught.value).startswith(message)
