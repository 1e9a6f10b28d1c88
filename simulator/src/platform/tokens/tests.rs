//! Tokens over time: what replaces, what stays, and how those that ended are called.

use super::*;

const T0: i64 = 1_754_000_000_000;

fn code(tokens: &Tokens, given: &Given, now_ms: i64) -> i32 {
    tokens.check(Some(&given.token), now_ms).map_or_else(|refusal| refusal.errcode, |_| 0)
}

#[test]
fn a_plain_token_leaves_the_one_before_five_minutes_and_the_stable_one_alone() {
    let mut tokens = Tokens::default();
    let stable = tokens.stable(0, T0);
    let first = tokens.plain(0, T0);
    let second = tokens.plain(0, T0 + 1000);
    assert_ne!(first, second);
    assert_eq!(code(&tokens, &first, T0 + 300_999), 0);
    assert_eq!(code(&tokens, &first, T0 + 301_000), 40001);
    assert_eq!(code(&tokens, &second, T0 + 301_000), 0);
    assert_eq!(code(&tokens, &stable, T0 + 301_000), 0);
    assert_eq!(code(&tokens, &second, T0 + 7_201_000), 42001);
}

#[test]
fn a_stable_token_stays_until_its_last_five_minutes() {
    let mut tokens = Tokens::default();
    let first = tokens.stable(0, T0);
    let same = tokens.stable(0, T0 + 6_855_000);
    assert_eq!(same, Given { token: first.token.clone(), expires_in: 345 });
    let next = tokens.stable(0, T0 + 6_900_001);
    assert_ne!(next.token, first.token);
    assert_eq!(code(&tokens, &first, T0 + 7_199_999), 0, "both are good in the overlap");
    assert_eq!(code(&tokens, &first, T0 + 7_200_000), 42001);
}

#[test]
fn a_token_that_ended_long_ago_is_called_expired_and_nothing_grows() {
    let mut tokens = Tokens::default();
    let first = tokens.stable(0, T0);
    let two_months = T0 + 61 * 86_400_000;
    for day in 0..61 {
        tokens.plain(0, T0 + day * 86_400_000);
    }
    assert!(tokens.issued.len() < 4, "{}", tokens.issued.len());
    assert_eq!(code(&tokens, &first, two_months), 42001);
    let mut forged = first.token.clone();
    forged.replace_range(4..5, if forged.as_bytes()[4] == b'0' { "1" } else { "0" });
    for stranger in [forged.as_str(), first.token.get(..40).unwrap(), "SIM_", "令牌", "一二三四五六七八九十"]
    {
        assert_eq!(tokens.check(Some(stranger), two_months).unwrap_err().errcode, 40014, "{stranger}");
    }
    assert_eq!(Tokens::default().check(Some(&first.token), T0).unwrap_err().errcode, 40014);
}

#[test]
fn a_forced_refresh_ends_the_one_before_at_once_and_not_twice_in_thirty_seconds() {
    let mut tokens = Tokens::default();
    let first = tokens.stable(0, T0);
    let second = tokens.forced(0, T0 + 1).expect("the first may be forced");
    assert_eq!(code(&tokens, &first, T0 + 1), 40001);
    assert_eq!(tokens.forced(0, T0 + 30_000), None);
    assert_eq!(code(&tokens, &second, T0 + 30_000), 0);
    assert!(tokens.forced(0, T0 + 30_001).is_some());
}

#[test]
fn accounts_do_not_share_tokens_and_strangers_are_named() {
    let mut tokens = Tokens::default();
    let (a, b) = (tokens.stable(0, T0), tokens.stable(1, T0));
    assert_eq!(tokens.check(Some(&a.token), T0).ok(), Some(0));
    assert_eq!(tokens.check(Some(&b.token), T0).ok(), Some(1));
    assert_eq!(tokens.check(None, T0).unwrap_err().errcode, 41001);
    assert_eq!(tokens.check(Some("x"), T0).unwrap_err().errcode, 40014);
}
