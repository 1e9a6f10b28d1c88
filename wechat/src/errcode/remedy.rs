//! Where a person grants what the platform says is missing.

const IN_THE_LIST: &str = "see the code in the platform's list of return codes";

/// What to do about a code that stops an account, and on which page.
#[must_use]
pub fn remedy(code: i32) -> &'static str {
    match code {
        48_001 | 50_001 => {
            "the account lacks the right to send customer-service messages: see mp.weixin.qq.com, 设置与开发 > 接口权限 > 客服消息 (客服接口); it is granted to accounts that are verified (微信认证) for a company"
        }
        42_007 | 61_003 | 61_007 | 61_023 => {
            "the account has not granted the third-party platform the right to send messages: let its administrator authorise it again with customer-service messages among the permissions"
        }
        40_164 | 61_004 | 89_503 | 89_506 | 89_507 => {
            "the platform does not know the address that calls it: add it under mp.weixin.qq.com, 设置与开发 > 基本配置 > IP白名单, and let the administrator confirm what the platform asks"
        }
        // 40001 stops an account where a token was asked for with the secret.
        40_001 | 40_013 | 40_125 | 40_243 | 61_024 => {
            "AppId or AppSecret is wrong or frozen: compare what is configured with mp.weixin.qq.com, 设置与开发 > 基本配置"
        }
        45_087 | 45_094 | 45_102 | 45_501 | 48_004 | 50_002 | 50_004 | 50_007 => {
            "the platform has blocked the account or its interface, or punishes it: see the notices (通知中心) of the account at mp.weixin.qq.com"
        }
        45_009 => {
            "the day's calls are used up: wait for midnight in Beijing, or reset them (cgi-bin/clear_quota)"
        }
        _ => IN_THE_LIST,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Class, TABLE};
    use super::*;

    #[test]
    fn every_code_that_stops_an_account_has_its_page() {
        let stops = |class| matches!(class, Class::StopAccount | Class::StopUntilMidnight);
        for row in TABLE.iter().filter(|row| stops(row.class)) {
            assert_ne!(remedy(row.code), IN_THE_LIST, "{}", row.code);
        }
        for code in [40_001, 45_094] {
            assert_ne!(remedy(code), IN_THE_LIST, "{code}");
        }
    }
}
