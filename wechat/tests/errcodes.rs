//! Every code that the platform's documentation names has a class, and it is the one that follows from what to do about it.

use wechat::errcode::{Class, TABLE, class};

/// The codes of `facts.md` §4.6 by its column “do”, with the class that this becomes; last those that its other sections name.
const FACTS: [(&str, Class, &[i32]); 15] = [
    ("accepted", Class::Ok, &[0]),
    ("delivery unconfirmed", Class::Ambiguous, &[-1]),
    ("retry", Class::Retry, &[61_450]),
    ("retry after the minute", Class::PauseMinute, &[45_011]),
    ("refresh the token", Class::RefreshToken, &[40_001, 40_014, 42_001]),
    ("drop and mark the user", Class::BlockUser, &[40_003, 43_004, 43_019, 46_004, 48_002, 50_002, 50_005]),
    ("close the window", Class::CloseWindow, &[45_015, 45_047]),
    ("drop", Class::GiveUp, &[45_080, 45_081, 45_094, 70_000]),
    ("pause until midnight", Class::StopUntilMidnight, &[45_009]),
    (
        "pause or configuration alarm",
        Class::StopAccount,
        &[
            40_013, 40_125, 40_164, 40_243, 42_007, 45_087, 45_102, 45_501, 48_001, 48_004, 50_001, 50_004,
            50_007, 61_003, 61_004, 61_007, 61_023, 61_024, 89_503, 89_506, 89_507,
        ],
    ),
    ("needs another medium or another text", Class::GiveUp, &[40_007, 45_002, 46_001]),
    (
        "fix the request",
        Class::GiveUp,
        &[
            40_005, 40_006, 40_008, 40_033, 40_035, 40_038, 40_101, 40_200, 41_001, 43_002, 43_003, 44_002,
            44_003, 44_004, 45_001, 45_003, 45_004, 45_005, 45_006, 45_007, 45_008, 45_050, 45_072, 45_098,
            45_099, 45_162, 47_001, 47_002, 48_008, 61_451, 61_452,
        ],
    ),
    ("§4.1, rid/get: not found", Class::GiveUp, &[76_001]),
    ("§4.5, clear_quota: no resets left", Class::GiveUp, &[48_006]),
    ("§6.3, subscription message: the user refused", Class::GiveUp, &[43_101]),
];

#[test]
fn every_documented_code_has_the_class_that_follows_from_what_to_do_about_it() {
    for (what, expected, codes) in FACTS {
        for code in codes {
            assert_eq!(class(*code), expected, "{code}: {what}");
        }
    }
}

#[test]
fn the_table_holds_the_documented_codes_and_no_other() {
    let mut documented: Vec<i32> = FACTS.iter().flat_map(|(_, _, codes)| codes.iter().copied()).collect();
    documented.sort_unstable();
    let table: Vec<i32> = TABLE.iter().map(|row| row.code).collect();
    assert_eq!(table, documented);
}
