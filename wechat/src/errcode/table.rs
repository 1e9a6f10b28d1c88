//! The error codes, one row each. Sources are the tags of `facts.md` §10; the rows stand in its §4.6, those of other calls in §4.1
//! (76001), §4.3 (typing), §4.5 (48006) and §6.3 (43101).

use super::Class::{
    Ambiguous, BlockUser, CloseWindow, GiveUp, Ok, PauseMinute, RefreshToken, Retry, StopAccount,
    StopUntilMidnight,
};
use super::{Class, ErrCode};

const fn row(code: i32, class: Class, text: &'static str, source: &'static str) -> ErrCode {
    ErrCode { code, text, class, source, alarms: false }
}

const fn alarming(row: ErrCode) -> ErrCode {
    ErrCode { alarms: true, ..row }
}

/// All codes of `facts.md`, sorted by code.
pub const TABLE: &[ErrCode] = &[
    row(-1, Ambiguous, "system error", "WXJ-MPERR"),
    row(0, Ok, "ok", "MP-SEND"),
    row(40_001, RefreshToken, "invalid credential, access_token is invalid or not latest", "MP-SEND"),
    row(40_003, BlockUser, "invalid openid", "WXJ-MPERR"),
    row(40_005, GiveUp, "invalid file type", "WXJ-MPERR"),
    row(40_006, GiveUp, "invalid meida size", "WXJ-MPERR"),
    row(40_007, GiveUp, "invalid media_id", "WXJ-MPERR"),
    row(40_008, GiveUp, "invalid message type", "WXJ-MPERR"),
    row(40_013, StopAccount, "invalid appid", "MP-SEND"),
    row(40_014, RefreshToken, "invalid access_token", "WXJ-MPERR"),
    row(
        40_033,
        GiveUp,
        "invalid charset. please check your request, if include \\uxxxx will create fail",
        "WXJ-OPENERR",
    ),
    row(40_035, GiveUp, "data format error", "WXJ-MPERR"),
    row(40_038, GiveUp, "data format error", "WXJ-MPERR"),
    row(40_101, GiveUp, "missing parameter", "COMM-BUSINESS"),
    row(40_125, StopAccount, "invalid appsecret", "WXJ-MPERR"),
    row(40_164, StopAccount, "invalid ip, not in whitelist", "MP-TOKEN"),
    row(40_200, GiveUp, "invalid account type", "MP-TYPING"),
    row(40_243, StopAccount, "AppSecret frozen", "MP-TOKEN"),
    // All our calls carry a token: what loses it on the way loses that of a repeat, too.
    row(41_001, GiveUp, "access_token missing", "WXJ-MPERR"),
    row(42_001, RefreshToken, "access_token expired", "WXJ-MPERR"),
    row(42_007, StopAccount, "access_token and refresh_token exception", "WXJ-MPERR"),
    row(43_002, GiveUp, "require POST method", "WXJ-MPERR"),
    row(43_003, GiveUp, "require https", "WXJ-MPERR"),
    row(43_004, BlockUser, "require subscribe", "WXJ-MPERR"),
    row(43_019, BlockUser, "require remove blacklist", "WXJ-MPERR"),
    row(43_101, GiveUp, "user refuse to accept the msg", "MP-SUB"),
    row(44_002, GiveUp, "empty post data", "WXJ-MPERR"),
    row(44_003, GiveUp, "empty news data", "WXJ-MPERR"),
    row(44_004, GiveUp, "empty content", "WXJ-MPERR"),
    row(45_001, GiveUp, "media size out of limit", "WXJ-MPERR"),
    row(45_002, GiveUp, "content size out of limit", "WXJ-MPERR"),
    row(45_003, GiveUp, "title size out of limit", "WXJ-MPERR"),
    row(45_004, GiveUp, "description size out of limit", "WXJ-MPERR"),
    row(45_005, GiveUp, "url size out of limit", "WXJ-MPERR"),
    row(45_006, GiveUp, "picurl size out of limit", "WXJ-MPERR"),
    row(45_007, GiveUp, "playtime out of limit", "WXJ-MPERR"),
    row(45_008, GiveUp, "article size out of limit", "WXJ-MPERR"),
    row(45_009, StopUntilMidnight, "reach max api daily quota limit", "WXJ-MPERR"),
    row(45_011, PauseMinute, "api minute-quota reach limit, retry next minute", "WXJ-MPERR"),
    row(45_015, CloseWindow, "response out of time limit or subscription is canceled", "WXJ-MPERR"),
    row(45_047, CloseWindow, "out of response count limit", "WXJ-MPERR"),
    row(45_050, GiveUp, "custom msg use invalid type", "WXJ-MPERR"),
    row(45_072, GiveUp, "invalid command", "MP-TYPING"),
    row(45_080, GiveUp, "typing: no exchange with the user within 30 s", "MP-TYPING"),
    row(45_081, GiveUp, "typing: already typing", "MP-TYPING"),
    row(45_087, StopAccount, "customer service message from this account have been blocked", "WXJ-MPERR"),
    // Takes one message and not the account, and still a person has to act (`facts.md` §4.6: D, C).
    alarming(row(
        45_094,
        GiveUp,
        "not allow to send custom message when user enter session, for punishment",
        "WXJ-MPERR",
    )),
    row(45_098, GiveUp, "msgmenu list size out of limit", "WXJ-MPERR"),
    row(45_099, GiveUp, "msgmenu item size out of limit", "WXJ-MPERR"),
    row(45_102, StopAccount, "api blocked temporarily", "WXJ-MPERR"),
    row(45_162, GiveUp, "invalid type", "COMM-45162"),
    row(45_501, StopAccount, "api blocked temporarily", "WXJ-MPERR"),
    row(46_001, GiveUp, "media data no exist", "WXJ-MPERR"),
    row(46_004, BlockUser, "user no exist", "WXJ-MPERR"),
    row(47_001, GiveUp, "data format error", "WXJ-MPERR"),
    row(47_002, GiveUp, "do not use \\uxxxx", "WXJ-OPENERR"),
    row(48_001, StopAccount, "api unauthorized", "WXJ-MPERR"),
    row(48_002, BlockUser, "user block receive message", "WXJ-MPERR"),
    row(48_004, StopAccount, "api forbidden for irregularities", "WXJ-MPERR"),
    row(48_006, GiveUp, "the month's resets of the quota are used up", "MP-OPENAPI"),
    row(48_008, GiveUp, "no permission for this msgtype", "WXJ-MPERR"),
    row(50_001, StopAccount, "api unauthorized or user unauthorized", "WXJ-MPERR"),
    row(50_002, BlockUser, "user limited", "MP-OPENAPI"),
    row(50_004, StopAccount, "token use forbidden", "MP-TOKEN"),
    row(50_005, BlockUser, "user is unsubscribed", "WXJ-MPERR"),
    row(50_007, StopAccount, "account frozen", "MP-TOKEN"),
    row(61_003, StopAccount, "component is not authorized by this account", "WXJ-OPENERR"),
    row(61_004, StopAccount, "access clientip is not registered", "CSDN-61004"),
    row(61_007, StopAccount, "api is unauthorized to component", "WXJ-OPENERR"),
    row(61_023, StopAccount, "refresh_token is invalid", "WXJ-OPENERR"),
    row(
        61_024,
        StopAccount,
        "must use api(api_component_token) to get token for component acct",
        "CSDN-61024",
    ),
    row(61_450, Retry, "kf: system error", "WXJ-MPERR"),
    row(61_451, GiveUp, "kf: invalid parameter", "WXJ-MPERR"),
    row(61_452, GiveUp, "kf: invalid kf_account", "WXJ-MPERR"),
    row(70_000, GiveUp, "minor protection, message failed", "MP-SEND"),
    row(76_001, GiveUp, "rid not found", "MP-OPENAPI"),
    row(89_503, StopAccount, "waiting for administrator confirmation", "MP-STABLE"),
    row(89_506, StopAccount, "administrator refused this IP, retry after 24 h", "MP-STABLE"),
    row(89_507, StopAccount, "administrator refused this IP, retry after 1 h", "MP-STABLE"),
];
